"""Keypoints to targets (encode), outputs to keypoints (decode)."""
