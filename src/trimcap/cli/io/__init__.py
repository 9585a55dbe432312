"""What verbs read and how they answer."""
