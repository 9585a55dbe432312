"""Readers of published data sets: one record a set."""
