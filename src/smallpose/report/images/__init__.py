"""Draw poses, contact sheets and predictions."""
