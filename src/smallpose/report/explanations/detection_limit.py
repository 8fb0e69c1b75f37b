"""Show what COCO's limit of 20 detections per image costs in images of many people."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.evaluate import evaluate
from smallpose.report.explanations.explanation import Explanation, get_column
from smallpose.report.figures.style import SERIES, add_legend_above, apply_theme, create_axes

LIMIT = 20
MEAN_PEOPLE = 13.82  # per image of the paper's test set (Table 1)
MAX_PEOPLE = 80  # in an image of it (Fig. 7)
NUM_IMAGES = 2000
_COUNTS = (5, 10, 20, 21, 25, 30, 40, 60, 80)

Ints = NDArray[np.int64]


def explain_detection_limit(seed: int = 0) -> Explanation:
    """Score perfect poses in images of more and more people, and in simulated test sets."""
    rows: list[tuple[Cell, ...]] = []
    for count in _COUNTS:
        rows.append(_measure(f"one image of {count} people", np.array([count])))
    for name, draw in _HEAD_COUNTS.items():
        rows.append(_measure(name, _draw_counts(draw, np.random.default_rng(seed))))
    simulated = rows[len(_COUNTS) :]
    ceilings = [float(row[4]) for row in simulated if isinstance(row[4], float)]
    most_crowded = rows[len(_COUNTS) - 1]
    finding = (
        f"Perfect poses of {_COUNTS[-1]} people in one image score {most_crowded[3]:.1f} AP with "
        f"the limit and {most_crowded[5]:.1f} without; in test sets of {MEAN_PEOPLE} people per "
        f"image the limit alone keeps AR at {min(ceilings):.0f} to {max(ceilings):.0f}."
    )
    columns = (
        Column("perfect poses in", width=36),
        Column("people", "points", meaning="per image"),
        Column("counted", "points", meaning="share of people within the limit, %"),
        Column("AP", "points", meaning=f"with a limit of {LIMIT}"),
        Column("AR", "points", meaning=f"with a limit of {LIMIT}"),
        Column("unlimited", "points", meaning="AP without a limit"),
    )
    table = Table(
        name="detection_limit",
        title=f"Perfect poses under the limit of {LIMIT} detections per image",
        columns=columns,
        rows=tuple(rows),
        note="people: mean per image; counted: share within the limit, %; unlimited: AP without "
        f"it. Simulated sets: {NUM_IMAGES:,} images of 1 to {MAX_PEOPLE} people.",
    )
    return Explanation(table, lambda: _draw(rows[: len(_COUNTS)]), finding)


# How many people are in an image; each has about the mean of the paper's test set.
_HEAD_COUNTS: Mapping[str, Callable[[np.random.Generator], NDArray[Any]]] = {
    "sets of even numbers (Poisson)": lambda rng: rng.poisson(MEAN_PEOPLE, 4 * NUM_IMAGES),
    "sets of uneven numbers (geometric)": lambda rng: (
        1.0 * rng.geometric(1 / MEAN_PEOPLE, 4 * NUM_IMAGES)
    ),
    "sets with a few crowds (lognormal)": lambda rng: np.round(
        rng.lognormal(np.log(MEAN_PEOPLE) - 0.45, 1.2, 4 * NUM_IMAGES)
    ),
}


def _draw_counts(
    draw: Callable[[np.random.Generator], NDArray[Any]], rng: np.random.Generator
) -> Ints:
    """Draw the number of people of each image, from 1 to the most in the test set."""
    counts = draw(rng).astype(np.int64)
    return counts[(counts >= 1) & (counts <= MAX_PEOPLE)][:NUM_IMAGES]


def _measure(name: str, counts: Ints) -> tuple[Cell, ...]:
    """Score perfect poses in images of these numbers of people."""
    rows = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    rng = np.random.default_rng(0)
    keypoints = np.full((len(rows), len(COCO17), 3), 2.0)
    keypoints[:, :, :2] = 60 * rng.random((len(COCO17), 2))
    keypoints[:, :, 0] += 200 * places[:, None]
    boxes = np.tile([0.0, 0, 60, 60], (len(rows), 1))
    boxes[:, 0] = 200 * places
    images = make_images(np.arange(1, len(counts) + 1), [f"{i}.jpg" for i in range(len(counts))])
    truth = make_instances(COCO17, images, rows, boxes, keypoints)
    predictions = make_predictions(COCO17, images.ids[rows], keypoints, rng.random(len(rows)))
    limited, unlimited = (
        evaluate(truth, predictions, protocols=("coco",), max_detections=limit)["coco"]
        for limit in (LIMIT, None)
    )
    share = 100 * float(np.minimum(counts, LIMIT).sum() / counts.sum())
    ap, ar, all_ap = (
        100 * float(value or 0) for value in (limited["AP"], limited["AR"], unlimited["AP"])
    )
    return (name, float(counts.mean()), share, ap, ar, all_ap)


def _draw(rows: list[tuple[Cell, ...]]) -> Figure:
    """Draw AP of perfect poses against the number of people in the image."""
    figure, axes = create_axes(6.4, 3.6)
    people = get_column(rows, 1)
    for column, label, colour in (
        (3, f"limit of {LIMIT} (coco)", SERIES[0]),
        (5, "no limit (owned, recall)", SERIES[1]),
    ):
        axes.plot(people, get_column(rows, column), color=colour, marker="o", label=label)
    axes.axvline(MEAN_PEOPLE, ls="--", lw=1, color=SERIES[-1], label="mean of the paper's test set")
    axes.set_xlabel("people in the image, all with a perfect pose")
    axes.set_ylabel("AP, points")
    axes.set_ylim(0, 105)
    add_legend_above(axes)
    return apply_theme(figure)
