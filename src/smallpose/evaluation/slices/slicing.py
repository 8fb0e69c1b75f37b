"""Which images or people are in which slice."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.evaluation.analysis.labelled_images import sort_labels
from smallpose.evaluation.matching.arrays import Ints
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
        codes: index of the value of each image or person, in the order of the ground truth; -1 for
            none.
        values: each once, in order.
    """

    name: str
    codes: Ints
    values: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Return the value of each image or person; "" for none."""
        names = [*self.values, ""]
        return [names[code] for code in self.codes.tolist()]


def make_slicings(attributes: Attributes, chosen: Sequence[tuple[str, ...]]) -> list[Slicing]:
    """Label every image or person by each of the chosen columns.

    Columns with more than 20 different numbers are cut into five ranges of equally many rows.

    Raises: InputError for more slices than a reader can use.
    """
    used = dict.fromkeys(name for names in chosen for name in names)
    cells = {name: _cut_numbers(attributes.columns[name], name) for name in used}
    slicings = []
    for names in chosen:
        slicing = make_slicing(CROSS.join(names), [cells[name] for name in names])
        slicings.append(slicing)
        if len(slicing.values) > MAX_SLICES:
            raise InputError(
                f"{attributes.file}, column {slicing.name}",
                f"has {format_count(len(slicing.values), 'different value')}; at most {MAX_SLICES} "
                "are scored",
                "name the columns to slice by, such as --slice-by weather",
            )
    return slicings


def make_slicing(name: str, columns: Sequence[Sequence[str]]) -> Slicing:
    """Cross columns; values are sorted by the first one, then by the second and so on.

    Args:
        columns: the cells of each; an image or person with an empty one is in no slice.
    """
    values: list[tuple[str, ...]] = [()]
    codes = np.zeros(len(columns[0]), dtype=np.intp)
    for cells in columns:
        labels = sort_labels(set(cells) - {""})
        code_of = {label: code for code, label in enumerate(labels)} | {"": -1}
        added = np.fromiter(map(code_of.__getitem__, cells), np.intp, len(cells))
        is_given = (codes >= 0) & (added >= 0)
        crossed = codes[is_given] * len(labels) + added[is_given]
        used, inverse = np.unique(crossed, return_inverse=True)
        codes = np.full(len(codes), -1, dtype=np.intp)
        codes[is_given] = inverse
        values = [
            (*values[code // len(labels)], labels[code % len(labels)]) for code in used.tolist()
        ]
    return Slicing(name=name, codes=codes, values=tuple(map(CROSS.join, values)))


def _cut_numbers(cells: Sequence[str], name: str) -> list[str]:
    """Replace many different numbers by ranges; other columns stay as they are."""
    if name in LEVEL_COLUMNS or len(set(cells)) <= MAX_VALUES:
        return list(cells)
    numbers = parse_numbers(cells)
    if numbers is None:
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
