"""Angles, tilts and lengths read from poses: how far predictions are from the labels."""
