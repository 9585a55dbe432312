"""What a recipe may do to a trained network: one module a step, and what they share."""
