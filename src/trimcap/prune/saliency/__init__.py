"""One score per slice of an axis, higher = keep."""
