"""Split protocols: what is kept apart."""
