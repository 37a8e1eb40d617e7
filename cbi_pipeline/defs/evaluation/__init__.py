"""Walk-forward evidence."""
