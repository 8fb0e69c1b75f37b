"""Evaluate groups of images by their labels, and sort labels."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from smallpose.core.density import DENSITIES
from smallpose.core.instances import SOURCES
from smallpose.core.sizes import SIZES
from smallpose.evaluation.evaluate import Evaluation, summarize_counts
from smallpose.evaluation.matching.arrays import Mask

CROWDING_LEVELS = ("easy", "medium", "hard")
# Labels that have an order of their own.
_SCALES = (CROWDING_LEVELS, SIZES, DENSITIES, SOURCES)


def evaluate_image_groups(result: Evaluation, labels: Sequence[str]) -> dict[str, Evaluation]:
    """Evaluate each group of images.

    Args:
        labels: (m,) group of each image in the order of their ids; "" for none.
    """
    label_of_image = np.array(labels, dtype=object)
    return {
        label: evaluate_images(result, label_of_image == label) for label in sort_labels(labels)
    }


def evaluate_images(result: Evaluation, is_selected: Mask) -> Evaluation:
    """Evaluate some of the (m,) images as if the others did not exist."""
    counts = result.match_counts.select_images(is_selected)
    return summarize_counts(
        counts,
        tuple(result.protocols),
        result.settings,
        notes=(),
        detected=result.detected.select_images(counts.image_ids),
        facts=result.facts,
    )


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return each label once: levels of a scale from low to high, others in alphabetical order.

    Numbers in labels are sorted by their value.

    >>> sort_labels(["hard", "easy", "", "medium", "easy"])
    ['easy', 'medium', 'hard']
    >>> sort_labels(["camera 10", "camera 9"])
    ['camera 9', 'camera 10']
    """
    names = {label for label in labels if label}
    for scale in _SCALES:
        if names <= set(scale):
            return [name for name in scale if name in names]
    return sorted(names, key=_split_numbers)


def _split_numbers(label: str) -> list[tuple[float, str]]:
    """Split a label into numbers and the text between them, to sort by."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(float(part), "") if i % 2 else (-1.0, part) for i, part in enumerate(parts)]
