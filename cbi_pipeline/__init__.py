"""Commodity forecasting from authenticated feeds to registered models and a morning report."""
