"""Labels of the reduced images: one image per chosen person; all others in it are ignored.

Pixel centres are at integers, so a point x is at (x + 1/2) s - 1/2 after a reduction by s, and the
corner of a box at x s. The factors are those of the stored sizes, which are whole px.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Images, Instances, make_images
from smallpose.resolution.frame import compute_offsets
from smallpose.resolution.people import ChosenPeople

Floats = NDArray[np.float64]
Sizes = NDArray[np.int64]

NEIGHBOURS = (
    "Other labelled people of an image are ignored (iscrowd in the files): a detection belongs to "
    "the labelled person whose box it overlaps most, and only those of the chosen person count. "
    "AP_strict counts every detection of an image: those of neighbours are false positives."
)


def compute_reduced_sizes(people: ChosenPeople, sizes_wh: Sizes, px: int) -> Sizes:
    """Return the (n, 2) sizes of the images in which each chosen person is `px` tall.

    Args:
        sizes_wh: (n, 2) of the image of each person.
    """
    factor = np.minimum(px / people.truth.boxes_xywh[people.rows, 3], 1.0)
    reduced = np.rint(sizes_wh * factor[:, None]).astype(np.int64)
    return np.asarray(np.maximum(reduced, 1))


def reduce_labels(
    people: ChosenPeople,
    sizes_wh: Sizes,
    reduced_wh: Sizes,
    suffix: str,
    frame_wh: Sizes | None = None,
) -> Instances:
    """Return the labels of the reduced images: ids 1 to n of the images are the chosen people.

    Args:
        sizes_wh, reduced_wh: (n, 2) size of each person's image before and after.
        suffix: of the file names.
        frame_wh: (n, 2) size of the frame in which each reduced image lies.
    """
    if frame_wh is None:
        frame_wh = reduced_wh
    truth = people.truth
    rows, image_rows, is_chosen = _list_people_of_images(people)
    table = truth.take(rows)
    factors = (reduced_wh / sizes_wh)[image_rows]
    keypoints = table.keypoints.copy()
    is_labelled = keypoints[:, :, 2] > 0
    offsets = compute_offsets(frame_wh, reduced_wh)[image_rows]
    points = (keypoints[:, :, :2] + 0.5) * factors[:, None] - 0.5 + offsets[:, None]
    keypoints[:, :, :2] = np.where(is_labelled[:, :, None], points, 0.0)
    boxes = table.boxes_xywh * np.tile(factors, 2)
    boxes[:, :2] += offsets
    area_factor = factors.prod(axis=1)
    return replace(
        table,
        images=_make_images(people, frame_wh, suffix),
        image_rows=image_rows,
        ids=np.arange(1, len(rows) + 1),
        text_ids=(),
        boxes_xywh=boxes,
        keypoints=keypoints,
        iscrowd=table.iscrowd | ~is_chosen,
        file_area=table.file_area * area_factor,
        segmentation_area=table.segmentation_area * area_factor,
        heads_xywh=np.zeros((0, 4)),
        notes=(),
    )


def _list_people_of_images(
    people: ChosenPeople,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """List all people in the image of each chosen person.

    Returns: (p,) rows of the truth, (p,) index of the chosen person whose image it is, and (p,)
        whether it is that person.
    """
    truth = people.truth
    order = np.argsort(truth.image_rows, kind="stable")
    of_image = truth.image_rows[people.rows]
    starts = np.searchsorted(truth.image_rows[order], of_image, side="left")
    ends = np.searchsorted(truth.image_rows[order], of_image, side="right")
    parts = [order[start:end] for start, end in zip(starts, ends, strict=True)]
    rows = np.concatenate(parts)
    image_rows = np.repeat(np.arange(len(parts)), ends - starts)
    return rows, image_rows, rows == people.rows[image_rows]


def _make_images(people: ChosenPeople, sizes_wh: Sizes, suffix: str) -> Images:
    ids = np.arange(1, len(people) + 1)
    names = [f"{i:06d}{suffix}" for i in ids.tolist()]
    return make_images(ids, names, sizes_wh[:, 0], sizes_wh[:, 1], groups=people.groups)
