"""Which windows hold the same signal, whatever they are called."""
