"""Say why no detection may match anybody: images, pixels, or the order of joints."""

import numpy as np

from smallpose.core.counts import format_count
from smallpose.evaluation.matching.arrays import Floats, ImageGroups

_MIN_CENTRED = 0.5  # of the detections, from which on their images and px are right
_LOOK = "'smallpose evaluate … --worst DIR --images DIR' draws them over the labels"


def describe_likely_causes(
    groups: ImageGroups, people_xywh: Floats, detections_xywh: Floats
) -> str:
    """Name the likely causes, by how many detections are at the place of a person.

    Args:
        people_xywh: (n,) px, boxes of the people.
        detections_xywh: (d,) px, one per detection.
    """
    num_centred = _count_centred(groups, people_xywh, detections_xywh)
    num_detections = len(groups.detections)
    subject = format_count(num_detections, "detection")
    if num_centred >= _MIN_CENTRED * num_detections:
        return (
            f"though {num_centred:,} of {subject} are centred in the box of a person, "
            "so images and px fit: joints may be in another order than those of the labels "
            '(name them: {"keypoint_names": […], "predictions": […]}), or in px of a crop; '
            f"{_LOOK}"
        )
    return (
        f"and {num_centred:,} of {subject} are centred in the box of a person: "
        "coordinates may be no px of the labelled images (shares of them, px of resized ones, y "
        "before x), image_id may number other images, or joints be in another order than those "
        f"of the labels; {_LOOK}"
    )


def _count_centred(groups: ImageGroups, people_xywh: Floats, detections_xywh: Floats) -> int:
    """Count the detections whose centre is in the box of a person of their image."""
    people = people_xywh[groups.people]
    boxes = detections_xywh[groups.detections]
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    order = np.argsort(groups.people_image, kind="stable")
    image = groups.people_image[order]
    first = np.searchsorted(image, groups.detection_image, side="left")
    last = np.searchsorted(image, groups.detection_image, side="right")
    num_centred = 0
    for centre, start, stop in zip(centres, first.tolist(), last.tolist(), strict=True):
        near = people[order[start:stop]]
        is_inside = (near[:, :2] <= centre) & (centre <= near[:, :2] + near[:, 2:])
        num_centred += bool(is_inside.all(axis=1).any())
    return num_centred
