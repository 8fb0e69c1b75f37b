"""Tell compared results one of which seems to lack images that another has.

Results name images by their detections alone, so an image that was never predicted looks like one
in which a model finds nobody. Two results show more of this than one: people whom the first detects
are there to be found. A weaker model misses some of them, in images where it detects others, too.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.undetected_images import estimate_share_missed
from smallpose.io.predicted_images import NO_HEIGHT, UNPREDICTED

if TYPE_CHECKING:
    from smallpose.evaluation.evaluate import Evaluation

AS_IF_UNPREDICTED = "as if they had not been predicted"  # in the note
_MIN_PEOPLE = 10  # by whom the share missed is known
_MIN_RATIO = 3.0  # of images without a detection to those expected
_MAX_CHANCE = 0.005  # of as many, where each is a chance of its own


@dataclass(frozen=True)
class ImageFacts:
    """What a result has in each image with people who count.

    Args:
        num_detections: (m,) of each of these images.
        person_image: (n,) index of the image of each person.
        height: (n,) px of their boxes.
        is_detected: (n,) with an OKS of .5 or more.
        is_known: which images were predicted is known, or in doubt by a note on this result alone.
    """

    num_detections: Ints
    person_image: Ints
    height: Floats
    is_detected: Mask
    is_known: bool = False

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fields as arrays, by names under which they can be stored."""
        return {f"{_STORED}{name}": np.asarray(getattr(self, name)) for name in _FIELDS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "ImageFacts | None":
        """Return the facts that were stored, of any type of number; None where none were."""
        if f"{_STORED}is_known" not in arrays:
            return None
        num_detections, image, height, is_detected, is_known = (
            arrays[f"{_STORED}{name}"] for name in _FIELDS
        )
        return cls(
            num_detections=num_detections.astype(np.intp),
            person_image=image.astype(np.intp),
            height=height,
            is_detected=is_detected.astype(bool),
            is_known=bool(is_known),
        )

    @property
    def has_none(self) -> Mask:
        """Return (m,) whether the result has no detection in the image."""
        return np.asarray(self.num_detections == 0)

    def count_detected(self) -> Ints:
        """Return the (m,) people of each image who are detected."""
        return np.bincount(
            self.person_image[self.is_detected], minlength=len(self.num_detections)
        ).astype(np.intp)


_FIELDS = tuple(ImageFacts.__dataclass_fields__)
_STORED = "images/"  # before their names


def collect_image_facts(evaluation: "Evaluation") -> ImageFacts:
    """Collect what a result has in each image with people."""
    counts, detected = evaluation.match_counts, evaluation.detected
    has_people = counts.num_people[:, 0] > 0
    is_doubted = any(UNPREDICTED in note or NO_HEIGHT in note for note in evaluation.notes)
    return ImageFacts(
        num_detections=counts.num_detections[has_people],
        person_image=np.searchsorted(counts.image_ids[has_people], detected.image_ids),
        height=detected.height,
        is_detected=detected.is_detected,
        is_known=evaluation.facts.covers_images or is_doubted,
    )


def count_missing_images(facts: Mapping[str, ImageFacts]) -> list[str]:
    """Return a note on how many images with people have no detection, where results differ in it.

    Args:
        facts: by the name of the result.
    """
    num_images = {len(one.num_detections) for one in facts.values()}
    if len(num_images) > 1:  # scored on other joints, or images
        return []
    has_none = np.array([one.has_none for one in facts.values()])
    if not len(has_none) or not (has_none.any(axis=0) & ~has_none.all(axis=0)).any():
        return []
    without = ", ".join(
        f"{int(one.sum()):,} of {name}" for name, one in zip(facts, has_none, strict=True)
    )
    images = format_count(max(num_images), "image with scored people", "images with scored people")
    return [
        f"of {images}, these have no detection: {without}; where images were not predicted, their "
        "people count as missed"
    ]


def describe_missing_images(facts: Mapping[str, ImageFacts]) -> dict[str, str]:
    """Say which results lack detections in images as if these had not been predicted.

    It is said where another result detects people in these images, and a model that misses such
    people at the rate of the other images would leave at most a third as many images without a
    detection, and as many in one of 200 cases.

    Args:
        facts: by the name of the result.

    Returns: a note on each of these results, by its name.
    """
    notes = {name: _describe_missing(name, facts) for name in facts}
    return {name: note for name, note in notes.items() if note}


def _describe_missing(name: str, facts: Mapping[str, ImageFacts]) -> str:
    own = facts[name]
    if own.is_known or not own.num_detections.any():
        return ""
    found = {
        other: _compare_images(own, facts[other])
        for other in facts
        if other != name and np.array_equal(own.height, facts[other].height)
    }
    known = {other: one for other, one in found.items() if one is not None}
    if not known:
        return ""
    other = max(known, key=lambda key: known[key][0] / known[key][2])
    num_missing, num_images, expected = known[other]
    is_chance = compute_chance(num_missing, expected) > _MAX_CHANCE
    if num_missing < _MIN_RATIO * expected or is_chance:
        return ""
    images = format_count(num_images, "image", "images")
    return (
        f"{name} has no detection in {num_missing:,} of {images} in which {other} detects people, "
        f"{AS_IF_UNPREDICTED}: about {max(1, round(expected))} would have none by the share of "
        "these people who are missed in the others; predict these images, too, or leave them out "
        "of the labels' images"
    )


def compute_chance(count: int, expected: float) -> float:
    """Return the probability of as many rare events or more (Poisson).

    >>> round(compute_chance(1, 0.01), 4)
    0.01
    """
    terms = itertools.accumulate(
        range(1, count), lambda term, number: term * expected / number, initial=1.0
    )
    return max(0.0, 1 - math.exp(-expected) * sum(terms)) if count else 1.0


def _compare_images(own: ImageFacts, other: ImageFacts) -> tuple[int, int, float] | None:
    """Count the images in which another result detects people, and this one has no detection.

    A person is missed with the share of people of similar height who are missed in images in which
    somebody else is detected, as in `estimate_undetected_images`, here of those the other detects.

    Returns: these images, all in which the other detects people, and how many of them are expected
        to have none; None where too few people tell.
    """
    image, is_there = own.person_image, other.is_detected
    is_beside = own.count_detected()[image] > own.is_detected
    if np.count_nonzero(is_there & is_beside) < _MIN_PEOPLE:
        return None
    share = estimate_share_missed(own.height, is_there & is_beside, own.is_detected)
    log_share = np.bincount(
        image[is_there], weights=np.log(share[is_there]), minlength=len(own.num_detections)
    )
    has_people = other.count_detected() > 0
    expected = float(np.exp(log_share[has_people]).sum())
    return int((has_people & own.has_none).sum()), int(has_people.sum()), expected
