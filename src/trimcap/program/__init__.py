"""The arithmetic: a network as operations on buffers, in float and in integers; interpreter, memory plan, cost."""
