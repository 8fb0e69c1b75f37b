"""How good scores are: calibration, precision-recall curves, and AP if the ranking were perfect.

AP depends on the order of scores alone. A score is calibrated if, of the detections with a score
near s, the share s matches a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.person_matches import PersonMatches, match_people
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.protocols import AP_NAMES, CLASSES
from smallpose.evaluation.scoring.precision_recall import RECALLS

NUM_BINS = 10
SHOWN_RECALLS = (0.1, 0.3, 0.5, 0.7, 0.9)
CURVE_OKS = (0.5, 0.75)


@dataclass(frozen=True)
class ScoreBin:
    """Detections of similar scores.

    Args:
        low, high, score: smallest, largest and mean score.
        detections: how many they are.
        correct: share that matches a person with an OKS of .5 or more.
        oks: mean OKS with the person; 0 for those without.
    """

    low: float
    high: float
    score: float
    detections: int
    correct: float
    oks: float


@dataclass(frozen=True)
class Calibration:
    """How well scores tell the share of detections that are right.

    Args:
        error: mean distance of score and share correct, weighted by detections; None without any,
            or where scores are not between 0 and 1.
        ap: as it is, by metric name.
        perfect_ap: if every detection's score were its OKS with the person it matches.
    """

    bins: list[ScoreBin]
    error: float | None
    ap: dict[str, float | None]
    perfect_ap: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {
            "bins": [vars(one) for one in self.bins],
            "error": self.error,
            "AP": self.ap,
            "AP_perfect_ranking": self.perfect_ap,
        }


def measure_calibration(
    truth: Instances,
    predictions: Predictions,
    *,
    protocol: str = "coco",
    all_matches: PersonMatches | None = None,
    known_ap: Mapping[str, float | None] | None = None,
    **options: Any,
) -> Calibration:
    """Compare scores with matches, in bins of equally many detections.

    Detections that match an ignored region are left out. Under `coco` only the detections within
    the limit of an image count.

    Args:
        all_matches: what `match_people` returns without a limit of detections, where it is known.
        known_ap: AP of these predictions under the protocol and options, where it is known.
        options: as for `evaluate`.
    """
    others = {name: value for name, value in options.items() if name != "max_detections"}
    limit = options.get("max_detections", 20) if protocol == "coco" else None
    if all_matches is None:
        all_matches = match_people(truth, predictions, None, **others)
    matches = all_matches
    if limit is not None:
        matches = match_people(truth, predictions, limit, **others)
    oks = np.zeros(len(predictions))
    has_row = matches.rows >= 0
    oks[matches.rows[has_row]] = matches.oks[has_row]
    is_correct = np.zeros(len(predictions), dtype=bool)
    is_correct[matches.rows[has_row & matches.is_matched]] = True
    is_counted = is_correct.copy()
    is_counted[matches.rows[has_row]] = True
    is_counted[matches.unmatched] = True
    rows = np.flatnonzero(is_counted)
    rows = rows[np.argsort(predictions.scores[rows], kind="stable")]
    bins = [
        ScoreBin(
            low=float(predictions.scores[part[0]]),
            high=float(predictions.scores[part[-1]]),
            score=float(predictions.scores[part].mean()),
            detections=len(part),
            correct=float(is_correct[part].mean()),
            oks=float(np.nan_to_num(oks[part]).mean()),
        )
        for part in np.array_split(rows, min(NUM_BINS, max(len(rows), 1)))
        if len(part)
    ]
    scores = predictions.scores[rows]
    is_share = bool(len(rows)) and bool((scores >= 0).all() and (scores <= 1).all())
    weights = np.array([one.detections for one in bins], dtype=np.float64)
    distance = np.array([abs(one.score - one.correct) for one in bins])
    error = float(np.average(distance, weights=weights)) if is_share else None

    # Detections keep the boxes, and so the sizes, that they have.
    boxed = replace(predictions, boxes_xywh=get_detection_boxes(predictions))

    def compute_ap(scores: Floats) -> dict[str, float | None]:
        result = evaluate(truth, replace(boxed, scores=scores), protocols=(protocol,), **options)
        return {name: result[protocol][name] for name in AP_NAMES}

    # Within an image the order decides who is matched, so ties keep the order of the scores.
    order = np.argsort(np.argsort(predictions.scores, kind="stable"), kind="stable")
    tie_break = 1e-9 * order / max(len(order), 1)
    return Calibration(
        bins=bins,
        error=error,
        ap=compute_ap(predictions.scores)
        if known_ap is None
        else {name: known_ap[name] for name in AP_NAMES},
        perfect_ap=compute_ap(_score_by_oks(predictions, all_matches) + tie_break),
    )


def _score_by_oks(predictions: Predictions, matches: PersonMatches) -> Floats:
    """Return (d,) the OKS of each detection with the person it matches; 0 for none."""
    scores = np.zeros(len(predictions))
    has_row = (matches.rows >= 0) & (matches.oks > 0)
    scores[matches.rows[has_row]] = matches.oks[has_row]
    return scores  # what matches an ignored region costs nothing wherever it is ranked


@dataclass(frozen=True)
class PrecisionCurve:
    """Precision at each recall of one class.

    Args:
        name: of the class, `heading` that of tables.
        oks: threshold of a match.
        precision: (101,) at recalls 0, .01, … 1; None without people.
    """

    name: str
    heading: str
    oks: float
    precision: list[float] | None

    def read_at(self, recall: float) -> float | None:
        """Return the precision at a recall."""
        if self.precision is None:
            return None
        return self.precision[int(np.argmin(np.abs(RECALLS - recall)))]


def list_precision_curves(result: Evaluation) -> list[PrecisionCurve]:
    """List the precision-recall curves of every class under the first protocol with curves.

    Under `recall` there are none.
    """
    protocol = next((name for name in result.protocols if name != "recall"), None)
    if protocol is None:
        return []
    limit = result.settings["max_detections"] if protocol == "coco" else None
    counts = result.match_counts
    curves = counts.compute_curves(protocol, limit)
    listed = []
    for oks in CURVE_OKS:
        t = int(np.argmin(np.abs(counts.thresholds - oks)))
        for one, curve in zip(CLASSES, curves, strict=True):
            values = curve.precision[t]
            known = None if (values < 0).any() else [float(value) for value in values]
            listed.append(PrecisionCurve(one.name, one.heading, oks, known))
    return listed
