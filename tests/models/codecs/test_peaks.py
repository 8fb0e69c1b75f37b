"""Maxima of heatmaps and rows of bins."""

import torch

from smallpose.models.codecs.peaks import find_first_maximum, find_peak_pixels


def test_of_equal_maxima_the_first_one_is_returned():
    maximum, index = find_first_maximum(torch.tensor([[3.0, 7, 7, 1], [0, 0, 0, 0]]))
    assert maximum.tolist() == [7, 0]
    assert index.tolist() == [1, 0]
    heatmap = torch.zeros(1, 1, 3, 4)
    heatmap[0, 0, 1, 2] = heatmap[0, 0, 2, 0] = 5
    assert find_peak_pixels(heatmap)[0].tolist() == [[[2, 1]]]
