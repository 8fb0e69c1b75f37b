"""Is one model better than another? Paired differences on the same images.

Both are scored under the same resamples of images, so what makes an image hard cancels out.
p-values are those of Student's t with as many degrees of freedom as clusters (images or videos)
with a person of the class, less one; unlike a share of resamples they have no lowest value. They
are corrected by Holm over all cells of the table, because a table of fourteen cells shows something
"significant" at one time in two by chance alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from smallpose.core.argument_checks import refuse_other_counts
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.student_t import compute_two_sided_p
from smallpose.evaluation.analysis.common_joints import choose_common_joints
from smallpose.evaluation.analysis.cut_scores import (
    ScoreFacts,
    collect_score_facts,
    describe_cut_scores,
)
from smallpose.evaluation.analysis.half_detected import SEE_RESOLUTION, HalfDetected
from smallpose.evaluation.analysis.half_detected_fit import find_half_detected_height
from smallpose.evaluation.analysis.missing_images import (
    ImageFacts,
    collect_image_facts,
    count_missing_images,
    describe_missing_images,
)
from smallpose.evaluation.areas import refuse_missing_boxes
from smallpose.evaluation.comparability import describe_mixed_boxes
from smallpose.evaluation.config import list_protocols, refuse_unnamed_results
from smallpose.evaluation.console_table import format_areas, format_number, format_table
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.notes import describe_constant_metrics, describe_scarce_classes
from smallpose.evaluation.protocols import AP_NAMES, CLASSES
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    MIN_RESAMPLES,
    compute_difference_interval,
    compute_standard_error,
    count_class_clusters,
    count_clusters,
    get_class_index,
    list_ends,
    resample_metrics,
)
from smallpose.evaluation.scoring.cluster_units import name_unit
from smallpose.io.frame_groups import VIDEO_HINT
from smallpose.system.environment import describe_differences

# A true difference of this many standard errors is detected at the 5 % level in 80 % of all tries.
_DETECTABLE = 1.959964 + 0.841621
_SIGNIFICANCE = 0.05
# Clusters with a person of the class below which equal models differ too often (bench/coverage.py).
MIN_TEST_CLUSTERS = 15
_RESAMPLES_PER_PAIR = 40  # at least, for each ordered pair of results


@dataclass(frozen=True)
class Difference:
    """One metric of two results.

    Args:
        base, other: names of the results.
        protocol, name: which metric, such as `coco`, `AP_S`.
        base_value, other_value: None without people.
        difference: other minus base.
        interval: 95 % of it.
        p: two-sided, of a difference as large where there is none.
        p_holm: corrected over the table.
        detectable: the smallest true difference that such data show in 80 % of all tries.
        error: standard error of the difference.
        clusters: images, or videos, that contain a person of the class.
    """

    base: str
    other: str
    protocol: str
    name: str
    base_value: float | None
    other_value: float | None
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    error: float | None = None
    clusters: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the difference for JSON."""
        return asdict(self) | {"interval": list_ends(self.interval)}


@dataclass(frozen=True, repr=False)
class Comparison:
    """All differences from the first result, and the results themselves."""

    evaluations: dict[str, Evaluation]
    differences: list[Difference]
    num_resamples: int
    notes: tuple[str, ...] = ()
    seed: int = 0
    num_clusters: int = 0
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def score_facts(self) -> dict[str, ScoreFacts]:
        """Return what is known of the scores of each result."""
        return {
            name: collect_score_facts(evaluation, self.environments.get(name, {}))
            for name, evaluation in self.evaluations.items()
        }

    @property
    def image_facts(self) -> dict[str, ImageFacts]:
        """Return what each result has in each image with people."""
        return {name: collect_image_facts(e) for name, e in self.evaluations.items()}

    @property
    def half_detected(self) -> dict[str, HalfDetected]:
        """Return the height from which each result detects half of the people."""
        return {name: find_half_detected_height(e) for name, e in self.evaluations.items()}

    @property
    def verdicts(self) -> dict[str, str]:
        """Describe each result against the first, in one sentence without a full stop."""
        # Imported here, because it needs this module.
        from smallpose.evaluation.analysis.verdict import describe_verdicts

        return describe_verdicts(self)

    def to_dict(self) -> dict[str, Any]:
        """Return what `to_json` writes."""
        first = next(iter(self.evaluations.values()))
        return {
            "results": {name: e.protocols for name, e in self.evaluations.items()},
            "differences": [one.to_dict() for one in self.differences],
            "half_detected_px": {name: half.to_dict() for name, half in self.half_detected.items()},
            "people": first.people,
            "settings": first.settings
            | {
                "comparable_to": {
                    name: e.settings["comparable_to"] for name, e in self.evaluations.items()
                },
                "draws": self.num_resamples,
                "seed": self.seed,
                "clusters": self.num_clusters,
            },
            "environments": {name: dict(one) for name, one in self.environments.items() if one},
            "notes": list(self.notes),
            "verdicts": self.verdicts,
        }

    def to_json(self) -> str:
        """Return the comparison as JSON text."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def format_tables(self) -> str:
        """Return all that is printed but the verdicts."""
        return _format_comparison(self)

    def __repr__(self) -> str:
        """Return the names of the results in one line; `print` shows all."""
        return f"Comparison(of {', '.join(self.evaluations)}; print shows all)"

    def __str__(self) -> str:
        verdicts = "\n".join(f"{verdict}." for verdict in self.verdicts.values())
        return f"{self.format_tables()}\n\n{verdicts}"


def compare(
    truth: Instances,
    predictions: Mapping[str, Predictions],
    *,
    protocols: str | Sequence[str] = ("coco", "owned"),
    num_resamples: int = 1000,
    seed: int = 0,
    environments: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> Comparison:
    """Score all results on the same truth and the same joints; compare each with the first.

    Results of 17 and of 21 joints are compared on the 17, others on the joints that all of them
    have, unless `keypoints` decides otherwise.

    Args:
        predictions: results by name, two or more.
        num_resamples: of the bootstrap; with m results at least 40 m (m - 1) are made.
        environments: what each result was computed with, as far as it is known; a note names what
            differs.
        options: as for `evaluate`.
    """
    refuse_unnamed_results("compare", truth, predictions)
    protocols = list_protocols(protocols)
    refuse_other_counts("--intervals", num_resamples)
    if len(predictions) < 2:
        raise InputError("compare", "fewer than two results", "give two or more")
    if num_resamples < MIN_RESAMPLES:
        raise InputError(
            f"--intervals {num_resamples}", "too few resamples to compare by", "use 1000"
        )
    for name, one in predictions.items():
        refuse_missing_boxes(one, name)
    common = choose_common_joints(predictions, options.get("keypoints"))
    predictions = common.predictions
    options["keypoints"] = common.keypoints
    notes = [*common.notes]
    results = {
        name: evaluate(truth, one, protocols=protocols, **options)
        for name, one in predictions.items()
    }
    num_resamples = max(num_resamples, _RESAMPLES_PER_PAIR * len(results) * (len(results) - 1))
    limit = options.get("max_detections", 20)
    resamples = {
        name: resample_metrics(result.match_counts, protocols, limit, num_resamples, seed)
        for name, result in results.items()
    }
    base, *others = results
    counts = results[base].match_counts
    num_clusters = count_clusters(counts.groups)
    class_clusters = count_class_clusters(counts).tolist()
    differences = []
    for other in others:
        for protocol in protocols:
            for metric in AP_NAMES:
                values = Difference(
                    base=base,
                    other=other,
                    protocol=protocol,
                    name=metric,
                    base_value=results[base][protocol][metric],
                    other_value=results[other][protocol][metric],
                )
                resampled = resamples[other][protocol][metric] - resamples[base][protocol][metric]
                num_with_people = class_clusters[get_class_index(metric)]
                differences.append(
                    _test_difference(values, resampled, num_clusters, num_with_people)
                )
    notes += describe_differences(environments or {})
    notes += describe_mixed_boxes({name: result.settings for name, result in results.items()})
    comparison = Comparison(
        evaluations=results,
        differences=_correct_p_values(differences),
        num_resamples=num_resamples,
        seed=seed,
        num_clusters=num_clusters,
        environments=environments or {},
    )
    notes += describe_cut_scores(comparison.score_facts).values()
    image_facts = comparison.image_facts
    notes += [*count_missing_images(image_facts), *describe_missing_images(image_facts).values()]
    notes += _merge_notes(results)
    unit = name_unit(counts.groups)
    notes += describe_scarce_classes("interval", class_clusters, MIN_CLUSTERS, unit)
    notes += describe_scarce_classes("p-value", class_clusters, MIN_TEST_CLUSTERS, unit)
    notes += describe_constant_metrics(
        {
            f"{one.name} ({one.protocol})": one.base_value
            for one in differences
            if one.interval is None and one.error == 0.0
        }
    )
    return replace(comparison, notes=tuple(notes))


def _merge_notes(results: Mapping[str, Evaluation]) -> list[str]:
    """Return the notes of all results; one that is true of all is there once."""
    every = [
        [note.replace(VIDEO_HINT, "") for note in evaluation.notes]
        for evaluation in results.values()
    ]
    shared = [note for note in every[0] if all(note in notes for notes in every)]
    return shared + [
        f"{name}: {note}"
        for name, notes in zip(results, every, strict=True)
        for note in notes
        if note not in shared
    ]


def _test_difference(
    values: Difference, resamples: Floats, num_clusters: int, num_with_people: int
) -> Difference:
    """Add the difference, its interval and its p-value to the two values.

    Args:
        resamples: (b,) differences under each resample.
        num_with_people: clusters that contain a person of the class.
    """
    if values.base_value is None or values.other_value is None:
        return values
    difference = values.other_value - values.base_value
    values = replace(values, difference=difference, clusters=num_with_people)
    interval = compute_difference_interval(difference, resamples, num_clusters)
    if num_with_people < MIN_CLUSTERS or interval is None:
        return values
    if _is_constant(values) and not np.any(resamples):
        return replace(values, error=0.0)
    known = resamples[np.isfinite(resamples)]
    error = compute_standard_error(known, num_with_people)
    p = compute_p_value(difference, error, num_with_people)
    return replace(
        values, interval=interval, p=p, detectable=float(_DETECTABLE * error), error=error
    )


def _is_constant(values: Difference) -> bool:
    """Return whether both values are 0, or 1, from which no resample may have moved them."""
    return values.base_value == values.other_value and values.base_value in (0.0, 1.0)


def compute_p_value(difference: float, error: float, num_with_people: int) -> float | None:
    """Return the two-sided p-value of a difference; None where too few clusters have a person.

    Args:
        error: standard error of the difference.
        num_with_people: clusters that contain a person of the class.
    """
    if num_with_people < MIN_TEST_CLUSTERS:
        return None
    return compute_two_sided_p(difference / error if error else 0.0, num_with_people - 1)


def apply_holm_correction(p: Sequence[float]) -> list[float]:
    """Correct p-values so that one false alarm in the table stays as rare as each was.

    >>> apply_holm_correction([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    rising = np.maximum.accumulate(np.asarray(p, dtype=float)[order] * factors)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(rising, 1.0)
    return [float(value) for value in corrected]


def _correct_p_values(differences: Sequence[Difference]) -> list[Difference]:
    known = [one.p for one in differences if one.p is not None]
    corrected = iter(apply_holm_correction(known))
    return [one if one.p is None else replace(one, p_holm=next(corrected)) for one in differences]


def _format_comparison(result: Comparison) -> str:
    base, *others = result.evaluations
    first = result.evaluations[base]
    heading = ["", "", *(one.heading for one in CLASSES)]
    blocks = ["\n".join(format_areas(first.settings))]
    for other in others:
        rows = []
        for protocol in first.protocols:
            cells = [d for d in result.differences if d.other == other and d.protocol == protocol]
            rows.append([protocol, base, *(format_number(d.base_value) for d in cells)])
            rows.append(["", other, *(format_number(d.other_value) for d in cells)])
            rows.append(["", "difference", *(_format_difference(d) for d in cells)])
            rows.append(["", "95 %", *(_format_signed_interval(d.interval) for d in cells)])
            rows.append(["", "p (Holm)", *(_format_p_value(d.p_holm) for d in cells)])
            rows.append(["", "detectable", *(format_number(d.detectable, 3) for d in cells)])
        counts = ["people", "", *(f"{n:,}" for n in first.people.values())]
        table = format_table(heading, rows, counts)
        blocks.append("\n".join([f"AP of {other} against {base}", *table]))
    blocks.append(
        f"* differs, p < {_SIGNIFICANCE} corrected over the table; "
        f"{format_count(result.num_resamples, 'resample')} of images (or videos)\n"
        "detectable: the smallest true difference that data like these show in 80 % of all tries"
    )
    if result.notes:
        blocks.append("\n".join(f"note: {note}" for note in result.notes))
    heights = [
        f"{name}: {half.describe_limit()}{half.describe_false()}"
        for name, half in result.half_detected.items()
    ]
    blocks.append("\n".join([*heights, SEE_RESOLUTION]))
    return "\n\n".join(blocks)


def _format_difference(d: Difference) -> str:
    star = "*" if d.p_holm is not None and d.p_holm < _SIGNIFICANCE else ""
    return format_number(d.difference, sign=True) + star


def _format_signed_interval(interval: Interval | None) -> str:
    if interval is None:
        return "n/a"
    low, high = (format_number(end, 3, sign=True) for end in (interval.low, interval.high))
    return f"{low}…{high}"


def _format_p_value(value: float | None) -> str:
    return "<.001" if value is not None and value < 0.001 else format_number(value, 3)
