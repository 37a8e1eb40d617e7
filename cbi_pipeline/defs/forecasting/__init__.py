"""Tonight's models."""
