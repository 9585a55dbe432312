"""Integers instead of floats: ranges from calibration windows, and how near they come."""
