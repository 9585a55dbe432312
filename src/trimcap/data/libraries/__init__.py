"""Other libraries' objects, as recordings and windows."""
