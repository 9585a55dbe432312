"""Steps on recordings."""
