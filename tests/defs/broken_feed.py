"""A feed of a user's own that does not load."""

raise RuntimeError("half written")
