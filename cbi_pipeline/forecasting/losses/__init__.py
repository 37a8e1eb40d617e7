"""Losses: of points, distributions, direction and trading, and their weighted sum."""
