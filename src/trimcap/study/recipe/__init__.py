"""What to measure, written down completely, as TOML."""
