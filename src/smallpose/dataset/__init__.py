"""Five sources become one data set of 21 keypoints that holds every image with a small person."""
