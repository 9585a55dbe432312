"""trimcap.quantize."""
