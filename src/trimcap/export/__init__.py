"""A Program as C99 or ONNX: an artifact folder, and the proof that it computes the same."""
