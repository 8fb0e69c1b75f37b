"""Score the results and write `docs/study.json`: numbers alone, from which the page is written."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS, compute_difference_interval
from smallpose.external import EXTERNAL
from smallpose.io.coco_results import read_results
from smallpose.resolution.curves import Curve
from smallpose.resolution.parts import find_cut_people
from smallpose.resolution.reduced_set import ReducedSet
from smallpose.resolution.scores import (
    HeightScores,
    Resamples,
    draw_resamples,
    score_height,
    select_own_detections,
)
from smallpose.system.files import write_atomically
from study.measure import SEED, StudySet
from study.plan import JPEG_MODEL, JPEG_SENSORS, LEVEL, MODELS, Variant, list_variants
from study.sides import check_sides

NUM_RESAMPLES = 1000
SHOWN = ("AP", "AP_strict", "OKS", "found", "PCK")
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SetScorer:
    """Scores the results of one set of people.

    Args:
        study_set: the people.
        resamples: of their images, the same ones for all variants.
        is_cut: (n,) who is cut off by the frame.
    """

    study_set: StudySet
    resamples: Resamples
    is_cut: Mask

    @classmethod
    def create(cls, study_set: StudySet) -> "SetScorer":
        """Draw the resamples of a set."""
        resamples = draw_resamples(study_set.chosen.groups, NUM_RESAMPLES, SEED)
        is_cut = find_cut_people(study_set.chosen, study_set.reducer.sizes_wh)
        return cls(study_set, resamples, is_cut)

    def get_path(self, variant: Variant, reduced: ReducedSet) -> Path:
        """Return the path of the results of a variant on some images."""
        folder = re.sub(r"[^\w.-]+", "-", variant.name)
        return self.study_set.results / folder / f"{reduced.name}.json"

    def select_shown(self, variant: Variant) -> Mask | None:
        """Return (n,) who is shown to a variant; None for all."""
        shown = self.study_set.select_shown(variant)
        return None if shown.all() else shown

    def score_curves(self, variant: Variant) -> dict[str, Curve]:
        """Score all sensors of a variant that are finished at all its heights."""
        shown = self.select_shown(variant)
        curves = {}
        for sensor in variant.sensors:
            sets = self.study_set.list_sets((sensor,), variant.heights)
            if all(self.get_path(variant, reduced).is_file() for reduced in sets):
                points = tuple(self.score(variant, reduced, shown) for reduced in sets)
                curves[sensor] = Curve(points)
        return curves

    def score(
        self, variant: Variant, reduced: ReducedSet, is_member: Mask | None = None
    ) -> HeightScores:
        """Score the results on some images, of all people or of some."""
        predictions = read_results(self.get_path(variant, reduced), reduced.truth)
        return score_height(reduced.truth, predictions, reduced.px, self.resamples, is_member)

    def are_sides_exchanged(self, variant: Variant) -> bool:
        """Return whether labelled people are found better with left and right exchanged."""
        (reduced,) = self.study_set.list_sets(("clean",), self.study_set.chosen.heights[-1:])
        shown = self.study_set.select_shown(variant)
        truth = reduced.truth.take_images(np.flatnonzero(shown))
        predictions = read_results(self.get_path(variant, reduced), truth)
        chosen = truth.take(np.flatnonzero(~truth.iscrowd))
        return check_sides(chosen, select_own_detections(truth, predictions)).is_refused


def collect_study(
    sets: Sequence[StudySet], names: Sequence[str], work: Path, out: Path
) -> dict[str, Any]:
    """Score what is finished and write the numbers."""
    content: dict[str, Any] = {
        "level": LEVEL,
        "resamples": NUM_RESAMPLES,
        "jpeg_model": JPEG_MODEL,
        "absent": [name for name in MODELS if name not in names],
        "models": {name: describe_model(name, work) for name in names},
        "sets": {study_set.people.name: score_set(study_set, names) for study_set in sets},
    }
    write_atomically(out, json.dumps(content, indent=1) + "\n")
    return content


def describe_model(name: str, work: Path) -> dict[str, Any]:
    """Return what is known of a model; `cost` is absent where it was not measured."""
    model = EXTERNAL[name]
    path = work / "models" / f"{name}.json"
    return {
        "joints": len(model.skeleton),
        "needs_boxes": model.needs_boxes,
        "licence": model.weights.licence,
        "input": list(model.input_wh),
        "package": model.weights.requirement,
        "extra": model.extra,
        **(json.loads(path.read_text()) if path.is_file() else {}),
    }


@dataclass(frozen=True)
class ScoredVariant:
    """A variant with its curves.

    Args:
        variant: what was called; those that share a name are one.
        curves: by sensor.
    """

    variant: Variant
    curves: dict[str, Curve]


def score_set(study_set: StudySet, names: Sequence[str]) -> dict[str, Any]:
    """Score all variants of all models on a set of people."""
    scorer = SetScorer.create(study_set)
    chosen = study_set.chosen
    all_scored: dict[str, ScoredVariant] = {}
    records: dict[str, dict[str, Any]] = {}
    refused = []
    for name in names:
        for variant in list_variants(name, EXTERNAL[name].needs_boxes, study_set.people.name):
            scored = scorer.score_curves(variant)
            if not scored:
                continue
            if variant.is_main and "clean" in scored and scorer.are_sides_exchanged(variant):
                refused.append(name)
                break
            all_scored.setdefault(variant.name, ScoredVariant(variant, {})).curves.update(scored)
            num_people = int(study_set.select_shown(variant).sum())
            facts = {"people": num_people, "joints": count_scored_joints(chosen.truth, name)}
            record = records.setdefault(variant.name, facts)
            record |= {sensor: describe_curve(curve) for sensor, curve in scored.items()}
            if variant.is_main:
                record["parts"] = score_parts(scorer, variant, tuple(scored))
            print(f"{study_set.people.name}: {variant.name} scored", flush=True)
    return {
        "title": study_set.people.title,
        "people": len(chosen),
        "images": len(set(chosen.truth.image_rows[chosen.rows].tolist())),
        "eligible": chosen.num_eligible,
        "cut": int(scorer.is_cut.sum()),
        "joints": len(chosen.truth.skeleton),
        "heights": list(chosen.heights),
        "refused": refused,
        "variants": records,
        "differences": list_differences(scorer, all_scored),
    }


def count_scored_joints(truth: Instances, name: str) -> int:
    """Count the labelled joints that a model has: all that it is scored on."""
    return len(set(truth.skeleton.joints) & set(EXTERNAL[name].skeleton.joints))


def describe_curve(curve: Curve) -> dict[str, Any]:
    """Return a curve's numbers."""
    half = curve.half_height
    level = curve.compute_level_height(LEVEL)
    return {
        "px": curve.heights.astype(int).tolist(),
        **{name: [encode(point.intervals[name]) for point in curve.points] for name in SHOWN},
        "half": {
            "known": half.is_known,
            "px": [_round(x) for x in (half.value, half.low, half.high)],
        },
        "level": {key: _round(x) for key, x in level.to_dict().items()},
    }


def score_parts(scorer: SetScorer, variant: Variant, sensors: Sequence[str]) -> dict[str, Any]:
    """Score people cut off by the frame, and whole ones, at the largest height."""
    parts: dict[str, Any] = {}
    shown = scorer.study_set.select_shown(variant)
    for sensor in sensors:
        (reduced,) = scorer.study_set.list_sets((sensor,), scorer.study_set.chosen.heights[-1:])
        for part, mask in (("cut", scorer.is_cut), ("whole", ~scorer.is_cut)):
            if (mask & shown).any():
                point = scorer.score(variant, reduced, mask & shown)
                parts.setdefault(sensor, {})[part] = encode(point.intervals["AP"])
    return parts


def list_differences(
    scorer: SetScorer, all_scored: dict[str, ScoredVariant]
) -> list[dict[str, Any]]:
    """Return the paired differences of AP: second minus first, of the people both were shown.

    They are computed at the heights both have, of each two models and each two variants of a model.
    """
    rows = []
    for first, second in combinations(all_scored.values(), 2):
        names = first.variant.name, second.variant.name
        is_variant = first.variant.model == second.variant.model
        if not is_variant and not (first.variant.is_main and second.variant.is_main):
            continue
        for sensor in first.curves.keys() & second.curves.keys():
            pair = _score_common(scorer, (first, second), sensor)
            rows += _compare(*names, sensor, pair)
    jpeg = all_scored.get(JPEG_MODEL)
    if jpeg and all(sensor in jpeg.curves for sensor in ("clean", *JPEG_SENSORS)):
        for sensor in JPEG_SENSORS:
            pair = (jpeg.curves["clean"], jpeg.curves[sensor])
            rows += _compare("clean", sensor, "jpeg", pair)
    return sorted(rows, key=lambda row: (row["a"], row["b"], row["sensor"], row["px"]))


def _score_common(
    scorer: SetScorer, pair: tuple[ScoredVariant, ScoredVariant], sensor: str
) -> tuple[Curve, Curve]:
    """Return both curves, of the people whom both were shown and the heights both have."""
    first, second = (one.curves[sensor] for one in pair)
    heights = {point.px for point in first.points} & {point.px for point in second.points}
    num_people = min(first.points[0].num_people, second.points[0].num_people)
    shown = [scorer.study_set.select_shown(one.variant) for one in pair]
    common = shown[0] & shown[1]
    curves = []
    for one in pair:
        points = [point for point in one.curves[sensor].points if point.px in heights]
        if points[0].num_people > num_people:
            sets = scorer.study_set.list_sets((sensor,), sorted(heights))
            points = [scorer.score(one.variant, reduced, common) for reduced in sets]
        curves.append(Curve(tuple(points)))
    return curves[0], curves[1]


def _compare(a: str, b: str, sensor: str, pair: tuple[Curve, Curve]) -> list[dict[str, Any]]:
    points = [{point.px: point for point in curve.points} for curve in pair]
    rows = []
    for px in sorted(points[0].keys() & points[1].keys()):
        first, second = points[0][px], points[1][px]
        value = second.values["AP"] - first.values["AP"]
        resampled = second.resampled["AP"] - first.resampled["AP"]
        interval = None
        if first.num_clusters >= MIN_CLUSTERS:
            interval = compute_difference_interval(value, resampled, first.num_clusters)
        difference = encode(interval or Interval(value))
        rows.append({"a": a, "b": b, "sensor": sensor, "px": px, "AP": difference})
    return rows


def encode(interval: Interval) -> list[float | None]:
    """Return value, low and high with four decimals; null for ends that are unknown."""
    ends = (interval.low, interval.high) if interval.has_ends else (None, None)
    return [_round(number) for number in (interval.value, *ends)]


def _round(number: Any) -> Any:
    return round(float(number), 4) if isinstance(number, float | int) else number
