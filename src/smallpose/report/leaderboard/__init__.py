"""A leaderboard in a folder: checked results on one ground truth, and one static page of them."""
