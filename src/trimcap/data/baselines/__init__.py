"""What every network has to be compared with."""
