"""Windows become folds: train, validation and a sealed test set."""
