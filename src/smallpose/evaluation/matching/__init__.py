"""Select keypoints, group by image, compute OKS and match greedily."""
