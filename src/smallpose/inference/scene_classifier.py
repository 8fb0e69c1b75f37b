"""Scene probabilities of images, for Table 4, by a Places365 ResNet that the user provides.

Images are prepared as for the validation of the Places365 networks: shorter side to 256, central
224 × 224 crop, ImageNet's mean and standard deviation; softmax at temperature 1.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from smallpose.core.counts import format_share
from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageArray
from smallpose.methods.checkpoints.read import read_tensors
from smallpose.models.places365 import SceneNet, create_scene_net
from smallpose.system.progress import print_status, show_progress

SHORTER_SIDE = 256
CROP_SIDE = 224
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
STD = np.array((0.229, 0.224, 0.225), dtype=np.float32)
_BATCH_SIZE = 32


def read_scene_net(path: Path) -> SceneNet:
    """Read a checkpoint such as `resnet18_places365.pth.tar`, on a GPU if there is one.

    Raises: InputError if it is no such checkpoint; RefusedError if reading it would run code.
    """
    net = create_scene_net(read_tensors(path), str(path))
    return net.to("cuda" if torch.cuda.is_available() else "cpu")


def prepare_image(image: ImageArray) -> Tensor:
    """Return the (3, 224, 224) network input of an RGB image."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = (SHORTER_SIDE * width // shorter, SHORTER_SIDE * height // shorter)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    top, left = (round((side - CROP_SIDE) / 2) for side in resized.shape[:2])
    crop = resized[top : top + CROP_SIDE, left : left + CROP_SIDE].astype(np.float32) / 255
    normalised = (crop - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))


def predict_scenes(
    net: SceneNet, names: Sequence[str], read: Callable[[str], ImageArray]
) -> NDArray[np.float64]:
    """Predict (m, classes) probabilities of the readable images, in the order of their names.

    Raises: InputError when no image can be read.
    """
    device = next(net.parameters()).device
    rows = []
    num_missing = 0

    def prepare_images() -> Iterator[Tensor]:
        nonlocal num_missing
        for name in show_progress(names, "scenes"):
            try:
                yield prepare_image(read(name))
            except InputError:
                num_missing += 1

    def classify(batch: list[Tensor]) -> None:
        with torch.inference_mode():
            logits = net(torch.stack(batch).to(device)).double()
        rows.append(torch.softmax(logits, dim=1).cpu().numpy())

    batch: list[Tensor] = []
    for image in prepare_images():
        batch.append(image)
        if len(batch) == _BATCH_SIZE:
            classify(batch)
            batch = []
    if batch:
        classify(batch)
    if not rows:
        raise InputError("scene entropy", "none of the images can be read", "check --images")
    if num_missing:
        print_status(
            f"scene entropy: {format_share(num_missing, len(names), 'image is', 'images are')} "
            "missing or unreadable"
        )
    return np.concatenate(rows)
