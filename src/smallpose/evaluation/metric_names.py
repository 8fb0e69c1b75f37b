"""Curves and shares under the names that the JSON and the tables give them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.precision_recall import Curves, mean

Floats = NDArray[np.float64]
Numbers = dict[str, float | None]


def names_of_curves(found: Sequence[Curves], thresholds: Floats) -> Numbers:
    """AP and AR of (c,) curves, AP at single thresholds for everybody."""
    everybody = found[0]
    out: Numbers = {"AP": everybody.ap}
    for percent in (50, 75):
        out[f"AP{percent}"] = mean(everybody.precision[thresholds == percent / 100])
    ap = {f"AP{suffix}": c.ap for (_, suffix, _), c in zip(CLASSES, found, strict=True)}
    ar = {f"AR{suffix}": c.ar for (_, suffix, _), c in zip(CLASSES, found, strict=True)}
    return out | ap | ar


def names_of_shares(recall: Floats, thresholds: Floats) -> Numbers:
    """Eq. 2 and 4 as printed are recalls, so AP and AR are one number here."""
    out: Numbers = {"AP": mean(recall[0])}
    for percent in (50, 75):
        out[f"AP{percent}"] = mean(recall[0, thresholds == percent / 100])
    for letter in ("AP", "AR"):
        for (_, suffix, _), shares in zip(CLASSES, recall, strict=True):
            out[f"{letter}{suffix}"] = mean(shares)
    return out
