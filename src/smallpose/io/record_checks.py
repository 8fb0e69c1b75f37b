"""Check records that are readable one by one and wrong together, or in another form than COCO's.

Other tools write boxes as corners or centres, list an image or a person twice, or mark people by a
field that COCO's rule does not read.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area, box_around_keypoints, to_xyxy
from smallpose.core.counts import format_share
from smallpose.core.instances import Images, Instances
from smallpose.io.finding import Finding

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
_MAX_EXTENT = 0.1  # of collapsed keypoints, relative to the diagonal of their box
_MAX_DISTANCE = 0.04  # mean of the joints of one person labelled twice, relative to √area
_MAX_CENTRE_DISTANCE = 0.25  # of the boxes of one person labelled twice, relative to √area
_MIN_SHARED = 3  # joints labelled by both
_MAX_SHIFTS = 200  # neighbours along x that are compared; more only in crowds of tiny people
_MIN_BOXES = 5  # that tell the form of boxes
_MIN_SHARE = 0.9  # of boxes that fit better in another form
_MIN_GAIN = 0.15  # of the median overlap with the keypoints


def find_shared_names(images: Images) -> list[tuple[str, list[int | str]]]:
    """Find file names that several image ids have, with these ids."""
    ids_of: dict[str, list[int | str]] = {}
    for image_id, name in zip(images.file_ids, images.file_names, strict=True):
        if name:
            ids_of.setdefault(name, []).append(image_id)
    return [(name, ids) for name, ids in ids_of.items() if len(set(ids)) > 1]


def find_collapsed(people: Instances) -> NDArray[np.bool_]:
    """Find (n,) people with at least three joints within 1 px and a tenth of their box."""
    sides = box_around_keypoints(people.keypoints)[:, 2:]
    extent = np.hypot(sides[:, 0], sides[:, 1])
    diagonal = np.hypot(people.boxes_xywh[:, 2], people.boxes_xywh[:, 3])
    is_small = (sides <= 1).all(axis=1) & (extent <= _MAX_EXTENT * diagonal)
    is_point = extent == 0
    return np.asarray((people.num_labelled >= 3) & (is_small | is_point) & people.is_counted)


def find_people_labelled_twice(people: Instances) -> tuple[Ints, NDArray[np.bool_]]:
    """Find pairs of people of one image whose joints are in the same places.

    A pair shares at least three labelled joints and half of those of either, and their mean
    distance is at most 4 % of the square root of the box's area. Of 14,838 pairs of people in
    CrowdPose's 2,000 val images 4 are that close, and of 2,987 in 538 images of COCO 4.

    Returns: (p, 2) rows, and (p,) whether both have the same keypoints exactly.
    """
    rows = np.flatnonzero(people.is_counted & (people.num_labelled >= _MIN_SHARED))
    pairs = [_keep_close_pairs(people, *pair) for pair in _pair_neighbours(people, rows)]
    pairs = [pair for pair in pairs if len(pair)]
    if not pairs:
        return np.zeros((0, 2), dtype=np.intp), np.zeros(0, dtype=bool)
    rows = np.sort(np.concatenate(pairs), axis=1)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    one, other = people.keypoints[rows[:, 0]], people.keypoints[rows[:, 1]]
    return rows, np.asarray((one == other).all(axis=(1, 2)))


def _pair_neighbours(people: Instances, rows: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs of people of one image whose boxes have nearly the same centre."""
    centres = people.boxes_xywh[rows, :2] + people.boxes_xywh[rows, 2:] / 2
    reach = _MAX_CENTRE_DISTANCE * np.sqrt(np.maximum(people.area[rows], 1))
    order = np.lexsort((centres[:, 0], people.image_rows[rows]))
    rows, centres, reach = rows[order], centres[order], reach[order]
    images = people.image_rows[rows]
    for shift in range(1, min(len(rows), _MAX_SHIFTS + 1)):
        first = np.flatnonzero(images[shift:] == images[:-shift])
        if not len(first):
            return
        second = first + shift
        limit = np.minimum(reach[first], reach[second])
        is_near = (np.abs(centres[first] - centres[second]) <= limit[:, None]).all(axis=1)
        yield rows[first[is_near]], rows[second[is_near]]


def _keep_close_pairs(people: Instances, one: Ints, other: Ints) -> Ints:
    """Return (p, 2) the pairs whose shared joints are in the same places."""
    a, b = people.keypoints[one], people.keypoints[other]
    shared = (a[:, :, 2] > 0) & (b[:, :, 2] > 0)
    num_shared = shared.sum(axis=1)
    num_most = np.maximum(people.num_labelled[one], people.num_labelled[other])
    distance = np.linalg.norm(a[:, :, :2] - b[:, :, :2], axis=2)
    mean = np.where(shared, distance, 0).sum(axis=1) / np.maximum(num_shared, 1)
    scale = np.sqrt(np.maximum(np.minimum(people.area[one], people.area[other]), 1))
    is_close = (num_shared >= _MIN_SHARED) & (2 * num_shared >= num_most)
    is_close &= mean <= _MAX_DISTANCE * scale
    return np.column_stack([one[is_close], other[is_close]])


def _overlap_in_pairs(first_xywh: Floats, second_xywh: Floats) -> Floats:
    """Return (n,) intersection over union of two boxes of each row; 0 for a box without area."""
    low = np.maximum(first_xywh[:, :2], second_xywh[:, :2])
    high = np.minimum(to_xyxy(first_xywh)[:, 2:], to_xyxy(second_xywh)[:, 2:])
    intersection = np.clip(high - low, 0, None).prod(axis=1)
    intersection[(first_xywh[:, 2:] <= 0).any(axis=1)] = 0
    union = box_area(first_xywh) + box_area(second_xywh) - intersection
    out = np.zeros(len(intersection))
    return np.asarray(np.divide(intersection, union, out=out, where=union > 0))


_ALLOW_INFINITE = np.errstate(over="ignore", invalid="ignore")  # files may have numbers up to 1e308


@_ALLOW_INFINITE
def _read_corners(boxes: Floats, _: Floats) -> Floats:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


@_ALLOW_INFINITE
def _read_centres(boxes: Floats, _: Floats) -> Floats:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)


@_ALLOW_INFINITE
def _read_shares(boxes: Floats, sizes_wh: Floats) -> Floats:
    return boxes * np.tile(sizes_wh, 2)


def _read_centre_shares(boxes: Floats, sizes_wh: Floats) -> Floats:
    return _read_centres(_read_shares(boxes, sizes_wh), sizes_wh)


# How a box may be meant, and how it is read then; (n, 4) boxes and (n, 2) sizes of their images.
_FORMS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "x1, y1, x2, y2": _read_corners,
    "centre x, centre y, width, height": _read_centres,
    "x, y, width, height as shares of the image's sides": _read_shares,
    "centre x, centre y, width, height as shares of the image's sides": _read_centre_shares,
}


def recognize_box_form(
    boxes_xywh: Floats, keypoints: Floats, sizes_wh: Floats
) -> tuple[str, int] | None:
    """Recognise boxes that are not x, y, width, height by the keypoints inside them.

    Args:
        boxes_xywh: (n, 4) boxes as they are written.
        keypoints: (n, k, 3) of the same people; those with v > 0 count.
        sizes_wh: (n, 2) of their images; 0 where unknown.
    Returns: the form that fits better and the number of boxes that it fits better; None if boxes
        are as they must be, or too few to tell.
    """
    extents = box_around_keypoints(keypoints)
    is_usable = (keypoints[:, :, 2] > 0).sum(axis=1) >= _MIN_SHARED
    is_usable &= (extents[:, 2:] > 0).all(axis=1) & np.isfinite(boxes_xywh).all(axis=1)
    if is_usable.sum() < _MIN_BOXES:
        return None
    boxes, extents, sizes = (x[is_usable] for x in (boxes_xywh, extents, sizes_wh))
    as_written = _overlap_in_pairs(boxes, extents)
    best: tuple[str, int] | None = None
    best_median = float(np.median(as_written)) + _MIN_GAIN
    for form, read in _FORMS.items():
        fit = _overlap_in_pairs(read(boxes, sizes), extents)
        median = float(np.median(fit))
        is_better = fit > as_written
        if median > best_median and is_better.mean() >= _MIN_SHARE:
            best, best_median = (form, int(is_better.sum())), median
    return best


def read_box_form(form: str, boxes_xywh: Floats, sizes_wh: Floats) -> Floats:
    """Return (n, 4) x, y, width, height of boxes that are written in a form of `_FORMS`."""
    return _FORMS[form](boxes_xywh, sizes_wh)


def describe_box_form(form: str, num_better: int, num_boxes: int) -> Finding:
    """Describe boxes that `recognize_box_form` found to be in another form."""
    what = (
        f"bbox seems to be {form}: {format_share(num_better, num_boxes, 'box fits', 'boxes fit')} "
        "their keypoints better so; COCO's bbox is x, y, width, height in px, and sizes and areas "
        "follow from it"
    )
    return Finding(what, is_fault=False)


def describe_pairs(people: Instances, pairs: Ints) -> str:
    """Return how many pairs there are, with the ids and image of the first."""
    one, other = pairs[0].tolist()
    name = people.images.file_names[people.image_rows[one]]
    ids = people.file_ids
    return f"{len(pairs):,} (first: ids {ids[one]} and {ids[other]} in {name})"


def list_first(values: Sequence[object], num: int) -> str:
    """List the first values of a sequence, and say that there are more."""
    listed = ", ".join(map(str, values[:num]))
    return listed if len(values) <= num else f"{listed}, …"
