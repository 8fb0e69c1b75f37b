"""Predict millions of images in shards that resume, on one machine or on many."""
