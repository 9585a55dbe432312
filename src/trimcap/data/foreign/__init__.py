"""Files that need not be trusted: MATLAB, pickles, archives of arrays."""
