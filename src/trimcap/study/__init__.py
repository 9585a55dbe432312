"""Studies: a recipe becomes trials, results and a report."""
