"""Train a method with a recipe on a built set, and save a checkpoint and its scores."""
