"""From scores to plans."""
