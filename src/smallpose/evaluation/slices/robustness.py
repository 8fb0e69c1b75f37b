"""Mean and relative AP under corruption, as in benchmarks of robustness (Michaelis et al. 2019).

Level 0 is the image as it was taken. AP under a corruption is the mean over its levels above 0;
the mean over corruptions is mPC, and its share of the AP at level 0 rPC.
"""

from collections.abc import Mapping
from typing import Any

from smallpose.core.errors import InputError
from smallpose.evaluation.protocols import AP_NAMES
from smallpose.evaluation.slices.attribute_file import Attributes
from smallpose.evaluation.slices.evaluate_slices import SliceScore
from smallpose.evaluation.slices.slicing import CROSS, LEVEL_COLUMNS, parse_numbers

CORRUPTION_COLUMNS = ("corruption", "corruption_type")
_NO_NAME = "corrupted"  # where the table names no kind of corruption

Means = dict[str, float | None]


def find_level_columns(attributes: Attributes) -> tuple[str, str | None] | None:
    """Return the columns of levels and of corruptions; None where there are no levels.

    Raises: InputError where a level is no number from 0 on.
    """
    level = next((name for name in LEVEL_COLUMNS if name in attributes.columns), None)
    if level is None:
        return None
    numbers = parse_numbers(attributes.columns[level])
    if numbers is None or (numbers < 0).any():
        raise InputError(
            f"{attributes.file}, column {level}",
            "is not a number from 0 on in every row",
            "write 0 for images without corruption, then 1, 2 and so on, or rename the column",
        )
    corruption = next((name for name in CORRUPTION_COLUMNS if name in attributes.columns), None)
    return level, corruption


def name_level_slicings(columns: tuple[str, str | None]) -> list[tuple[str, ...]]:
    """Return the columns of the slicings that the means are made of."""
    level, corruption = columns
    return [(level,), *([(corruption, level)] if corruption else [])]


def summarize_robustness(
    columns: tuple[str, str | None],
    slices: Mapping[str, Mapping[str, SliceScore]],
    protocol: str,
) -> dict[str, Any]:
    """Return AP at level 0, its mean under each corruption and over all, and the relative AP.

    Args:
        slices: by slicing and value, among them those of `name_level_slicings`.
        protocol: whose AP it is.
    Returns: `clean`, `corruptions` (by name: `levels`, `mean`, `relative`), `mean`, `relative`;
        None where AP has no value, or no image is at level 0.
    """
    level, corruption = columns
    by_level = {float(value): one for value, one in slices[level].items()}
    clean = _get_metrics(by_level[0.0], protocol) if 0.0 in by_level else dict.fromkeys(AP_NAMES)
    of_kind: dict[str, dict[str, Means]] = {}
    if corruption is None:
        of_kind[_NO_NAME] = {
            f"{value:g}": _get_metrics(one, protocol)
            for value, one in by_level.items()
            if value > 0
        }
    else:
        for label, one in slices[f"{corruption}{CROSS}{level}"].items():
            kind, _, text = label.rpartition(CROSS)
            if float(text) > 0:
                of_kind.setdefault(kind, {})[f"{float(text):g}"] = _get_metrics(one, protocol)
    kinds = {
        kind: _add_relative({"levels": levels, "mean": _average(list(levels.values()))}, clean)
        for kind, levels in of_kind.items()
    }
    mean = _average([one["mean"] for one in kinds.values()])
    return {
        "protocol": protocol,
        "clean": clean,
        "corruptions": kinds,
        **_add_relative({"mean": mean}, clean),
    }


def _get_metrics(score: SliceScore, protocol: str) -> Means:
    return {name: score.protocols[protocol][name] for name in AP_NAMES}


def _average(values: list[Means]) -> Means:
    """Return the mean of each metric; None where it has no value in one of them."""
    means: Means = {}
    for name in AP_NAMES:
        known = [one[name] for one in values]
        numbers = [value for value in known if value is not None]
        is_complete = bool(known) and len(numbers) == len(known)
        means[name] = sum(numbers) / len(numbers) if is_complete else None
    return means


def _add_relative(part: dict[str, Any], clean: Means) -> dict[str, Any]:
    relative: Means = {}
    for name, base in clean.items():
        value = part["mean"][name]
        relative[name] = value / base if value is not None and base else None
    return part | {"relative": relative}
