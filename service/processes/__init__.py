"""The processes of one machine, and the server that they share."""
