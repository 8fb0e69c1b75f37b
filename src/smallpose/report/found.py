"""Whole pictures with the people that a method found drawn into them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.files import write_whole
from smallpose.report.drawing import draw_pose
from smallpose.table.instances import Images
from smallpose.table.predictions import Predictions

Picture = NDArray[np.uint8]

SURE = 0.2  # people and joints below are not drawn; they are in the results all the same
LEAST_TALL = 720  # px; smaller pictures are enlarged, so that strokes do not cover people


def draw_found(
    found: Predictions,
    images: Images,
    root: Path,
    read: Callable[[Path], Picture],
    out: Path,
    sure: float = SURE,
) -> int:
    """One JPEG for each image with people; their strokes go with their size.

    Args:
        root: the folder that file names are relative to.
        sure: least score of people drawn, and of joints, as a share of the picture's best.
    Returns: how many pictures were drawn.
    """
    out.mkdir(parents=True, exist_ok=True)
    ids = np.unique(found.image_ids)
    for image in ids.tolist():
        row = images.row_of[image]
        picture = read(root / images.file_names[row])
        scale = max(LEAST_TALL / picture.shape[0], 1.0)
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        canvas = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        people = np.flatnonzero(found.image_ids == image)
        # The surest is drawn last, over the others.
        for person in people[np.argsort(found.scores[people], kind="stable")]:
            if found.scores[person] < sure * found.scores[people].max():
                continue
            points = (found.keypoints[person, :, :2] + 0.5) * scale - 0.5
            joints = found.keypoint_scores[person]
            tall = float(np.ptp(points[:, 1]) + np.ptp(points[:, 0]))
            draw_pose(
                *(canvas, points, found.skeleton),
                there=joints >= sure * joints.max(),
                stroke=float(np.clip(tall / 130, 1.2, 7.0)),
            )
        _, data = cv2.imencode(".jpg", canvas[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        name = Path(images.file_names[row])
        stem = "-".join(name.with_suffix("").parts[-2:]) if not name.is_absolute() else name.stem
        write_whole(out / f"{image}-{stem}.jpg", data.tobytes())
    return len(ids)
