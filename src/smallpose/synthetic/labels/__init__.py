"""Annotate the rendered people as each source does."""
