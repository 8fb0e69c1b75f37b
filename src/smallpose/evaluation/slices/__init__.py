"""Metrics of slices: groups of images or people by the columns of a user's table."""
