"""What was knowable, as rows and targets."""
