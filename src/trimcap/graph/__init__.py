"""trimcap.graph."""
