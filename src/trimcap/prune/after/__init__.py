"""What follows a removal: dead slices, constants, soft pruning."""
