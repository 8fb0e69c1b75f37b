"""Say why no, or hardly any, detection may match: images, pixels, or the order of joints."""

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.images import Images
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints

_MIN_CENTRED = 0.5  # of the detections, from which on their images and px are right
_MIN_COVERED = 0.95  # of the width and the height of an image that a box covers
_LOOK = "'smallpose evaluate … --worst DIR --images DIR' draws them over the labels"


def describe_likely_causes(
    groups: ImageGroups, people_xywh: Floats, detections_xywh: Floats, whole_images: str = ""
) -> str:
    """Name the likely causes, by how many detections are at the place of a person.

    Args:
        whole_images: what `describe_whole_images` says.
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
            '(name them: {"keypoint_names": […], "predictions": […]}) or in px of a crop, or the '
            "network has hardly learned anything yet; "
            f"{_LOOK}"
        )
    if whole_images:
        return f"and {whole_images}"
    return (
        f"and {num_centred:,} of {subject} are centred in the box of a person: "
        "coordinates may be no px of the labelled images (shares of them, px of resized ones, y "
        "before x), image_id may number other images, or joints be in another order than those "
        f"of the labels; {_LOOK}"
    )


def describe_whole_images(images: Images, image_ids: Ints, detections_xywh: Floats) -> str:
    """Say that each image was taken as one person; "" where boxes do not cover the images.

    Args:
        image_ids: (d,) of the detections.
        detections_xywh: (d, 4) px, their boxes.
    """
    rows = [images.row_of[one] for one in image_ids.tolist()]
    sides = np.column_stack([images.width[rows], images.height[rows]])
    is_whole = ((detections_xywh[:, 2:] >= _MIN_COVERED * sides) & (sides > 0)).all(axis=1)
    if not len(rows) or not is_whole.all():
        return ""
    return (
        "every detection has the box of its whole image, so each image was taken as one person: "
        "predict with --boxes-from MODEL, or --boxes FILE"
    )


def describe_checks(
    groups: ImageGroups,
    people_xywh: Floats,
    detections_xywh: Floats,
    num_matched: int,
    num_people: int,
) -> str:
    """Say how few people are matched, and what to check in which order; a weak model may do so.

    Args:
        people_xywh, detections_xywh: as for `describe_likely_causes`.
        num_matched: of the people who count, those with a detection of OKS .5 or more.
    """
    num_detections = len(groups.detections)
    num_centred = _count_centred(groups, people_xywh, detections_xywh)
    checks = "the order of the joints, and the scale of the poses"
    if num_centred < _MIN_CENTRED * num_detections:
        checks = (
            "that image_id and file names are those of the labels, that boxes are x, y, width, "
            f"height in px of the labelled images, {checks}"
        )
    return (
        f"{num_matched:,} of {format_count(num_people, 'person has', 'people have')} a detection "
        f"with an OKS of .5, and {num_centred:,} of "
        f"{format_count(num_detections, 'detection is', 'detections are')} centred in the box of a "
        f"person; if you expect more of the model, check in this order: {checks}; {_LOOK}"
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
