"""Observations become prices of commodities."""
