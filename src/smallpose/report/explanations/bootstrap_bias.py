"""Show that AP of few images is too high, and that resamples of them are too high once more.

The precision at a recall is the highest precision at this recall or beyond, and the highest of
noisy values is above the true one. The fewer people, the more.
"""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.scoring.bootstrap import compute_interval, compute_weighted_ap
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.report.explanations.explanation import Explanation, get_column
from smallpose.report.figures.style import SERIES, add_legend_above, apply_theme, create_axes

NUM_IMAGES = 4000  # of the population, whose AP is the true one
SIZES = (10, 20, 50, 100, 200, 500)
NUM_SAMPLES = 4000
NUM_RESAMPLED = 400  # of the samples
NUM_RESAMPLES = 60

Weights = NDArray[np.uint16]
Floats = NDArray[np.float64]


def explain_bootstrap_bias(seed: int = 0) -> Explanation:
    """Draw samples of a population with a known AP, and resamples of each sample."""
    counts = _simulate_population(seed)
    rng = np.random.default_rng([seed, 1])
    true = float(compute_weighted_ap(counts, np.ones((1, NUM_IMAGES), dtype=np.uint16))[0])
    rows: list[tuple[Cell, ...]] = [_measure(counts, true, size, rng) for size in SIZES]
    few, many = rows[0], rows[len(rows) // 2]
    finding = (
        f"AP of {few[0]:.0f} images is {few[2]:.1f} points too high on average, and the mean of "
        f"their resamples {few[3]:.1f} more; with {many[0]:.0f} images it is {many[2]:.1f} and "
        f"{many[3]:.1f}."
    )
    columns = (
        Column("images", "count"),
        Column("mean AP", "points"),
        Column("bias", "number", meaning="mean AP of the samples less the true AP, points"),
        Column("second bias", "number", meaning="resamples less their sample, points"),
        Column("percentiles", "points", meaning="95 % intervals that contain the true AP, %"),
        Column("intervals", "points", meaning="of smallpose that contain the true AP, %"),
    )
    table = Table(
        name="bootstrap_bias",
        title=f"AP of samples of a population whose AP is {100 * true:.1f}",
        columns=columns,
        rows=tuple(rows),
        note=f"{NUM_SAMPLES:,} samples of each size, {NUM_RESAMPLES} resamples of {NUM_RESAMPLED} "
        "of them. bias: samples less the true AP; second bias: resamples less their sample; "
        "percentiles, intervals: share of 95 % intervals that contain the true AP, %.",
    )
    return Explanation(table, lambda: _draw(rows), finding)


def _simulate_population(seed: int) -> MatchCounts:
    """Make images of one to five people, poses of varying quality, and false positives."""
    rng = np.random.default_rng([seed, 0])
    rows = np.repeat(np.arange(NUM_IMAGES), rng.integers(1, 6, NUM_IMAGES))
    n = len(rows)
    place = np.arange(n) - np.searchsorted(rows, rows)
    keypoints = np.full((n, len(COCO17), 3), 2.0)
    keypoints[:, :, :2] = 60 * rng.random((n, len(COCO17), 2))
    keypoints[:, :, 0] += 300 * place[:, None]
    boxes = np.stack([300.0 * place, np.zeros(n), np.full(n, 60.0), np.full(n, 60.0)], axis=1)
    error = np.exp(rng.normal(-0.6, 0.6, n) + rng.normal(0, 0.4, NUM_IMAGES)[rows])
    spread = 120 * COCO17.sigmas * error[:, None]
    poses = keypoints.copy()
    poses[:, :, :2] += rng.normal(0, 1, (n, len(COCO17), 2)) * spread[:, :, None]
    is_false = rng.random(n) < 0.3
    strays = poses[is_false].copy()
    strays[:, :, 1] += 1000
    images = make_images(np.arange(1, NUM_IMAGES + 1), [f"{i}.jpg" for i in range(NUM_IMAGES)])
    truth = make_instances(COCO17, images, rows, boxes, keypoints)
    predictions = make_predictions(
        COCO17,
        images.ids[np.concatenate([rows, rows[is_false]])],
        np.concatenate([poses, strays]),
        np.concatenate([1 / (1 + error) + rng.normal(0, 0.1, n), rng.uniform(0, 0.8, len(strays))]),
    )
    return evaluate(truth, predictions, protocols=("coco",)).match_counts


def _measure(
    counts: MatchCounts, true: float, size: int, rng: np.random.Generator
) -> tuple[Cell, ...]:
    """Compare samples of a size with the true AP, and resamples with their sample, in points."""
    images = rng.integers(0, NUM_IMAGES, (NUM_SAMPLES, size))
    samples = compute_weighted_ap(counts, _count_images(images))
    excess = np.zeros(NUM_RESAMPLED)
    is_in_percentiles = np.zeros(NUM_RESAMPLED, dtype=bool)
    is_in_interval = np.zeros(NUM_RESAMPLED, dtype=bool)
    for index, ap in enumerate(samples[:NUM_RESAMPLED].tolist()):
        chosen = images[index]
        again = chosen[rng.integers(0, size, (NUM_RESAMPLES, size))]
        resamples = compute_weighted_ap(counts, _count_images(again))
        excess[index] = resamples.mean() - ap
        low, high = np.quantile(resamples, [0.025, 0.975])
        is_in_percentiles[index] = low <= true <= high
        interval = compute_interval(ap, resamples, size)
        is_in_interval[index] = interval is not None and interval.low <= true <= interval.high
    return (
        float(size),
        100 * float(samples.mean()),
        100 * float(samples.mean() - true),
        100 * float(excess.mean()),
        100 * float(is_in_percentiles.mean()),
        100 * float(is_in_interval.mean()),
    )


def _count_images(images: NDArray[np.int64]) -> Weights:
    """Return (b, m) how often each image of the population is in (b, size) drawn ones."""
    weights = np.zeros((len(images), NUM_IMAGES), dtype=np.uint16)
    for row, drawn in zip(weights, images, strict=True):
        np.add.at(row, drawn, 1)
    return weights


def _draw(rows: list[tuple[Cell, ...]]) -> Figure:
    """Draw both biases against the number of images."""
    figure, axes = create_axes(6.4, 3.6)
    sizes = get_column(rows, 0)
    for column, label, colour in (
        (2, "sample above the true AP", SERIES[0]),
        (3, "resamples above their sample", SERIES[1]),
    ):
        axes.plot(sizes, get_column(rows, column), color=colour, marker="o", label=label)
    axes.set_xscale("log")
    axes.set_xticks(list(SIZES), [str(size) for size in SIZES])
    axes.minorticks_off()
    axes.axhline(0, lw=1, color=SERIES[-1])
    axes.set_xlabel("images")
    axes.set_ylabel("AP too high by, points")
    add_legend_above(axes)
    return apply_theme(figure)
