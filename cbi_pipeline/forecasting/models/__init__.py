"""Models: what each kind predicts, from numpy and torch alone, in a file of its own."""
