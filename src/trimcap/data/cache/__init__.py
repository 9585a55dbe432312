"""Results of chains on disk, found again by content."""
