"""Arrays whose rows are read when they are asked for."""
