"""Declared chains of preprocessing: the same offline and as samples come."""
