"""The loss of a batch as one number, and batches in parts for GPUs that cannot hold them whole."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from smallpose.dataloading.full_image.samples import People
from smallpose.methods.base import PoseMethod


class LossOf(nn.Module):
    """A method that answers with its loss: what DDP must wrap, since losses have weights too.

    Args:
        method: whose.
        half: bfloat16 for the network, single precision for the loss.
    """

    def __init__(self, method: PoseMethod, half: bool) -> None:
        super().__init__()
        self.method, self.in_half = method, half

    def forward(self, crops: Tensor, people: Any) -> Tensor:
        """(b, h, w, 3) samples and what the method's `targets` takes, to one number."""
        method = self.method
        with torch.autocast(method.device.type, torch.bfloat16, enabled=self.in_half):
            outputs = method(method.prepare(crops))
        if self.in_half:
            outputs = single(outputs)
        terms = method.loss(outputs, method.targets(people))
        return torch.stack(list(terms.values())).sum()


def single(outputs: Any) -> Any:
    """Outputs in single precision, whatever holds them: losses are not to be trusted to half."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*(single(part) for part in outputs))
    if isinstance(outputs, tuple | list):
        return type(outputs)(single(part) for part in outputs)
    return outputs


def in_parts(crops: Tensor, people: Any, at_once: int) -> Iterator[tuple[Tensor, Any, float]]:
    """A batch as parts of `at_once` samples, even ones, each with its share of the samples.

    Args:
        people: (b, k, 3) keypoints of crops, or `People` of whole pictures.
        at_once: samples at most; 0 for all.
    """
    n = len(crops)
    parts = -(-n // at_once) if at_once else 1
    for chosen in torch.arange(n).tensor_split(parts):
        first, last = int(chosen[0]), int(chosen[-1]) + 1
        yield crops[first:last], _part(people, first, last), (last - first) / n


def _part(people: Any, first: int, last: int) -> Any:
    if not isinstance(people, People):
        return people[first:last]
    there = (people.picture >= first) & (people.picture < last)
    return People(
        people.picture[there] - first,
        people.keypoints[there],
        people.corners[there],
        people.area[there],
        people.counts[first:last],
    )
