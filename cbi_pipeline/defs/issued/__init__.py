"""What is said, and how it turned out."""
