"""A network as one list of ATen operations: traced, analysed, rewritten, saved."""
