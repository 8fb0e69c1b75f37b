"""Predict millions of images in resumable shards, on one machine or on many."""
