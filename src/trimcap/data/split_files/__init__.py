"""Folds on disk, ours and anybody's, and their audit."""
