"""What a run has found: files, numbers, statistics, words."""
