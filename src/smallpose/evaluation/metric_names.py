"""Curves and shares under the names that the JSON and the tables give them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.precision_recall import Curves, average_valid

Floats = NDArray[np.float64]
Metrics = dict[str, float | None]


def name_curve_metrics(found: Sequence[Curves], thresholds: Floats) -> Metrics:
    """AP and AR of (c,) curves, AP at single thresholds for everybody."""
    everybody = found[0]
    out: Metrics = {"AP": everybody.ap}
    for percent in (50, 75):
        out[f"AP{percent}"] = average_valid(everybody.precision[thresholds == percent / 100])
    ap = {f"AP{suffix}": c.ap for (_, suffix, _), c in zip(CLASSES, found, strict=True)}
    ar = {f"AR{suffix}": c.ar for (_, suffix, _), c in zip(CLASSES, found, strict=True)}
    return out | ap | ar


def name_recall_metrics(recall: Floats, thresholds: Floats) -> Metrics:
    """Eq. 2 and 4 as printed are recalls, so AP and AR are one number here."""
    out: Metrics = {"AP": average_valid(recall[0])}
    for percent in (50, 75):
        out[f"AP{percent}"] = average_valid(recall[0, thresholds == percent / 100])
    for letter in ("AP", "AR"):
        for (_, suffix, _), shares in zip(CLASSES, recall, strict=True):
            out[f"{letter}{suffix}"] = average_valid(shares)
    return out
