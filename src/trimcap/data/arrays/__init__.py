"""Windows and recordings in arrays on disk, larger than memory."""
