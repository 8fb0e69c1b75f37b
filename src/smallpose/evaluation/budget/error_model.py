"""The error of a joint along person height: a fixed part in px and one proportional to height.

Errors along x and y have the spread s(h) = √(fixed² + (proportional h)²). Only the two parts are
fitted; the distribution of the errors divided by s(h) is taken from the people themselves, so that
it need not be normal. People who are not detected are counted by a logistic curve along log height.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_RATIOS = np.concatenate([[0.0], np.geomspace(1e-4, 100.0, 31)])  # (proportional h / fixed)²
_TAILS = 4.0  # degrees of freedom of Student's t, so that gross errors do not decide the fit
_ROUNDS = 12
_RAYLEIGH_MEDIAN = float(np.sqrt(2 * np.log(2)))  # of the length of a standard normal (x, y)
_RIDGE = 1e-3  # on the slope of the logistic curve, against people who are all detected


@dataclass(frozen=True)
class People:
    """What was measured of each person's joint.

    Args:
        height: (n,) of the box, px.
        error: (n,) distance from the label, px; NaN where the person was not detected.
        tolerance: (n,) that the error must not exceed: px, or a share of the height.
        is_relative: whether tolerances are shares of the height.
        cluster: (n,) index of the image or video.
    """

    height: Floats
    error: Floats
    tolerance: Floats
    is_relative: bool
    cluster: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.height)

    @property
    def is_detected(self) -> Mask:
        """Return (n,) who was detected."""
        return np.isfinite(self.error)

    @property
    def is_within(self) -> Mask:
        """Return (n,) whose joint lies within the tolerance; people not detected do not."""
        limit = self.tolerance * self.height if self.is_relative else self.tolerance
        return np.where(self.is_detected, self.error, np.inf) <= limit

    def take(self, rows: NDArray[np.intp] | Mask) -> "People":
        """Return some of the people."""
        return People(
            self.height[rows],
            self.error[rows],
            self.tolerance[rows],
            self.is_relative,
            self.cluster[rows],
        )


@dataclass(frozen=True)
class ErrorModel:
    """A fit to people.

    Args:
        fixed: px along each axis, at any height.
        proportional: share of the height along each axis.
        slack: (m,) of those detected, in rising order: tolerance over scaled error. A person is
            within the tolerance at a height if their slack is at least the spread there (divided by
            the height for relative tolerances).
        slack_weights: (m,) how often each counts.
        detected: intercept and slope of the logit of the share detected, along log height.
        is_relative: as for `People`.
    """

    fixed: float
    proportional: float
    slack: Floats
    slack_weights: Floats
    detected: tuple[float, float]
    is_relative: bool

    def get_spread(self, height: Floats) -> Floats:
        """Return the spread along one axis, px."""
        return np.asarray(np.hypot(self.fixed, self.proportional * height))

    def predict_share(self, height: Floats) -> Floats:
        """Return the share of people within the tolerance at each height."""
        spread = self.get_spread(height)
        needed = spread / height if self.is_relative else spread
        total = np.concatenate([[0.0], np.cumsum(self.slack_weights)])
        below = np.searchsorted(self.slack, needed, side="left")
        share = 1 - total[below] / total[-1]
        return np.asarray(share * self.predict_detected(height))

    def predict_detected(self, height: Floats) -> Floats:
        """Return the share of people detected at each height."""
        intercept, slope = self.detected
        return np.asarray(1 / (1 + np.exp(-(intercept + slope * np.log(height)))))


def fit_error_model(people: People, weights: Floats | None = None) -> ErrorModel:
    """Fit the model.

    Args:
        weights: (n,) how often each person counts (default: once).
    """
    weights = np.ones(len(people)) if weights is None else weights
    is_used = people.is_detected & (weights > 0)
    height, error = people.height[is_used], people.error[is_used]
    weight = weights[is_used]
    middle = float(np.exp(np.average(np.log(height), weights=weight)))
    ratio = _choose_ratio(error, height / middle, weight)
    shape = np.sqrt(1 + ratio * (height / middle) ** 2)
    scaled = error / shape
    scale = max(_weighted_median(scaled, weight) / _RAYLEIGH_MEDIAN, 1e-9)
    tolerance = people.tolerance[is_used]
    slack = tolerance / np.maximum(scaled / scale, 1e-12)
    order = np.argsort(slack, kind="stable")
    return ErrorModel(
        fixed=float(scale),
        proportional=float(scale * np.sqrt(ratio) / middle),
        slack=slack[order],
        slack_weights=weight[order],
        detected=_fit_detected(np.log(people.height), people.is_detected, weights),
        is_relative=people.is_relative,
    )


def _choose_ratio(error: Floats, height: Floats, weight: Floats) -> float:
    """Return the squared ratio of both parts at height 1 with the highest likelihood.

    The errors are taken to have Student's t distribution in two dimensions, with the best scale at
    each ratio; a parabola through the best three ratios refines it.
    """
    shape = 1 + _RATIOS[:, None] * height**2  # squared
    squared = error**2 / shape
    scale = squared @ weight / weight.sum() / 2 + 1e-18
    for _ in range(_ROUNDS):
        robust = (_TAILS + 2) / (_TAILS + squared / scale[:, None])
        scale = (robust * squared) @ weight / weight.sum() / 2 + 1e-18
    density = np.log(shape * scale[:, None])
    density += (_TAILS + 2) / 2 * np.log1p(squared / scale[:, None] / _TAILS)
    cost = density @ weight
    best = int(cost.argmin())
    if best < 2 or best == len(_RATIOS) - 1:
        return float(_RATIOS[best])
    left, middle, right = cost[best - 1 : best + 2]
    step = (left - right) / 2 / (left - 2 * middle + right)
    return float(_RATIOS[best] * (_RATIOS[best] / _RATIOS[best - 1]) ** step)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def _fit_detected(log_height: Floats, is_detected: Mask, weights: Floats) -> tuple[float, float]:
    """Fit the logit of the share detected by Newton's method, half a person of each kind added."""
    centre = float(np.average(log_height, weights=weights))
    x = log_height - centre
    columns = np.stack([np.ones(len(x) + 2), np.concatenate([x, [0.0, 0.0]])], axis=1)
    detected = np.concatenate([is_detected, [1.0, 0.0]])
    weight = np.concatenate([weights, [0.5, 0.5]])
    share = np.average(detected, weights=weight)
    beta = np.array([np.log(share / (1 - share)), 0.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(columns @ beta, -30, 30)))
        gradient = columns.T @ (weight * (detected - p)) - _RIDGE * np.array([0.0, beta[1]])
        curvature = (columns * (weight * p * (1 - p))[:, None]).T @ columns
        curvature += np.diag([1e-9, _RIDGE])
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return float(beta[0] - beta[1] * centre), float(beta[1])
