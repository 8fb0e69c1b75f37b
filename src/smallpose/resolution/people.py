"""Choose the people of a resolution curve: the same ones at every height.

A person can only be reduced, never enlarged, so all chosen people are at least as tall as the
tallest height of the curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances

HEIGHTS = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # px of the box
MIN_PEOPLE = 50  # that must reach a height for the default heights to go so far
MIN_LABELLED = 0.5  # share of the source's joints; below, OKS rests on too few of them
MAX_PEOPLE = 300

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class ChosenPeople:
    """The people of a curve and the heights at which all of them are seen.

    Args:
        truth: all labelled people.
        rows: (n,) the chosen ones, image by image.
        heights: px of the box, rising.
        num_eligible: how many people could have been chosen.
    """

    truth: Instances
    rows: Rows
    heights: tuple[int, ...]
    num_eligible: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def groups(self) -> tuple[str, ...]:
        """Return (n,) the video of each person, or else their image: what intervals resample."""
        images = self.truth.images
        rows = self.truth.image_rows[self.rows].tolist()
        return tuple(images.groups[row] or f"image {images.ids[row]}" for row in rows)

    def describe(self) -> str:
        """Describe in a sentence who was chosen."""
        num_images = len(set(self.truth.image_rows[self.rows].tolist()))
        part = ""
        if len(self) < self.num_eligible:
            part = f", a random sample of {self.num_eligible:,}"
        return (
            f"{format_count(len(self), 'person', 'people')} in "
            f"{format_count(num_images, 'image')}, the same at every height{part}: boxes of at "
            f"least {self.heights[-1]} px, at least half of the joints labelled"
        )


def choose_people(
    truth: Instances,
    heights: Sequence[int] = (),
    max_people: int = MAX_PEOPLE,
    seed: int = 0,
    has_image: NDArray[np.bool_] | None = None,
) -> ChosenPeople:
    """Choose people and heights.

    Args:
        heights: px (default: those of `HEIGHTS` that at least 50 people reach, or half of all who
            can be chosen if these are fewer).
        max_people: a random sample of so many; 0 for all.
        seed: of the sample.
        has_image: (m,) images that exist; people of others cannot be chosen.

    Raises: InputError when no person is as tall as the tallest height.
    """
    eligible = select_eligible(truth, has_image)
    own_height = truth.boxes_xywh[eligible, 3]
    chosen_heights = tuple(sorted(set(heights))) or _choose_heights(own_height)
    tall = eligible[own_height >= chosen_heights[-1]]
    if not len(tall):
        highest = f"{own_height.max():.0f} px" if len(own_height) else "none"
        raise InputError(
            f"--heights {','.join(map(str, chosen_heights))}",
            f"no person with half of the joints labelled is {chosen_heights[-1]} px tall; the "
            f"tallest: {highest}",
            "pass lower heights, or a file with taller people",
        )
    rows = tall
    if max_people and len(tall) > max_people:
        rows = np.sort(np.random.default_rng(seed).permutation(tall)[:max_people])
    rows = rows[np.argsort(truth.image_rows[rows], kind="stable")]
    return ChosenPeople(truth, rows, chosen_heights, len(tall))


def select_eligible(truth: Instances, has_image: NDArray[np.bool_] | None = None) -> Rows:
    """Return the rows of people who count, with enough labelled joints and an image."""
    is_labelled = truth.num_labelled >= MIN_LABELLED * truth.num_source_joints
    is_eligible = truth.is_counted & is_labelled & (truth.boxes_xywh[:, 2:] > 0).all(axis=1)
    if has_image is not None:
        is_eligible &= has_image[truth.image_rows]
    return np.flatnonzero(is_eligible)


def _choose_heights(own_height: NDArray[np.float64]) -> tuple[int, ...]:
    counts = [int((own_height >= px).sum()) for px in HEIGHTS]
    num_needed = max(min(MIN_PEOPLE, (counts[0] + 1) // 2), 1)
    return (
        tuple(px for px, count in zip(HEIGHTS, counts, strict=True) if count >= num_needed)
        or (HEIGHTS[:1])
    )
