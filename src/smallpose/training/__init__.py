"""A recipe and a data set in, a checkpoint out."""
