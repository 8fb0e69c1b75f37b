"""The smallest height at which a share of people is within a tolerance, or why none is given."""

from dataclasses import dataclass

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.evaluation.budget.error_model import (
    ErrorModel,
    Floats,
    People,
    fit_error_model,
)

MIN_PEOPLE = 100  # labelled, detected or not; below, no height is given
MIN_CLUSTERS = 20  # images or videos they are in
NUM_GRID = 160
RANGE = (0.02, 0.98)  # quantiles of the people's heights between which an answer may lie
CONFIDENCE = 0.95
_FOLDS = 5
_BINS = 4  # of equally many people in which the fit is checked
_MAX_ERRORS = 3.0  # standard errors between predicted and observed share
_MAX_DIFFERENCE = 0.03  # a smaller difference between both shares is never a fault


@dataclass(frozen=True)
class CheckedBin:
    """Predicted and observed share of people whom the fit did not see.

    Args:
        low, high: px, the heights of the people.
        people: how many they are.
        predicted, observed: share within the tolerance.
        errors: difference over its standard error.
    """

    low: float
    high: float
    people: int
    predicted: float
    observed: float
    errors: float

    @property
    def is_refuted(self) -> bool:
        """Return whether the fit is wrong here."""
        difference = abs(self.observed - self.predicted)
        return difference > _MAX_DIFFERENCE and abs(self.errors) > _MAX_ERRORS


@dataclass(frozen=True)
class Budget:
    """The answer for one joint.

    Args:
        px: height from which on, with 95 % confidence, the target is met; None where none is given.
        up_to_px: height from which on it is not met any more; None where it stays met.
        estimate: the best estimate and its 95 % interval; None where the fit never meets it.
        is_smallest_measured: the target is met already by the smallest people of the file.
        reason: why there is no answer; "" where there is one.
        fixed_px, proportional: the two parts of the error along one axis; None without a fit.
        people, clusters, detected, within: how many people were measured, in how many images or
            videos; the shares detected and within the tolerance.
        heights: px, between which an answer may lie.
        checks: by bins of height.
    """

    px: float | None
    up_to_px: float | None
    estimate: Interval | None
    is_smallest_measured: bool
    reason: str
    fixed_px: float | None
    proportional: float | None
    people: int
    clusters: int
    detected: float | None
    within: float | None
    heights: tuple[float, float] | None
    checks: tuple[CheckedBin, ...]


def solve_budget(
    people: People, target: float, num_resamples: int, seed: int, doubt: str = ""
) -> Budget:
    """Fit, check on people the fit did not see, and find the height that meets the target.

    Args:
        target: share of people, 0 to 1.
        num_resamples: of images, or videos, for the confidence.
        doubt: why no height can be named from the files, as an evaluation says; "" without one.
    """
    num_clusters = len(np.unique(people.cluster))
    if doubt:
        return _give_no_answer(people, num_clusters, doubt)
    if len(people) < MIN_PEOPLE or num_clusters < MIN_CLUSTERS or not people.is_detected.any():
        reason = (
            f"{format_count(len(people), 'person', 'people')} in "
            f"{format_count(num_clusters, 'image or video', 'images or videos')} can be measured; "
            f"{MIN_PEOPLE} people in {MIN_CLUSTERS} are needed"
        )
        if not people.is_detected.any() and len(people) >= MIN_PEOPLE:
            reason = "none of the people was detected"
        return _give_no_answer(people, num_clusters, reason)
    low, high = (float(q) for q in np.quantile(people.height, RANGE))
    grid = np.geomspace(low, max(high, low * 1.001), NUM_GRID)
    model = fit_error_model(people)
    shares = model.predict_share(grid)
    resampled = _resample_shares(people, grid, num_resamples, seed)
    limit = np.quantile(resampled, 1 - CONFIDENCE, axis=0)
    checks = check_on_unseen(people)
    answer = _find_range(grid, limit, target)
    best = _find_range(grid, shares, target)
    return Budget(
        px=None if answer is None else answer[0],
        up_to_px=None if answer is None or answer[1] >= high else answer[1],
        estimate=_estimate_height(grid, best, resampled, target),
        is_smallest_measured=answer is not None and answer[0] <= low,
        reason=_explain(grid, shares, limit, target, checks, answer is None),
        fixed_px=model.fixed,
        proportional=model.proportional,
        people=len(people),
        clusters=num_clusters,
        detected=float(people.is_detected.mean()),
        within=float(people.is_within.mean()),
        heights=(low, high),
        checks=tuple(checks),
    )


def _give_no_answer(people: People, num_clusters: int, reason: str) -> Budget:
    has_people = len(people) > 0
    return Budget(
        px=None,
        up_to_px=None,
        estimate=None,
        is_smallest_measured=False,
        reason=reason,
        fixed_px=None,
        proportional=None,
        people=len(people),
        clusters=num_clusters,
        detected=float(people.is_detected.mean()) if has_people else None,
        within=float(people.is_within.mean()) if has_people else None,
        heights=None,
        checks=(),
    )


def _resample_shares(people: People, grid: Floats, num_resamples: int, seed: int) -> Floats:
    """Return (b, g) shares at the heights of the grid under resamples of clusters."""
    rng = np.random.default_rng(seed)
    num_clusters = int(people.cluster.max()) + 1
    out = np.empty((num_resamples, len(grid)))
    for row in out:
        drawn = rng.integers(0, num_clusters, num_clusters)
        weights = np.bincount(drawn, minlength=num_clusters)[people.cluster].astype(float)
        if not weights[people.is_detected].any():
            row[:] = 0.0
            continue
        row[:] = fit_error_model(people, weights).predict_share(grid)
    return out


def _find_range(grid: Floats, shares: Floats, target: float) -> tuple[float, float] | None:
    """Return the longest range of heights whose share is at least the target."""
    is_met = shares >= target
    if not is_met.any():
        return None
    padded = np.concatenate([[False], is_met, [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(padded) == 1), np.flatnonzero(np.diff(padded) == -1)
    longest = int((ends - starts).argmax())
    start, end = int(starts[longest]), int(ends[longest])
    low, high = float(grid[start]), float(grid[end - 1])
    if start > 0:
        low = _interpolate(grid, shares, target, start - 1)
    if end < len(grid):
        high = _interpolate(grid, shares, target, end - 1)
    return low, high


def _interpolate(grid: Floats, shares: Floats, target: float, index: int) -> float:
    """Return the height between two of the grid at which the share is the target."""
    part = (target - shares[index]) / (shares[index + 1] - shares[index])
    return float(grid[index] * (grid[index + 1] / grid[index]) ** part)


def _estimate_height(
    grid: Floats, best: tuple[float, float] | None, resampled: Floats, target: float
) -> Interval | None:
    """Return the height that meets the target by the fit, and its interval under resamples."""
    if best is None:
        return None
    heights = []
    for shares in resampled:
        one = _find_range(grid, shares, target)
        heights.append(np.inf if one is None else one[0])
    tail = (1 - CONFIDENCE) / 2
    ends = np.sort(np.array(heights))
    low = float(ends[int(np.floor(tail * (len(ends) - 1)))])
    high = float(ends[int(np.ceil((1 - tail) * (len(ends) - 1)))])
    if not np.isfinite(high):
        return Interval(best[0], min(low, best[0]))
    return Interval(best[0], min(low, best[0]), max(high, best[0]))


def check_on_unseen(people: People) -> list[CheckedBin]:
    """Compare the share predicted for people that the fit did not see with the share observed."""
    predicted = np.empty(len(people))
    fold = _assign_folds(people)
    for index in range(_FOLDS):
        is_unseen = fold == index
        if not is_unseen.any():
            continue
        model: ErrorModel = fit_error_model(people.take(~is_unseen))
        predicted[is_unseen] = model.predict_share(people.height[is_unseen])
    order = np.argsort(people.height, kind="stable")
    residual = people.is_within - predicted
    bins = []
    for rows in np.array_split(order, _BINS):
        sums = np.bincount(people.cluster[rows], weights=residual[rows])
        # Where nearly all are within, the residuals of a few people say too little.
        expected = predicted[rows] * (1 - predicted[rows])
        error = float(np.sqrt(max((sums**2).sum(), expected.sum()))) / len(rows)
        difference = float(residual[rows].mean())
        bins.append(
            CheckedBin(
                low=float(people.height[rows].min()),
                high=float(people.height[rows].max()),
                people=len(rows),
                predicted=float(predicted[rows].mean()),
                observed=float(people.is_within[rows].mean()),
                errors=difference / error if error else 0.0,
            )
        )
    return bins


def _assign_folds(people: People) -> Floats:
    """Return (n,) folds; a cluster is in one of them, and every fold has people of all heights."""
    num_clusters = int(people.cluster.max()) + 1
    total = np.bincount(people.cluster, weights=np.log(people.height), minlength=num_clusters)
    mean = total / np.maximum(np.bincount(people.cluster, minlength=num_clusters), 1)
    rank = np.empty(num_clusters)
    rank[np.argsort(mean, kind="stable")] = np.arange(num_clusters)
    return np.asarray((rank % _FOLDS)[people.cluster])


def _explain(
    grid: Floats,
    shares: Floats,
    limit: Floats,
    target: float,
    checks: list[CheckedBin],
    is_unanswered: bool,
) -> str:
    """Say why no height is given; "" where one is."""
    refuted = [one for one in checks if one.is_refuted]
    if refuted:
        worst = max(refuted, key=lambda one: abs(one.errors))
        return (
            "the fit is wrong for people it did not see: of "
            f"{format_count(worst.people, 'person', 'people')} of {worst.low:.0f} to "
            f"{worst.high:.0f} px, {100 * worst.observed:.0f} % are within the tolerance where it "
            f"predicts {100 * worst.predicted:.0f} %"
        )
    if not is_unanswered:
        return ""
    best = int(shares.argmax())
    if shares[best] < target:
        return (
            f"at no height from {grid[0]:.0f} to {grid[-1]:.0f} px, which the people of the file "
            f"have, are {100 * target:g} % within the tolerance; at most {100 * shares[best]:.0f} "
            f"% are, at {grid[best]:.0f} px"
        )
    return (
        f"too few people to be sure: the fit reaches {100 * target:g} %, but with "
        f"{100 * CONFIDENCE:g} % confidence it is no more than {100 * limit.max():.0f} %; measure "
        "more people"
    )
