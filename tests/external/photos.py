"""Score published models on the people of real photographs."""

from pathlib import Path

import numpy as np

import smallpose
from smallpose.dataloading.images import ImageReader
from smallpose.methods.base import PoseMethod


def compute_mean_oks(model: PoseMethod, folder: Path) -> float:
    """Return the mean OKS of the best pose of each labelled person, true boxes given."""
    truth = smallpose.read_coco(folder / "example_coco_val.json")
    reader = ImageReader(folder)
    oks = []
    for row, name in enumerate(truth.images.file_names):
        is_used = (truth.image_rows == row) & (truth.iscrowd == 0) & (truth.num_labelled > 0)
        boxes = truth.boxes_xywh[is_used]
        points = model.predict([reader.read(name)], [boxes]).keypoints[..., :2]
        labels = truth.keypoints[is_used]
        spread = truth.file_area[is_used][:, None, None] * (2 * truth.skeleton.sigmas) ** 2
        distance = ((points[None] - labels[:, None, :, :2]) ** 2).sum(axis=3)
        is_labelled = labels[:, None, :, 2] > 0
        each = (np.exp(-distance / (2 * spread)) * is_labelled).sum(axis=2)
        oks.extend((each / is_labelled.sum(axis=2)).max(axis=1, initial=0).tolist())
    return float(np.mean(oks))
