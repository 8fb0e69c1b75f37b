"""The labels of a batch of full images: all people of its images as tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

MASK_STRIDE = 4


class BatchPeople(NamedTuple):
    """The people of a batch's images, one row each; x and y in px of the images.

    Args:
        image_index: (n,) index of each person's image in the batch.
        keypoints: (n, k, 3) float32 x, y, v.
        corners: (n, 4, 2) float32 of the boxes: top left, bottom left, top right, bottom right
            as they were before the image was rotated.
        area: (n,) float32 px²; of the mask where it is known, else 0.53 of the box.
        heatmap_mask: (b, h / 4, w / 4) float32, 0 where people are not labelled.
    """

    image_index: Tensor
    keypoints: Tensor
    corners: Tensor
    area: Tensor
    heatmap_mask: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "BatchPeople":
        """Move all columns to a device."""
        return BatchPeople(*(column.to(device, non_blocking=non_blocking) for column in self))

    @property
    def boxes_xyxy(self) -> Tensor:
        """Return (n, 4) upright boxes around the corners."""
        return torch.cat([self.corners.amin(dim=1), self.corners.amax(dim=1)], dim=1)


def concatenate_people(parts: list[BatchPeople]) -> BatchPeople:
    """Concatenate the people of several images into those of a batch, in the images' order."""
    index = torch.cat([torch.full_like(p.image_index, i) for i, p in enumerate(parts)])
    return BatchPeople(index, *(torch.cat(column) for column in list(zip(*parts, strict=True))[1:]))
