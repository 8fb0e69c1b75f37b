"""Which images or people are in which slice."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.errors import InputError
from smallpose.evaluation.analysis.breakdown import sort_labels
from smallpose.evaluation.slices.attribute_file import Attributes

LEVEL_COLUMNS = ("level", "severity", "corruption_level")
CROSS = "*"  # between crossed columns, and between their values
NUM_RANGES = 5  # into which a column of many numbers is cut
MAX_VALUES = 20  # of a column of numbers that is not cut
MAX_SLICES = 300


@dataclass(frozen=True)
class Slicing:
    """One column, or several that are crossed.

    Args:
        name: such as `weather` or `weather*light`.
        labels: the value of each image or person, in the order of the ground truth; "" for none.
        values: each label once, in order.
    """

    name: str
    labels: np.ndarray
    values: tuple[str, ...]


def make_slicings(attributes: Attributes, chosen: Sequence[tuple[str, ...]]) -> list[Slicing]:
    """Label every image or person by each of the chosen columns.

    Columns with more than 20 different numbers are cut into five ranges of equally many rows.

    Raises: InputError for more slices than anybody reads.
    """
    labels = {
        name: _cut_numbers(attributes.columns[name], name)
        for name in {n for c in chosen for n in c}
    }
    slicings = []
    for names in chosen:
        columns = [labels[name] for name in names]
        joined = [CROSS.join(cells) if all(cells) else "" for cells in zip(*columns, strict=True)]
        values = tuple(_sort_values(joined, [labels[name] for name in names]))
        slicing = Slicing(CROSS.join(names), np.array(joined, dtype=object), values)
        slicings.append(slicing)
        if len(values) > MAX_SLICES:
            raise InputError(
                f"{attributes.file}, column {slicing.name}",
                f"has {len(values):,} different values, and at most {MAX_SLICES} are scored",
                "name the columns to slice by, such as --slice-by weather",
            )
    return slicings


def _sort_values(joined: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    """Return each joined label once, sorted by the first column, then by the second and so on."""
    places = [{label: i for i, label in enumerate(sort_labels(column))} for column in columns]
    of_label = {
        label: tuple(place[cell] for place, cell in zip(places, cells, strict=True))
        for label, *cells in zip(joined, *columns, strict=True)
        if label
    }
    return sorted(of_label, key=lambda label: of_label[label])


def _cut_numbers(cells: Sequence[str], name: str) -> list[str]:
    """Replace many different numbers by ranges; other columns stay as they are."""
    numbers = parse_numbers(cells)
    if numbers is None or name in LEVEL_COLUMNS:
        return list(cells)
    known = numbers[np.isfinite(numbers)]
    if len(np.unique(known)) <= MAX_VALUES:
        return list(cells)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, NUM_RANGES + 1)))
    index = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(edges)]
    return [
        names[i] if is_known else ""
        for i, is_known in zip(index.tolist(), np.isfinite(numbers).tolist(), strict=True)
    ]


def parse_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Return cells as numbers, NaN for empty ones; None where any is no finite number.

    >>> parse_numbers(["1", "", "2.5"]), parse_numbers(["1", "dark"])
    (array([1. , nan, 2.5]), None)
    """
    try:
        numbers = np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError:
        return None
    is_given = np.array([bool(cell) for cell in cells], dtype=bool)
    return numbers if np.isfinite(numbers[is_given]).all() else None
