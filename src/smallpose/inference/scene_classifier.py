"""Scene probabilities of pictures, for Table 4: a Places365 ResNet that the user has.

Pictures are prepared as Places365's networks were validated: shorter side to 256, the middle 224,
ImageNet's mean and deviation; softmax at temperature 1.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.dataloading.images import Picture
from smallpose.methods.checkpoints.read import read_tensors
from smallpose.models.places365 import SceneNet, scene_net
from smallpose.system.progress import say, track

SHORTER, SIDE = 256, 224
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
STD = np.array((0.229, 0.224, 0.225), dtype=np.float32)
_BATCH = 32


def read_scene_net(path: Path) -> SceneNet:
    """The network of a checkpoint, such as `resnet18_places365.pth.tar`, on a GPU if there is one.

    Raises: InputError for what is no such checkpoint; RefusedError for one that would run code.
    """
    net = scene_net(read_tensors(path), str(path))
    return net.to("cuda" if torch.cuda.is_available() else "cpu")


def prepare(picture: Picture) -> Tensor:
    """(3, 224, 224) of an RGB picture."""
    height, width = picture.shape[:2]
    short = min(height, width)
    size = (SHORTER * width // short, SHORTER * height // short)
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    top, left = (round((side - SIDE) / 2) for side in small.shape[:2])
    middle = small[top : top + SIDE, left : left + SIDE].astype(np.float32) / 255
    normal = (middle - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))


def scene_probabilities(
    net: SceneNet, names: Sequence[str], read: Callable[[str], Picture]
) -> NDArray[np.float64]:
    """(m, classes) of the pictures that can be read, in the order of their names.

    Raises: InputError when not one can be read.
    """
    device = next(net.parameters()).device
    rows, missing = [], 0

    def pictures() -> Iterator[Tensor]:
        nonlocal missing
        for name in track(names, "scenes"):
            try:
                yield prepare(read(name))
            except InputError:
                missing += 1

    batch: list[Tensor] = []

    def flush() -> None:
        if batch:
            with torch.inference_mode():
                scores = net(torch.stack(batch).to(device)).double()
            rows.append(torch.softmax(scores, dim=1).cpu().numpy())
            batch.clear()

    for picture in pictures():
        batch.append(picture)
        if len(batch) == _BATCH:
            flush()
    flush()
    if not rows:
        raise InputError("scene entropy", "none of the pictures can be read", "check --images")
    if missing:
        say(f"scene entropy: {missing:,} of {len(names):,} pictures are not there")
    return np.concatenate(rows)
