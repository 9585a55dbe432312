"""trimcap.program."""
