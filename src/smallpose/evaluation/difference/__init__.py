"""Split the difference between two results into what was done differently."""
