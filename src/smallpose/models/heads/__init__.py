"""Heads: from features to what a codec decodes."""
