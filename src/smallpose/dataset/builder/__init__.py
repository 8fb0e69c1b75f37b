"""Build one data set out of the five sources."""
