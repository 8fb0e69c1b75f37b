"""The loss of a batch as one number, and micro-batches for GPUs with little memory."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.methods.base import PoseMethod
from smallpose.methods.flip_test import map_tensors


class LossModule(nn.Module):
    """A module that returns the loss of a method; DDP wraps it, since losses have weights too.

    Args:
        method: whose loss.
        half: compute the network in bfloat16 and the loss in single precision.
    """

    def __init__(self, method: PoseMethod, half: bool) -> None:
        super().__init__()
        self.method, self.uses_bfloat16 = method, half

    def forward(self, crops: Tensor, people: Any) -> Tensor:
        """Return the loss of (b, h, w, 3) samples and the labels that `targets` takes."""
        method = self.method
        targets = method.targets(people)
        with torch.autocast(method.device.type, torch.bfloat16, enabled=self.uses_bfloat16):
            outputs = method.compute_taught_outputs(method.prepare(crops), targets)
        if self.uses_bfloat16:
            outputs = cast_to_float32(outputs)
        terms = method.loss(outputs, targets)
        return torch.stack(list(terms.values())).sum()


def cast_to_float32(outputs: Any) -> Any:
    """Cast floating point tensors of nested outputs, for a loss in single precision."""
    return map_tensors(lambda part: part.float() if part.is_floating_point() else part, outputs)


def split_batch(
    crops: Tensor, people: Any, micro_batch: int
) -> Iterator[tuple[Tensor, Any, float]]:
    """Split a batch into micro-batches of equal size; yield each with its share of the samples.

    Args:
        people: (b, k, 3) keypoints of crops, or `BatchPeople` of full images.
        micro_batch: maximum number of samples; 0 for all.
    """
    n = len(crops)
    num_parts = -(-n // micro_batch) if micro_batch else 1
    for indices in torch.arange(n).tensor_split(num_parts):
        start, end = int(indices[0]), int(indices[-1]) + 1
        yield crops[start:end], _take_samples(people, start, end), (end - start) / n


def _take_samples(people: Any, start: int, end: int) -> Any:
    if not isinstance(people, BatchPeople):
        return people[start:end]
    is_taken = (people.image_index >= start) & (people.image_index < end)
    return BatchPeople(
        people.image_index[is_taken] - start,
        people.keypoints[is_taken],
        people.corners[is_taken],
        people.area[is_taken],
        people.heatmap_mask[start:end],
    )
