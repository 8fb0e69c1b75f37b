"""Is one model better than another? Paired differences on the same images.

Both are scored under the same draws of images, so what makes an image hard cancels out. p-values
are corrected by Holm over all cells of the table, because a table of fourteen cells shows
something "significant" at one time in two by chance alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.console_table import format_number, format_table
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.bootstrap import (
    Interval,
    compute_interval,
    count_clusters,
    resample_metrics,
)

Floats = NDArray[np.float64]
# A true difference of this many standard errors is found at the 5 % level in 80 % of all tries.
_SEEN = 1.959964 + 0.841621
_SURE = 0.05


@dataclass(frozen=True)
class Difference:
    """One number of two results.

    Args:
        base, other: names of the results.
        protocol, name: which number, such as `coco`, `AP_S`.
        base_value, other_value: None without people.
        difference: other minus base.
        interval: 95 % of it.
        p: two-sided, of a difference as large where there is none.
        p_holm: corrected over the table.
        detectable: the smallest true difference that such data show in 80 % of all tries.
    """

    base: str
    other: str
    protocol: str
    name: str
    base_value: float | None
    other_value: float | None
    difference: float | None
    interval: Interval
    p: float | None
    p_holm: float | None
    detectable: float | None


@dataclass(frozen=True)
class Comparison:
    """All differences from the first result, and the results themselves."""

    evaluations: dict[str, Evaluation]
    differences: list[Difference]
    draws: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The comparison as JSON text."""
        first = next(iter(self.evaluations.values()))
        whole: dict[str, Any] = {
            "results": {name: e.protocols for name, e in self.evaluations.items()},
            "differences": [asdict(d) for d in self.differences],
            "people": first.people,
            "settings": first.settings | {"draws": self.draws},
            "notes": list(self.notes),
        }
        return json.dumps(whole, indent=1) + "\n"

    def __str__(self) -> str:
        return _as_text(self)


def compare(
    truth: Instances,
    predictions: Mapping[str, Predictions],
    *,
    protocols: Sequence[str] = ("coco", "owned"),
    num_resamples: int = 1000,
    seed: int = 0,
    **scoring: Any,
) -> Comparison:
    """Score all results on the same truth and the same joints; compare each with the first.

    Results of 17 and of 21 joints are compared on the 17, unless `keypoints` says otherwise.

    Args:
        found: results by name, two or more.
        draws: of the bootstrap; p-values are no smaller than 1 / (draws + 1).
        scoring: as for `evaluate`.
    """
    if len(predictions) < 2:
        raise InputError("compare", f"{len(predictions)} results", "give two or more")
    if num_resamples < 1:
        raise InputError(f"--intervals {num_resamples}", "too few draws to compare by", "give 1000")
    notes = []
    if (
        scoring.get("keypoints") is None
        and len({f.skeleton.name for f in predictions.values()}) > 1
    ):
        scoring["keypoints"] = "coco17"
        notes.append(_of_seventeen(predictions))
    results = {
        n: evaluate(truth, f, protocols=protocols, **scoring) for n, f in predictions.items()
    }
    most = scoring.get("max_detections", 20)
    spreads = {
        n: resample_metrics(e.match_counts, protocols, most, num_resamples, seed)
        for n, e in results.items()
    }
    names = [f"AP{suffix}" for _, suffix, _ in CLASSES]
    base, *others = results
    cells = [
        _difference(base, other, protocol, name, results, spreads)
        for other in others
        for protocol in protocols
        for name in names
    ]
    notes += _notes(results)
    return Comparison(results, _corrected(cells), num_resamples, tuple(notes))


def _of_seventeen(found: Mapping[str, Predictions]) -> str:
    """That results of unlike joints are scored on COCO's 17, if all have them."""
    for name, predictions in found.items():
        if not set(COCO17.joints) <= set(predictions.skeleton.joints):
            raise InputError(
                name,
                f"has the joints of {predictions.skeleton.name}, and others have not",
                "compare results of the same joints",
            )
    brought = ", ".join(f"{name} {len(f.skeleton)}" for name, f in found.items())
    return f"the results have unlike joints ({brought}), so all are scored on COCO's 17"


def _notes(results: Mapping[str, Evaluation]) -> list[str]:
    """What a reader should know of the results, once where it is true of all."""
    every = [evaluation.notes for evaluation in results.values()]
    shared = [note for note in every[0] if all(note in notes for notes in every)]
    return shared + [
        f"{name}: {note}"
        for name, evaluation in results.items()
        for note in evaluation.notes
        if note not in shared
    ]


def _difference(
    base: str,
    other: str,
    protocol: str,
    name: str,
    results: Mapping[str, Evaluation],
    spreads: Mapping[str, Mapping[str, Mapping[str, Floats]]],
) -> Difference:
    a, b = results[base][protocol][name], results[other][protocol][name]
    drawn = spreads[other][protocol][name] - spreads[base][protocol][name]
    ends = compute_interval(drawn, count_clusters(results[base].match_counts.groups))
    p = difference = detectable = None
    if a is not None and b is not None:
        difference = b - a
    if difference is not None and ends is not None:
        drawn = drawn[np.isfinite(drawn)]
        # Where nothing differs the draws would lie around 0 as they now lie around `difference`.
        beyond = int(np.count_nonzero(np.abs(drawn - drawn.mean()) >= abs(difference)))
        p = (1 + beyond) / (1 + len(drawn))
        detectable = float(_SEEN * np.std(drawn, ddof=1))
    return Difference(base, other, protocol, name, a, b, difference, ends, p, None, detectable)


def apply_holm_correction(p: Sequence[float]) -> list[float]:
    """p-values corrected so that one false alarm in the whole table stays as rare as each was.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    rising = np.maximum.accumulate(np.asarray(p, dtype=float)[order] * factors)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(rising, 1.0)
    return [float(value) for value in corrected]


def _corrected(cells: Sequence[Difference]) -> list[Difference]:
    known = [d.p for d in cells if d.p is not None]
    values = iter(apply_holm_correction(known))
    return [
        d if d.p is None else Difference(**{**asdict(d), "p_holm": next(values)}) for d in cells
    ]


def _as_text(result: Comparison) -> str:
    base, *others = result.evaluations
    first = result.evaluations[base]
    heading = ["", "", *(title for _, _, title in CLASSES)]
    blocks = []
    for other in others:
        rows = []
        for protocol in first.protocols:
            cells = [d for d in result.differences if d.other == other and d.protocol == protocol]
            rows.append([protocol, base, *(format_number(d.base_value) for d in cells)])
            rows.append(["", other, *(format_number(d.other_value) for d in cells)])
            rows.append(["", "difference", *(_signed(d) for d in cells)])
            rows.append(["", "95 %", *(_ends(d.interval) for d in cells)])
            rows.append(["", "p (Holm)", *(_p(d.p_holm) for d in cells)])
            rows.append(["", "detectable", *(format_number(d.detectable, 3) for d in cells)])
        counts = ["people", "", *(f"{n:,}" for n in first.people.values())]
        blocks.append(
            "\n".join([f"AP of {other} against {base}", *format_table(heading, rows, counts)])
        )
    blocks.append(
        f"* differs, p < {_SURE} corrected over the table; {result.draws:,} draws of whole images "
        "(or videos)\ndetectable: the smallest true difference that data like these show in 80 % "
        "of all tries"
    )
    if result.notes:
        blocks.append("\n".join(f"note: {note}" for note in result.notes))
    return "\n\n".join(blocks)


def _signed(d: Difference) -> str:
    star = "*" if d.p_holm is not None and d.p_holm < _SURE else ""
    return format_number(d.difference, sign=True) + star


def _ends(ends: Interval) -> str:
    return (
        "n/a"
        if ends is None
        else f"{format_number(ends[0], 3, True)}…{format_number(ends[1], 3, True)}"
    )


def _p(value: float | None) -> str:
    return "n/a" if value is None else "<.001" if value < 0.001 else format_number(value, 3)
