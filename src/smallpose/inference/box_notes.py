"""Say which boxes of a detector's file are left out, and which look wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
        kinds: what the boxes are sorted by, such as "classes".
        taken: the one that is taken, such as "category 1".
        has_ids: whether the images have ids of their own.
        other_image: name or id of one of the images that are not predicted; "" without any.
    """

    path: Path | str
    num_boxes: int
    num_other_images: int
    num_other_kinds: int
    kinds: str
    taken: str
    has_ids: bool
    other_image: str = ""

    def describe_left_out(self, num_without_size: int) -> str:
        """Count the boxes that are left out, by reason; "" where none is."""
        reasons = self._list_reasons(num_without_size, f"other {self.kinds}")
        if not reasons:
            return ""
        num_left_out = self.num_other_images + self.num_other_kinds + num_without_size
        boxes = format_count(self.num_boxes, "box", "boxes")
        return f"{self.path}: {num_left_out:,} of {boxes} left out: {reasons}"

    def describe_no_boxes(self, num_without_size: int, images: Images) -> InputError:
        """Return the error for a file without a box that can be taken.

        Args:
            images: that are predicted.
        """
        none = "its box cannot"
        if self.num_boxes > 1:
            none = f"none of its {format_count(self.num_boxes, 'box', 'boxes')} can"
        reasons = self._list_reasons(num_without_size, f"other {self.kinds} than {self.taken}")
        what = f"{none} be taken: {reasons}"
        if not self.num_other_images:
            return InputError(str(self.path), what, "pass a file with boxes of people")
        own_image = _choose_similar_name(images, self.other_image)
        what += f"; an image is called {self.other_image!r} there and {own_image!r} here"
        return InputError(str(self.path), what, self._advise_on_names(own_image))

    def _list_reasons(self, num_without_size: int, other_kinds: str) -> str:
        counts = (
            (self.num_other_images, "of other images"),
            (self.num_other_kinds, f"of {other_kinds}"),
            (num_without_size, "without a size"),
        )
        return ", ".join(f"{count:,} {reason}" for count, reason in counts if count)

    def _advise_on_names(self, own_image: str) -> str:
        """Say how images and boxes come to the same names."""
        other = PurePosixPath(self.other_image)
        own = PurePosixPath(own_image)
        if other.name == own.name and not own.is_absolute() and own.parent.name:
            return (
                f"pass the images of {other.parent}, or, if these are the same images, pass them "
                f"without a folder (cd {own.parent}, then . as the images)"
            )
        remedy = "pass boxes of the same images"
        if self.has_ids:
            return remedy
        return f"{remedy}; file_name, else image_id, is to be the name of the file"


def _choose_similar_name(images: Images, other: str) -> str:
    """Return the name of the image that is called as another one but for its folders, or any."""
    names = [name or str(one) for name, one in zip(images.file_names, images.file_ids, strict=True)]
    base = PurePosixPath(other).name
    similar = (name for name in names if PurePosixPath(name).name == base)
    return next(similar, names[0] if names else "")


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
