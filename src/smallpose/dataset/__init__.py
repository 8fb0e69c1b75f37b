"""Build one data set of 21 keypoints from five sources, with every image of a small person."""
