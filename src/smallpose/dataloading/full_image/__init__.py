"""Prepare full images and all their people for full-image methods."""
