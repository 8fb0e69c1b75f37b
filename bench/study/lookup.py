"""Look up and compare the numbers of `docs/study.json`, for text, tables and figure."""

import math
from collections.abc import Sequence
from typing import Any

Content = dict[str, Any]
Ends = Sequence[float | None]  # value, low, high
MAIN_SET = "lsp"  # has the most people
RANK_PX = 64  # height by whose AP through the camera models are ranked
SMALL_PX = 32  # height for which losses and gains are stated
MIN_AP = 0.05  # below, no model is recommended


def get_main_set(content: Content) -> Content:
    """Return the set of people of the figure and of the verdicts."""
    sets = content["sets"]
    chosen: Content = sets.get(MAIN_SET) or next(iter(sets.values()))
    return chosen


def list_main_variants(content: Content, one: Content) -> list[str]:
    """List the models that were measured by both sensors, the best at `RANK_PX` first."""
    names = [
        name
        for name in content["models"]
        if {"clean", "camera"} <= one["variants"].get(name, {}).keys()
    ]
    return sorted(names, key=lambda name: -get_value(one, name, "camera", RANK_PX))


def get_value(one: Content, name: str, sensor: str, px: int, metric: str = "AP") -> float:
    """Return a metric of a variant at a height, 0 to 1."""
    curve = one["variants"][name][sensor]
    value: float = curve[metric][curve["px"].index(px)][0]
    return value


def list_fewer_people(one: Content, names: Sequence[str]) -> dict[str, int]:
    """Return by name the number of people of those who were shown fewer than the whole set."""
    counts = {name: int(one["variants"][name]["people"]) for name in names}
    return {name: count for name, count in counts.items() if count < one["people"]}


def find_differences(one: Content, a: str, b: str, sensor: str) -> dict[int, list[float | None]]:
    """Return by height the paired difference of AP, b minus a."""
    out = {}
    for row in one["differences"]:
        if row["sensor"] != sensor:
            continue
        if (row["a"], row["b"]) == (a, b):
            out[row["px"]] = row["AP"]
        elif (row["a"], row["b"]) == (b, a):
            value, low, high = row["AP"]
            out[row["px"]] = [
                -value,
                None if high is None else -high,
                None if low is None else -low,
            ]
    return out


def is_sure(difference: Ends) -> bool:
    """Return whether an interval excludes 0."""
    _, low, high = difference
    return low is not None and high is not None and not low <= 0 <= high


def is_gain(difference: Ends) -> bool:
    """Return whether a difference is surely above 0."""
    return is_sure(difference) and (difference[0] or 0.0) > 0


def is_loss(difference: Ends) -> bool:
    """Return whether a difference is surely below 0."""
    return is_sure(difference) and (difference[0] or 0.0) < 0


def find_best(one: Content, names: Sequence[str], sensor: str, px: int) -> tuple[str, list[str]]:
    """Return the model with the highest AP and those that cannot be told apart from it."""
    best = max(names, key=lambda name: get_value(one, name, sensor, px))
    ties = [
        name
        for name in names
        if name != best and not is_sure(find_differences(one, name, best, sensor)[px])
    ]
    return best, ties


def find_limit(one: Content, names: Sequence[str], sensor: str, px: int) -> int:
    """Return the AP in whole points that no model exceeds."""
    best = max(get_value(one, name, sensor, px) for name in names)
    return math.ceil(round(100 * best, 6))
