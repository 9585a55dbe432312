"""The C of a Program, one file a kind of operation."""
