"""Feeds land their bytes and their rows become observations."""
