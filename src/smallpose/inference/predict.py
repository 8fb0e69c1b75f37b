"""Any method and images in, Predictions out: the one door for training, commands and scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import Picture
from smallpose.inference.boxes import Boxes, true_boxes
from smallpose.inference.full_image import find_everybody
from smallpose.inference.options import Options
from smallpose.inference.top_down import find_people
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import WholeImageMethod


def find(
    method: PoseMethod,
    people: Instances,
    boxes: Boxes | None,
    read: Callable[[str], Picture],
    options: Options | None = None,
    label: str = "",
) -> Predictions:
    """People of the images: in the given boxes by a top-down method, everybody by the others.

    Args:
        people: names the images.
        boxes: for top-down methods; those of `people` without. Whole-image methods look at none.
        read: file name to picture.
        label: of a progress bar over the images; none without.

    Raises: InputError when too many pictures are unreadable, or one is not of the size the
        annotations say.
    """
    options = options or Options()
    with faster(method, options):
        if isinstance(method, WholeImageMethod):
            return find_everybody(method, people, read, options, label)
        where = true_boxes(people) if boxes is None else boxes
        return find_people(method, people, where, read, options, label)


@contextmanager
def faster(method: PoseMethod, options: Options) -> Iterator[None]:
    """The method as fast as was asked for; its precision comes back, its compilation stays.

    Raises: InputError when what was asked for does not go together, or is not there.
    """
    before, network = method.precision, method.network
    if options.half:
        method.precision = torch.float16 if method.device.type == "cuda" else torch.bfloat16
    if options.compile:
        method.compile()
    try:
        if options.onnx and network is None:
            from smallpose.inference.onnx.session import OnnxNetwork

            method.network = OnnxNetwork(method)
        yield
    finally:
        method.precision, method.network = before, network
