"""Whole pictures with the people that a method found drawn into them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Images
from smallpose.core.predictions import Predictions
from smallpose.report.images.pose_drawing import choose_stroke_width, draw_pose
from smallpose.system.files import write_whole

Picture = NDArray[np.uint8]

MIN_SCORE_SHARE = 0.2  # people and joints below are not drawn; they are in the results all the same
MIN_IMAGE_HEIGHT = 720  # px; smaller pictures are enlarged, so that strokes do not cover people
MIN_PERSON_HEIGHT = 64  # px; pictures of people most of whom are smaller are enlarged further
MAX_IMAGE_SIDE = 2560  # px of the longer side beyond which nothing is enlarged


def draw_predictions(
    found: Predictions,
    images: Images,
    root: Path,
    read: Callable[[Path], Picture],
    out: Path,
    sure: float = MIN_SCORE_SHARE,
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
        people = np.flatnonzero(found.image_ids == image)
        sizes = [
            np.ptp(found.keypoints[p, _find_confident_joints(found, p, sure), :2], axis=0).max()
            for p in people.tolist()
        ]
        scale = _choose_scale((picture.shape[1], picture.shape[0]), float(np.median(sizes)))
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        canvas = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        # The surest is drawn last, over the others.
        for person in people[np.argsort(found.scores[people], kind="stable")]:
            if found.scores[person] < sure * found.scores[people].max():
                continue
            points = (found.keypoints[person, :, :2] + 0.5) * scale - 0.5
            there = _find_confident_joints(found, person, sure)
            tall = float(np.ptp(points[there], axis=0).max())
            draw_pose(canvas, points, found.skeleton, there=there, stroke=choose_stroke_width(tall))
        _, data = cv2.imencode(".jpg", canvas[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        name = Path(images.file_names[row])
        stem = "-".join(name.with_suffix("").parts[-2:]) if not name.is_absolute() else name.stem
        write_whole(out / f"{image}-{stem}.jpg", data.tobytes())
    return len(ids)


def _find_confident_joints(found: Predictions, person: int, sure: float) -> NDArray[np.bool_]:
    """(k,) joints that are drawn; at least the best one."""
    joints = found.keypoint_scores[person]
    return np.asarray((joints >= sure * joints.max()) | (joints == joints.max()))


def _choose_scale(picture_wh: tuple[int, int], person: float) -> float:
    """How many times as large a picture is drawn, of people `person` px tall."""
    wanted = max(MIN_IMAGE_HEIGHT / picture_wh[1], MIN_PERSON_HEIGHT / max(person, 1.0), 1.0)
    return max(min(wanted, MAX_IMAGE_SIDE / max(picture_wh)), 1.0)
