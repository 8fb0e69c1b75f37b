"""Compute AP and the share detected along height, density and crowding, for the page's curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSE_FROM, SPARSE_BELOW
from smallpose.core.instances import Instances
from smallpose.evaluation.analysis.binned_ap import (
    compute_binned_ap,
    measure_density,
    measure_height,
)
from smallpose.report.inputs.person_matching import RunPredictions
from smallpose.stats.crowding import crowd_index

NUM_BINS = 12
NUM_RESAMPLES = 100
MAX_PEOPLE_WITH_INTERVALS = 30_000  # with more people the intervals are thinner than the line


@dataclass(frozen=True)
class Axis:
    """The quantity that people are sorted by.

    Args:
        marks: values where classes end.
        bands: names of the classes between the marks.
    """

    key: str
    label: str
    unit: str
    log: bool
    values: NDArray[np.float64]
    marks: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the axis for JSON, without the people's values."""
        fields = ("key", "label", "unit", "log", "marks", "bands")
        return {name: getattr(self, name) for name in fields}


def build_axes(truth: Instances) -> list[Axis]:
    """Build the axes: height of all people, density of small ones, CrowdIndex of their image."""
    crowding = np.where(truth.is_counted, crowd_index(truth)[truth.image_rows], np.nan)
    return [
        Axis(
            key="height",
            label="height of the person",
            unit="px",
            log=True,
            values=measure_height(truth),
        ),
        Axis(
            key="density",
            label="keypoint density, small people (Eq. 3)",
            unit="",
            log=False,
            values=measure_density(truth),
            marks=(SPARSE_BELOW, DENSE_FROM),
            bands=("sparse", "moderate", "dense"),
        ),
        Axis(
            key="crowding",
            label="CrowdIndex of the image (Eq. 1)",
            unit="",
            log=False,
            values=crowding,
        ),
    ]


def compute_curves(
    truth: Instances, results: Sequence[RunPredictions], colours: Sequence[str]
) -> dict[str, Any]:
    """Compute AP (`owned`) with intervals, and the share detected, in bins of equal counts.

    Args:
        colours: of the runs.
    Returns: for JSON, by axis and run.
    """
    axes = build_axes(truth)
    has_intervals = int(truth.is_counted.sum()) <= MAX_PEOPLE_WITH_INTERVALS
    num_resamples = NUM_RESAMPLES if has_intervals else 0
    runs = [
        {
            "label": result.label,
            "colour": colour,
            "along": {axis.key: _compute_bins(truth, result, axis, num_resamples) for axis in axes},
        }
        for result, colour in zip(results, colours, strict=True)
    ]
    return {"axes": [axis.to_dict() for axis in axes], "runs": runs}


def _compute_bins(
    truth: Instances, result: RunPredictions, axis: Axis, num_resamples: int
) -> list[list[float | int | None]]:
    """Compute per bin: low, high, people, AP, its interval's ends, share detected; in percent."""
    rows = []
    bins = compute_binned_ap(
        truth, result.predictions, axis.values, num_bins=NUM_BINS, num_resamples=num_resamples
    )
    for b in bins:
        if b.ap is None:
            continue
        in_bin = (axis.values >= b.low) & (axis.values <= b.high) & result.matches.is_scored
        share = float(result.matches.is_matched[in_bin].mean()) if in_bin.any() else None
        ends = (None, None) if b.interval is None else (b.interval.low, b.interval.high)
        points = [None if v is None else round(100 * v, 2) for v in (b.ap, *ends, share)]
        rows.append([round(b.low, 4), round(b.high, 4), b.people, *points])
    return rows
