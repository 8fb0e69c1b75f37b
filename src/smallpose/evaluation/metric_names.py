"""The names of metrics in the JSON and in the tables."""

from collections.abc import Sequence

from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.precision_recall import Curves, average_valid


class Metrics(dict[str, float | None]):
    """Metrics by name, such as `AP_S`; None where a class has no people."""

    def __missing__(self, name: str) -> float | None:
        raise KeyError(f"{name}: no such metric; there are {', '.join(self)}")


def name_curve_metrics(curves: Sequence[Curves], thresholds: Floats) -> Metrics:
    """Name AP and AR of the (c,) classes, and AP of all people at single thresholds."""
    of_all = curves[0]
    metrics = Metrics(AP=of_all.ap)
    for percent in (50, 75):
        metrics[f"AP{percent}"] = average_valid(of_all.precision[thresholds == percent / 100])
    for one, curve in zip(CLASSES, curves, strict=True):
        metrics[f"AP{one.suffix}"] = curve.ap
    for one, curve in zip(CLASSES, curves, strict=True):
        metrics[f"AR{one.suffix}"] = curve.ar
    return metrics


def name_recall_metrics(recall: Floats, thresholds: Floats) -> Metrics:
    """Name the (c, t) recall; Eq. 2 and 4 as printed are recalls, so AP and AR are equal here."""
    metrics = Metrics(AP=average_valid(recall[0]))
    for percent in (50, 75):
        metrics[f"AP{percent}"] = average_valid(recall[0, thresholds == percent / 100])
    for letters in ("AP", "AR"):
        for one, shares in zip(CLASSES, recall, strict=True):
            metrics[f"{letters}{one.suffix}"] = average_valid(shares)
    return metrics
