"""Checkpoints: read them, rename their keys, find published ones."""
