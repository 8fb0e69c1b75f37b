"""AP and the share found along height, density and crowding, for the page's curves (Fig. 4a)."""

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
from smallpose.report.inputs.person_matching import MATCH_OKS
from smallpose.report.page.person_browser import Said
from smallpose.stats.crowding import crowd_index

BINS = 12
NUM_RESAMPLES = 100
MAX_PEOPLE_WITH_INTERVALS = (
    30_000  # people up to which intervals are drawn; with more they are thinner than the line
)


@dataclass(frozen=True)
class Axis:
    """What people are sorted by.

    Args:
        marks: values where classes end, and `bands` what lies between them.
    """

    key: str
    label: str
    unit: str
    log: bool
    values: NDArray[np.float64]
    marks: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()


def build_axes(truth: Instances) -> list[Axis]:
    """Height of everybody, density of small people, CrowdIndex of the image they stand in."""
    crowding = np.where(truth.counted, crowd_index(truth)[truth.image_rows], np.nan)
    return [
        Axis("height", "height of the person", "px", True, measure_height(truth)),
        Axis(
            "density",
            "keypoint density, small people (Eq. 3)",
            "",
            False,
            measure_density(truth),
            marks=(SPARSE_BELOW, DENSE_FROM),
            bands=("sparse", "moderate", "dense"),
        ),
        Axis("crowding", "CrowdIndex of the image (Eq. 1)", "", False, crowding),
    ]


def compute_curves(truth: Instances, said: Sequence[tuple[str, Said]]) -> dict[str, Any]:
    """Bins of equally many people: AP (`owned`) with its interval, and the share found.

    Args:
        said: runs and their colours.
    Returns: for JSON, by axis and run.
    """
    axes = build_axes(truth)
    draws = NUM_RESAMPLES if int(truth.counted.sum()) <= MAX_PEOPLE_WITH_INTERVALS else 0
    runs = [
        {
            "label": run.label,
            "colour": colour,
            "along": {axis.key: _compute_bins(truth, run, axis, draws) for axis in axes},
        }
        for colour, run in said
    ]
    described = [
        {
            "key": a.key,
            "label": a.label,
            "unit": a.unit,
            "log": a.log,
            "marks": a.marks,
            "bands": a.bands,
        }
        for a in axes
    ]
    return {"axes": described, "runs": runs}


def _compute_bins(
    truth: Instances, run: Said, axis: Axis, draws: int
) -> list[list[float | int | None]]:
    """Per bin: low, high, people, AP, its interval's ends, share found; in percent."""
    rows = []
    oks = run.pairing.oks
    for b in compute_binned_ap(truth, run.found, axis.values, num_bins=BINS, num_resamples=draws):
        if b.ap is None:
            continue
        there = (axis.values >= b.low) & (axis.values <= b.high) & np.isfinite(oks)
        share = float((oks[there] >= MATCH_OKS).mean()) if there.any() else None
        ends = b.interval or (None, None)
        points = [None if v is None else round(100 * v, 2) for v in (b.ap, *ends, share)]
        rows.append([round(b.low, 4), round(b.high, 4), b.people, *points])
    return rows
