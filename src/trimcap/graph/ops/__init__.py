"""What each ATen operation is: what it does to dimensions, what it costs, whether a file may hold it."""
