"""Losses: functions `(model, x, y) -> scalar tensor`."""
