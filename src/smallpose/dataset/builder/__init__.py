"""Build one data set from the five sources."""
