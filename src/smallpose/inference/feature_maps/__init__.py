"""Compute the feature maps and heatmaps of methods for small people (Fig. 6)."""
