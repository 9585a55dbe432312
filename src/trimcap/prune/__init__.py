"""trimcap.prune."""
