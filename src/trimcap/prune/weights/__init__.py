"""Single weights instead of slices."""
