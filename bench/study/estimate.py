"""The plan of a study and the processor time it will take, by the milliseconds of each model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from study.plan import MAX_PEOPLE, SENSORS, Variant, list_variants

# Passes of a model for one image. MoveNet finds 3.2 people in those of COCO's people; a frame is
# searched as a whole and in 9 tiles or 2, which are square and so take longer than most images
# (measured); images as they are are smaller than a model's input.
NUM_DETECTED = 3.2
NUM_TILES = 11.0
NATIVE_SHARE = 0.3
IMAGE_MS = 6.0  # to write a reduced image, once for all models
BUDGET_MINUTES = 120
ROUND_NUMBERS = (1000, 800, 600, 500, 400, 300, 200, 100)


@dataclass(frozen=True)
class PlanRow:
    """A variant on a set of people.

    Args:
        people_set: name of the set.
        variant: what is called.
        num_people: who are shown to it.
        num_looks: heights times sensors.
        minutes: of one processor core; None where the model's milliseconds are unknown.
    """

    people_set: str
    variant: Variant
    num_people: int
    num_looks: int
    minutes: float | None


@dataclass(frozen=True)
class PlannedSet:
    """A set of people as far as the plan depends on it.

    Args:
        name: of the set.
        num_eligible: people who could be chosen.
        heights: px.
    """

    name: str
    num_eligible: int
    heights: tuple[int, ...]

    def count_chosen(self, max_people: int) -> int:
        """Return how many people are chosen."""
        return min(self.num_eligible, max_people, MAX_PEOPLE[self.name])


def list_plan(
    sets: Sequence[PlannedSet],
    needs_boxes: Mapping[str, bool],
    ms: Mapping[str, float],
    max_people: int,
) -> list[PlanRow]:
    """List all variants of all models.

    Args:
        needs_boxes: by model.
        ms: a person, by model; as far as they are known.
        max_people: of a set.
    """
    rows = []
    for name in needs_boxes:
        for one in sets:
            num_chosen = one.count_chosen(max_people)
            for variant in list_variants(name, needs_boxes[name], one.name):
                num_people = min(num_chosen, variant.max_people or num_chosen)
                num_looks = len(variant.heights or one.heights) * len(variant.sensors)
                minutes = None
                if name in ms:
                    passes = num_people * num_looks * count_passes(variant)
                    minutes = passes * ms[name] / 60_000
                rows.append(PlanRow(one.name, variant, num_people, num_looks, minutes))
    return rows


def count_passes(variant: Variant) -> float:
    """Return the passes of a model for one image."""
    if variant.boxes == "movenet":
        return NUM_DETECTED
    return {"tiled frame": NUM_TILES, "native": NATIVE_SHARE}.get(variant.image, 1.0)


def estimate_minutes(sets: Sequence[PlannedSet], rows: Sequence[PlanRow], max_people: int) -> float:
    """Return the processor time of a plan, with that of reducing the images."""
    images = sum(one.count_chosen(max_people) * len(one.heights) * len(SENSORS) for one in sets)
    return sum(row.minutes or 0.0 for row in rows) + images * IMAGE_MS / 60_000


def describe_plan(
    sets: Sequence[PlannedSet],
    needs_boxes: Mapping[str, bool],
    ms: Mapping[str, float],
    max_people: int,
) -> list[str]:
    """Describe who is shown to each model and the processor time that it will take."""
    rows = list_plan(sets, needs_boxes, ms, max_people)
    lines = [_describe_model(name, [r for r in rows if r.variant.model == name]) for name in ms]
    lines += [f"{name}: its time is not known" for name in needs_boxes if name not in ms]
    total = estimate_minutes(sets, rows, max_people)
    lines.append(f"estimated: {_format_minutes(total)} of one core, with the images")
    if total > BUDGET_MINUTES:
        fitting = [
            number
            for number in ROUND_NUMBERS
            if number < max_people
            and estimate_minutes(sets, list_plan(sets, needs_boxes, ms, number), number)
            <= BUDGET_MINUTES
        ]
        if fitting:
            lines.append(f"PEOPLE={fitting[0]} takes less than {BUDGET_MINUTES} min")
    return lines


def _describe_model(name: str, rows: Sequence[PlanRow]) -> str:
    parts = []
    for people_set in dict.fromkeys(row.people_set for row in rows):
        own = [row for row in rows if row.people_set == people_set]
        part = f"{own[0].num_people:,} people of {people_set} in {own[0].num_looks} images each"
        others = sorted({row.num_people for row in own[1:]} - {own[0].num_people})
        if others:
            number = " or ".join(f"{count:,}" for count in others)
            part += f" ({number} for variants)"
        parts.append(part)
    minutes = sum(row.minutes or 0.0 for row in rows)
    return f"{name}: {'; '.join(parts)}: {_format_minutes(minutes)}"


def _format_minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 1 else "less than 1 min"


def read_milliseconds(names: Sequence[str], measured: Path, published: Path) -> dict[str, float]:
    """Return the ms a person of each model: as measured here, or else as published."""
    stored = json.loads(published.read_text())["models"] if published.is_file() else {}
    out = {}
    for name in names:
        path = measured / f"{name}.json"
        about = json.loads(path.read_text()) if path.is_file() else stored.get(name, {})
        if "cost" in about:
            out[name] = about["cost"]["ms"]
    return out
