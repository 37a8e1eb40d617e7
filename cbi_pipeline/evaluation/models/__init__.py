"""Models: what fits each kind, where that takes more than numpy, in a file of its own."""
