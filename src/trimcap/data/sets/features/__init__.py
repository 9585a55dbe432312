"""Published features, trial by trial."""
