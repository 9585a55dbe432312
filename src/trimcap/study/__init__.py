"""trimcap.study."""
