"""Compute AP and the share detected along height, density and crowding, for the page's curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSE_FROM, DENSITIES, SPARSE_BELOW
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis.binned_ap import (
    MAX_HEIGHT_RATIO,
    Bin,
    Scale,
    compute_binned_aps,
    measure_density,
    measure_height,
)
from smallpose.evaluation.analysis.density_axes import DENSITY_LIMITS, measure_densities
from smallpose.evaluation.analysis.half_detected import MAX_OUTSIDE, HalfDetected
from smallpose.evaluation.ceiling.whole_pixels import compute_ceilings_along
from smallpose.evaluation.matching.arrays import Ints, Mask
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    compute_interval,
    count_clusters,
    draw_weights,
    index_clusters,
    keep_from_ends,
)
from smallpose.evaluation.scoring.detected_people import measure_share_outside
from smallpose.report.inputs.person_matching import RunPredictions
from smallpose.report.inputs.selections import Selection
from smallpose.report.page.summary_statistics import find_height_limit
from smallpose.stats.crowding import crowd_index

NUM_BINS = 12
NUM_SIZE_BINS = 6  # of the people of one size class
NUM_RESAMPLES = 100
NUM_SHARE_RESAMPLES = 200
MAX_PEOPLE_WITH_INTERVALS = 30_000  # with more people the intervals are thinner than the line

# Name on the page, key of `DensityValues`, label and unit.
_PARTS = (
    ("density", "density", "density by own size limit", ""),
    ("pixels per joint", "pixels_per_joint", "px² per labelled joint", ""),
    ("labelled share", "labelled_share", "labelled share of joints", ""),
)


@dataclass(frozen=True)
class Axis:
    """The quantity that people are sorted by.

    Args:
        key: unique among the axes.
        name: of the page's control; axes of one name differ in their people.
        size: of the people, where these are of one size class.
        marks: values where classes end.
        bands: names of the classes between the marks.
        num_bins: of equally many people.
        has_intervals: whether AP has intervals, which take most of the time.
    """

    key: str
    name: str
    label: str
    unit: str
    log: bool
    values: NDArray[np.float64]
    marks: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()
    size: str = ""
    num_bins: int = NUM_BINS
    has_intervals: bool = True

    def to_scale(self) -> Scale:
        """Return the people's values with their bins."""
        max_ratio = MAX_HEIGHT_RATIO if self.key == "height" else None
        return Scale(self.values, self.num_bins, max_ratio, self.has_intervals)

    def to_dict(self) -> dict[str, Any]:
        """Return the axis for JSON, without the people's values."""
        fields = ("key", "name", "size", "label", "unit", "log", "marks", "bands")
        return {name: getattr(self, name) for name in fields}


def build_axes(truth: Instances) -> list[Axis]:
    """Build the axes: height, CrowdIndex of the image, and density by size with its two parts.

    Axes of a size class that has no people are left out, but for the density of the small.
    """
    crowding = np.where(truth.is_counted, crowd_index(truth)[truth.image_rows], np.nan)
    height = Axis(
        key="height",
        name="height",
        label="height of the person's box",
        unit="px",
        log=True,
        values=measure_height(truth),
    )
    density = Axis(
        key="density",
        name="density",
        label="keypoint density, small people (Eq. 3)",
        unit="",
        log=False,
        values=measure_density(truth),
        marks=(SPARSE_BELOW, DENSE_FROM),
        bands=DENSITIES,
        size="small",
    )
    crowd = Axis(
        key="crowding",
        name="crowding",
        label="CrowdIndex of the image (Eq. 1)",
        unit="",
        log=False,
        values=crowding,
    )
    return [height, density, crowd, *_build_size_axes(truth)]


def _build_size_axes(truth: Instances) -> list[Axis]:
    """Build the axes of each size class: density by its own limit, and the parts of density."""
    measured = measure_densities(truth)
    axes = []
    for size, is_member in zip(SIZES, measured.sizes, strict=True):
        if not is_member.any():
            continue
        for name, key, label, unit in _PARTS:
            if (name, size) == ("density", "small"):
                continue  # has an axis with more bins
            is_density = name == "density"
            axes.append(
                Axis(
                    key=f"{key}_{size}",
                    name=name,
                    label=f"{label}, {size} people",
                    unit=unit,
                    log=key == "pixels_per_joint",
                    values=np.where(is_member, measured.get_axis(key), np.nan),
                    marks=DENSITY_LIMITS[size] if is_density else (),
                    bands=DENSITIES if is_density else (),
                    size=size,
                    num_bins=NUM_SIZE_BINS,
                    has_intervals=False,
                )
            )
    return axes


@dataclass(frozen=True)
class _Resampling:
    """Draws of images or videos, for intervals of shares.

    Args:
        weights: (b, m) how often each draw has each image.
        cluster: (m,) the image or video that is drawn with each image.
        num_clusters: how many there are.
    """

    weights: NDArray[np.float32]
    cluster: Ints
    num_clusters: int


def _draw_images(truth: Instances) -> _Resampling:
    groups = truth.images.groups
    weights = np.concatenate(list(draw_weights(groups, NUM_SHARE_RESAMPLES, 0)))
    return _Resampling(
        weights=weights.astype(np.float32),
        cluster=index_clusters(groups),
        num_clusters=count_clusters(groups),
    )


@dataclass(frozen=True)
class Curves:
    """The curves of the page.

    Args:
        data: for JSON, by run, selection and axis.
        density: AP of all people along density, of each run, for the figure of it; none where it
            has no intervals.
    """

    data: dict[str, Any]
    density: list[list[Bin]]


def compute_curves(
    selections: Sequence[Selection],
    results: Sequence[RunPredictions],
    colours: Sequence[str],
    limits: Sequence[HalfDetected],
) -> Curves:
    """Compute AP (`owned`) and the share detected, with intervals, in bins along each axis.

    AP has intervals for all people only, the share for every selection.

    Args:
        selections: of people, all of them first.
        results: of the runs, for all people.
        colours: of the runs.
        limits: heights from which half of all people are detected, of the runs.
    """
    first = selections[0]
    has_intervals = first.num_people <= MAX_PEOPLE_WITH_INTERVALS
    runs: list[dict[str, Any]] = [
        {"label": result.label, "colour": colour, "along": {}, "half": {}}
        for result, colour in zip(results, colours, strict=True)
    ]
    density = []
    ceilings = {}
    all_axes = [build_axes(selection.truth) for selection in selections]
    for selection, axes in zip(selections, all_axes, strict=True):
        ceilings[selection.key] = _compute_ceilings(selection.truth, results[0], axes)
        num_resamples = NUM_RESAMPLES if has_intervals and selection is first else 0
        resampling = _draw_images(selection.truth)
        outside = measure_share_outside(selection.truth.boxes_xywh, selection.truth.keypoints)
        is_partial = outside > MAX_OUTSIDE
        for run, result, limit in zip(runs, results, limits, strict=True):
            own = result if selection is first else selection.match(result)
            along = _compute_ap_along(selection.truth, own.predictions, axes, num_resamples)
            run["along"][selection.key] = {
                axis.key: _list_bins(
                    selection.truth, own, axis, along[axis.key], is_partial, resampling
                )
                for axis in axes
            }
            if num_resamples:
                density.append(along["density"])
            if selection is not first:
                limit = find_height_limit(selection.truth, own.matches, limit.doubt, limit.caution)
            run["half"][selection.key] = _describe_limit(limit)
    data = {
        "ceilings": ceilings,
        "axes": [axis.to_dict() for axis in all_axes[0]],
        "selections": [{"key": s.key, "label": s.label} for s in selections],
        "runs": runs,
    }
    return Curves(data, density)


def _compute_ap_along(
    truth: Instances, predictions: Predictions, axes: Sequence[Axis], num_resamples: int
) -> dict[str, list[Bin]]:
    """Compute AP along all axes, by their keys."""
    bins = compute_binned_aps(
        truth,
        predictions,
        [axis.to_scale() for axis in axes],
        num_resamples=num_resamples,
    )
    return {axis.key: one for axis, one in zip(axes, bins, strict=True)}


def _compute_ceilings(
    truth: Instances, result: RunPredictions, axes: Sequence[Axis]
) -> dict[str, list[list[float]]]:
    """Compute the best AP that whole pixels leave, in percent, at the mean of each bin."""
    scales = [axis.to_scale() for axis in axes]
    along = compute_ceilings_along(truth, result.predictions, scales)
    return {
        axis.key: [[round(b.mean, 4), round(100 * b.ap, 2)] for b in bins if b.ap is not None]
        for axis, bins in zip(axes, along, strict=True)
    }


def _describe_limit(limit: HalfDetected) -> dict[str, Any]:
    """Return the height from which half are detected, or why there is none, for JSON."""
    short = limit.short_reason or limit.describe_limit().partition("(OKS .5) ")[2]
    return limit.to_dict() | {"inside": limit.is_inside, "ends": limit.ends, "short": short}


def _list_bins(
    truth: Instances,
    result: RunPredictions,
    axis: Axis,
    bins: Sequence[Bin],
    is_partial: Mask,
    resampling: _Resampling,
) -> list[list[float | int | None]]:
    """List the numbers of each bin of an axis, shares in percent.

    Args:
        bins: AP along the axis.
        is_partial: (n,) whose box holds a part of the person.
        resampling: for intervals of shares.
    Returns: low, high, mean, people, how many of their boxes hold a part of the person; AP and
        the ends of its interval; the share detected and the ends of its interval.
    """
    rows: list[list[float | int | None]] = []
    is_scored = result.matches.is_scored
    members = [(axis.values >= b.low) & (axis.values <= b.high) & is_scored for b in bins]
    is_matched = result.matches.is_matched
    shares = _measure_shares(resampling, truth.image_rows, members, is_matched)
    for b, is_inside, share in zip(bins, members, shares, strict=True):
        num_partial = int((is_partial & is_inside).sum())
        ap = Interval(b.ap) if b.ap is not None and b.interval is None else b.interval
        points = [*_list_points(ap), *_list_points(share)]
        place = [round(value, 4) for value in (b.low, b.high, b.mean)]
        rows.append([*place, b.people, num_partial, *points])
    return rows


def _list_points(value: Interval | None) -> list[float | None]:
    """List a share and the ends of its interval in percent; None where unknown."""
    if value is None:
        return [None, None, None]
    ends = (value.value, value.low, value.high)
    return [round(100 * end, 2) if np.isfinite(end) else None for end in ends]


def _measure_shares(
    resampling: "_Resampling", image_rows: Ints, members: Sequence[Mask], is_matched: Mask
) -> list[Interval | None]:
    """Measure the share detected of each bin, with its 95 % interval over images or videos."""
    m = resampling.weights.shape[1]
    groups = [one for is_inside in members for one in (is_inside, is_inside & is_matched)]
    counts = [np.bincount(image_rows[one], minlength=m).astype(np.float32) for one in groups]
    if not counts:
        return []
    # One product for all bins: many thin ones keep every core busy waiting for the others.
    totals = resampling.weights @ np.stack(counts, axis=1)
    return [
        _compute_share(resampling, *counts[2 * i : 2 * i + 2], *totals[:, 2 * i : 2 * i + 2].T)
        for i in range(len(members))
    ]


def _compute_share(
    resampling: "_Resampling",
    people: NDArray[np.float32],
    matched: NDArray[np.float32],
    total: NDArray[np.float32],
    num_matched: NDArray[np.float32],
) -> Interval | None:
    """Compute the share of one bin from counts in each image, and in each draw of images."""
    if not people.any():
        return None
    share = float(matched.sum() / people.sum())
    if len(np.unique(resampling.cluster[people > 0])) < MIN_CLUSTERS:
        return Interval(share)
    resampled = np.divide(
        num_matched,
        total,
        out=np.full(len(total), np.nan),
        where=total > 0,
        dtype=np.float64,
    )
    resampled = keep_from_ends(resampled, int(people.sum()))
    return compute_interval(share, resampled, resampling.num_clusters) or Interval(share)
