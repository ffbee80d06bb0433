"""The work of operators: their audit log, their bulk jobs, and the states that they give to issues."""
