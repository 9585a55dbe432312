"""What every kind of operation is: one module a family of kinds."""
