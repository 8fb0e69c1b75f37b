"""Videos: how steady poses are, and whether people keep their identity."""
