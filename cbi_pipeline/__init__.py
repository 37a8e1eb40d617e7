"""Commodity forecasting from authenticated feeds to registered models and a morning report."""

__version__ = "0.1.0"
