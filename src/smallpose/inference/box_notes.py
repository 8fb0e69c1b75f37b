"""Say which boxes of a detector's file are left out, and which look wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances

Floats = NDArray[np.float64]

MIN_SIDE = 1.0  # px; a box with a smaller side shows no person
MAX_SHARE = 1.5  # largest coordinate of boxes that are shares of their image


@dataclass(frozen=True)
class BoxFile:
    """What messages say of a file of boxes, or of a folder of label files.

    Args:
        num_boxes: in the file.
        num_other_images: of images that are not predicted.
        num_other_kinds: of what is no person, in images that are.
        kind: what boxes are taken, such as "of people".
        kinds: of what the others are, such as "classes".
        has_ids: whether the images have ids of their own.
    """

    path: Path | str
    num_boxes: int
    num_other_images: int
    num_other_kinds: int
    kind: str
    kinds: str
    has_ids: bool

    def describe_left_out(self, num_without_size: int) -> str:
        """Count the boxes that are left out, by reason; "" where none is."""
        counts = (
            (self.num_other_images, "of other images"),
            (self.num_other_kinds, f"of other {self.kinds}"),
            (num_without_size, "without a size"),
        )
        num_left_out = sum(count for count, _ in counts)
        if not num_left_out:
            return ""
        reasons = ", ".join(f"{count:,} {reason}" for count, reason in counts if count)
        boxes = format_count(self.num_boxes, "box", "boxes")
        return f"{self.path}: {num_left_out:,} of {boxes} left out: {reasons}"

    def describe_no_boxes(self) -> InputError:
        """Return the error for a file without a box that can be taken."""
        remedy = "pass boxes of the same images"
        if not self.has_ids:
            remedy += "; file_name, else image_id, is to be the name of the file"
        boxes = format_count(self.num_boxes, "box", "boxes")
        what = f"none of its {boxes} is {self.kind} in these images"
        return InputError(str(self.path), what, remedy)


def describe_unused_labels(people: Instances) -> str:
    """Count the labelled people whose boxes are not taken, by reason; "" where all are."""
    has_size = (people.boxes_xywh[:, 2:] > 0).all(axis=1)
    has_keypoints = people.is_counted & (people.num_labelled > 0)
    lacks_keypoints = ~people.iscrowd & ~has_keypoints
    if not len(people.skeleton):
        lacks_keypoints[:] = False
    lacks_size = ~people.iscrowd & ~lacks_keypoints & ~has_size
    counts = (
        (int(people.iscrowd.sum()), "marked as crowds"),
        (int(lacks_keypoints.sum()), "without labelled keypoints"),
        (int(lacks_size.sum()), "without a box"),
    )
    num_unused = sum(count for count, _ in counts)
    if not num_unused:
        return ""
    reasons = ", ".join(f"{count:,} {reason}" for count, reason in counts if count)
    labels = format_share(num_unused, len(people), "labelled person gets", "labelled people get")
    return f"{labels} no pose: {reasons}"


def describe_doubtful_boxes(
    boxes_xywh: Floats, image_rows: NDArray[np.intp], images: Images
) -> Iterator[str]:
    """Yield a clause for boxes that look like another form, or in which nobody can be seen.

    They are predicted as they are, because the file may be right.

    Args:
        boxes_xywh: (n, 4) with a size.
        image_rows: (n,) rows of `images`, whose sizes are 0 where they are not known.
    """
    if not len(boxes_xywh):
        return
    sizes_wh = np.column_stack([images.width, images.height])[image_rows].astype(float)
    is_known = (sizes_wh > 0).all(axis=1)
    low = boxes_xywh[:, :2]
    high = low + boxes_xywh[:, 2:]
    total = len(boxes_xywh)
    if boxes_xywh.max() <= MAX_SHARE:
        yield "all boxes look like shares of the image; bbox is x, y, width and height in px"
        return
    is_beyond = is_known & (high > sizes_wh + 1).any(axis=1)
    are_corners = (boxes_xywh[:, 2:] > low) & (boxes_xywh[:, 2:] <= sizes_wh + 1)
    if 2 * is_beyond.sum() > total and are_corners.all():
        boxes = format_share(int(is_beyond.sum()), total, "box reaches", "boxes reach")
        yield (
            f"{boxes} beyond the image, and all are inside of it if they are two corners; bbox is "
            "x, y, width and height"
        )
        return
    is_outside = is_known & ((low >= sizes_wh) | (high <= 0)).any(axis=1)
    if is_outside.any():
        boxes = format_share(int(is_outside.sum()), total, "box lies", "boxes lie")
        yield f"{boxes} outside of the image, where nobody can be seen, and get people all the same"
    is_tiny = (boxes_xywh[:, 2:] < MIN_SIDE).any(axis=1)
    if is_tiny.any():
        boxes = format_share(int(is_tiny.sum()), total, "box has", "boxes have")
        yield f"{boxes} a side below {MIN_SIDE:g} px, where nobody can be seen, and get people, too"
