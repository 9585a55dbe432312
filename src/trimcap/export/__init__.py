"""trimcap.export."""
