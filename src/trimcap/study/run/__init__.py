"""A recipe at work: folds × seeds, resumable."""
