"""Exact, loss-free rewrites for deployment."""
