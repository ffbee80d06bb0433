"""One module for each row of the target table."""
