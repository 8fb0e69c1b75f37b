"""Curves over height, what they are compared by, and their form as JSON and tables."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.doubts import has_doubt
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS, compute_difference_interval
from smallpose.io.frame_groups import select_group_notes
from smallpose.resolution.frame import Frame, describe_missing_frame
from smallpose.resolution.half_height import (
    HalfHeight,
    LevelHeight,
    compute_half_height,
    compute_level_height,
)
from smallpose.resolution.people import ChosenPeople
from smallpose.resolution.reduced_labels import NEIGHBOURS
from smallpose.resolution.scores import METRICS, HeightScores
from smallpose.resolution.sensor import Sensor

if TYPE_CHECKING:
    from smallpose.resolution.parts import PeoplePart

LEVEL = 0.2  # AP whose height is given beside that of half the AP
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """What a model reaches with one sensor, at rising heights."""

    points: tuple[HeightScores, ...]

    @property
    def heights(self) -> Floats:
        """Return the (h,) heights, px."""
        return np.array([point.px for point in self.points], dtype=np.float64)

    @property
    def ap(self) -> Floats:
        """Return the (h,) AP."""
        return np.array([point.values["AP"] for point in self.points])

    @property
    def resampled_ap(self) -> Floats:
        """Return the (b, h) AP under the resamples."""
        return np.stack([point.resampled["AP"] for point in self.points], axis=1)

    @cached_property
    def half_height(self) -> HalfHeight:
        """Return the height at which half of the AP at the largest height is left.

        It has an interval from `MIN_CLUSTERS` images or videos on.
        """
        return compute_half_height(self.heights, self.ap, self._usable_resamples)

    def compute_level_height(self, level: float) -> LevelHeight:
        """Compute the height from which on an AP, 0 to 1, is reached."""
        return compute_level_height(self.heights, self.ap, self._usable_resamples, level)

    @property
    def _usable_resamples(self) -> Floats:
        """Return the (b, h) AP under the resamples; none from fewer than `MIN_CLUSTERS` images."""
        resampled = self.resampled_ap
        return resampled[:0] if self.points[0].num_clusters < MIN_CLUSTERS else resampled

    def to_dict(self, level: float) -> dict[str, Any]:
        """Return the curve for JSON, with the height from which on an AP is reached."""
        heights = [
            {"px": point.px, "people": point.num_people}
            | {name: _encode_interval(point.intervals[name]) for name in METRICS}
            for point in self.points
        ]
        return {
            "heights": heights,
            "half_ap_px": self.half_height.to_dict(),
            "level_ap_px": self.compute_level_height(level).to_dict(),
        }


@dataclass(frozen=True)
class HeightDifference:
    """How another model differs from the first one at a height, over the same people.

    Args:
        base, other: names of the models.
        sensor: of both.
        px: height.
        difference: AP of the other minus AP of the first.
    """

    base: str
    other: str
    sensor: str
    px: int
    difference: Interval

    @property
    def is_sure(self) -> bool:
        """Return whether the interval excludes 0."""
        return self.difference.has_ends and not self.difference.low <= 0 <= self.difference.high

    def to_dict(self) -> dict[str, Any]:
        """Return the difference for JSON."""
        return {
            "base": self.base,
            "other": self.other,
            "sensor": self.sensor,
            "px": self.px,
            "AP": _encode_interval(self.difference),
        }


@dataclass(frozen=True)
class Study:
    """All curves of a study, by model and sensor.

    Args:
        people: who is seen.
        sensors: the sensor models.
        curves: by model, then by sensor.
        num_resamples, seed: of the intervals.
        model_s, total_s: seconds in models, and of all.
        ceiling: the best AP that joints in whole pixels leave, by height.
        level: the AP, 0 to 1, whose height is given beside that of half the AP.
        parts: curves of parts of the people.
        frame: around each reduced image, or None.
        joints_note: what is said where the models have different joints.
        sigmas_note: what is said of sigmas that were not measured.
        whole_image_models: names of those that are given no boxes.
        silent_models: what is said of models that detect nobody.
    """

    people: ChosenPeople
    sensors: tuple[Sensor, ...]
    curves: dict[str, dict[str, Curve]]
    num_resamples: int
    seed: int
    model_s: float = 0.0
    total_s: float = 0.0
    ceiling: dict[int, float] = field(default_factory=dict)
    level: float = LEVEL
    parts: "tuple[PeoplePart, ...]" = ()
    frame: Frame | None = None
    joints_note: str = ""
    sigmas_note: str = ""
    whole_image_models: tuple[str, ...] = ()
    silent_models: tuple[str, ...] = ()

    @property
    def num_clusters(self) -> int:
        """Return the number of images or videos that were resampled."""
        return len(set(self.people.groups))

    @property
    def has_intervals(self) -> bool:
        """Return whether there are enough images or videos for intervals that keep their word."""
        return self.num_clusters >= MIN_CLUSTERS

    @cached_property
    def differences(self) -> list[HeightDifference]:
        """Return the paired differences of AP from the first model."""
        base, *others = self.curves
        return [
            difference
            for other in others
            for sensor in self.sensors
            for difference in self._compare(base, other, sensor.name)
        ]

    def _compare(self, base: str, other: str, sensor: str) -> Iterator[HeightDifference]:
        first, second = self.curves[base][sensor], self.curves[other][sensor]
        for a, b in zip(first.points, second.points, strict=True):
            value = b.values["AP"] - a.values["AP"]
            resampled = b.resampled["AP"] - a.resampled["AP"]
            interval = None
            if self.has_intervals:
                interval = compute_difference_interval(value, resampled, self.num_clusters)
            yield HeightDifference(base, other, sensor, a.px, interval or Interval(value))

    @property
    def notes(self) -> list[str]:
        """Return what a reader must know, as sentences."""
        notes = [f"{sentence}." for sentence in self.silent_models]
        notes.append(self.people.describe() + ".")
        notes += [f"{sensor.describe()}." for sensor in self.sensors]
        if self.joints_note:
            notes.append(self.joints_note)
        if self.sigmas_note:
            notes.append(f"{self.sigmas_note}.")
        if self.frame is not None:
            notes.append(f"{self.frame.describe()}.")
        elif self.whole_image_models:
            notes.append(describe_missing_frame(self.whole_image_models))
        notes.append(NEIGHBOURS)
        if self.has_intervals:
            notes.append(
                f"Intervals: 95 %, {format_count(self.num_resamples, 'resample')} of "
                f"{format_count(self.num_clusters, 'image or video', 'images or videos')}, the "
                "same ones at every height and for every model."
            )
        else:
            notes.append(
                "No intervals: the people are in "
                f"{format_count(self.num_clusters, 'image or video', 'images or videos')}, and at "
                f"least {MIN_CLUSTERS} are needed for intervals that hold what they promise."
            )
        of_labels = self.people.truth.notes
        shown = [note for note in of_labels if has_doubt([note])] + select_group_notes(of_labels)
        return notes + [f"{note}." for note in shown]

    def list_sentences(self) -> list[str]:
        """Say for each curve where half of the AP is left, and where the stated AP is reached."""
        sentences = []
        if has_doubt(self.people.truth.notes):
            sentences.append(
                "Labels seem not to be written as they must be (see the notes), so no height here "
                "can be relied on."
            )
        for model, by_sensor in self.curves.items():
            for sensor, curve in by_sensor.items():
                last = curve.points[-1]
                place = curve.half_height.describe_place()
                reached = curve.compute_level_height(self.level).describe()
                sentences.append(
                    f"{model}, {sensor}: half of the AP at {last.px} px "
                    f"({100 * last.values['AP']:.1f}) is left {place}; "
                    f"AP {100 * self.level:g} is {reached}."
                )
        return sentences

    def to_json(self) -> str:
        """Return the study as JSON text, numbers with all their digits."""
        content = {
            "models": {
                model: {sensor: curve.to_dict(self.level) for sensor, curve in by_sensor.items()}
                for model, by_sensor in self.curves.items()
            },
            "parts": {part.name: part.to_dict(self.level) for part in self.parts},
            "differences": [difference.to_dict() for difference in self.differences],
            "ceiling": [{"px": px, "AP": value} for px, value in self.ceiling.items()],
            "sensors": {
                s.name: {"blur_px": s.blur_px, "noise": s.noise, "jpeg": s.jpeg}
                for s in self.sensors
            },
            "settings": {
                "people": len(self.people),
                "draws": self.num_resamples,
                "seed": self.seed,
                "clusters": self.num_clusters,
                "protocol": "owned",
                "frame": "" if self.frame is None else self.frame.name,
            },
            "notes": self.notes,
        }
        return json.dumps(content, indent=1) + "\n"

    def build_tables(self, metrics: Sequence[str] = METRICS) -> list[Table]:
        """Build a table for each model, and one of differences for each but the first."""
        tables = [self._build_model_table(model, metrics) for model in self.curves]
        return [*tables, *self._build_difference_tables()]

    def _build_model_table(self, model: str, metrics: Sequence[str]) -> Table:
        by_sensor = self.curves[model]
        columns = [Column("px", "count")]
        for metric in metrics:
            columns += [Column(f"{metric} {sensor}", "points") for sensor in by_sensor]
        rows = []
        for index in reversed(range(len(self.people.heights))):
            points = [curve.points[index] for curve in by_sensor.values()]
            cells: list[Cell] = [points[0].px]
            cells += [_to_points(point.intervals[m]) for m in metrics for point in points]
            rows.append(tuple(cells))
        return Table(_get_table_name(model), model, tuple(columns), tuple(rows))

    def _build_difference_tables(self) -> list[Table]:
        base, *others = self.curves
        columns = [Column("px", "count")]
        columns += [Column(f"AP {sensor.name}", "points") for sensor in self.sensors]
        tables = []
        for other in others:
            rows = []
            for px in reversed(self.people.heights):
                cells: list[Cell] = [px]
                cells += [
                    _to_points(d.difference)
                    for d in self.differences
                    if d.other == other and d.px == px
                ]
                rows.append(tuple(cells))
            title = f"{other} minus {base}, the same people"
            tables.append(
                Table(f"difference_{_get_table_name(other)}", title, tuple(columns), tuple(rows))
            )
        return tables

    def build_csv(self) -> Table:
        """Build one row for each model, sensor and height, for programs."""
        columns = (
            Column("model"),
            Column("sensor"),
            Column("px", "count"),
            Column("people", "count"),
            *(Column(metric, "exact") for metric in METRICS),
        )
        rows: list[tuple[Cell, ...]] = [
            (model, sensor, p.px, p.num_people, *(p.intervals[name] for name in METRICS))
            for model, by_sensor in self.curves.items()
            for sensor, curve in by_sensor.items()
            for p in curve.points
        ]
        return Table("curve", "", columns, tuple(rows))


def _to_points(interval: Interval) -> Interval:
    return Interval(100 * interval.value, 100 * interval.low, 100 * interval.high)


def _encode_interval(interval: Interval) -> dict[str, float | None]:
    low, high = (interval.low, interval.high) if interval.has_ends else (None, None)
    return {"value": interval.value, "low": low, "high": high}


def _get_table_name(model: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in model)
