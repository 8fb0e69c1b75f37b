"""Paint the backgrounds, one kind of place per file."""
