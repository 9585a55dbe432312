"""Synthetic EEG with planted truth."""
