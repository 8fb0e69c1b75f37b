"""Show that the frequency of density classes alone makes columns like the paper's.

A detection without a person has no keypoint density, so under `coco` each unmatched small detection
is a false positive of every density class. A class of few people has the false positives of all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.core.density import DENSITIES
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.evaluate import evaluate
from smallpose.report.explanations.explanation import Explanation
from smallpose.report.figures.style import (
    DENSITY_COLOURS,
    add_legend_above,
    apply_theme,
    create_axes,
)
from smallpose.report.inputs import paper_values

# Shares of small people that the paper's AP_S column is the mean of its density columns with.
SHARES = {"sparse": 0.075, "moderate": 0.915, "dense": 0.01}
NUM_PEOPLE = 60_000
_RANKING = 1.75  # separation of scores by which two rows are near the paper's
# Width and height of the box, px, and number of labelled joints, which give the density class.
_LOOKS = {"sparse": (80, 120, 6), "moderate": (60, 100, 17), "dense": (25, 40, 17)}
_DENSE_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1 / 3)


@dataclass(frozen=True)
class Skill:
    """What a simulated model can do.

    Args:
        hit_rates: share of people of each density class who get a right pose.
        separation: how much higher scores of right poses are, in standard deviations.
    """

    hit_rates: Mapping[str, float]
    separation: float = 0.0


def explain_density_columns(seed: int = 0) -> Explanation:
    """Simulate models of equal skill on classes of unequal frequency."""
    equal = dict.fromkeys(DENSITIES, 0.68)
    models = {
        "hit rate .68 in all": Skill(equal, _RANKING),
        "hit rates .45, .70, .70": Skill({"sparse": 0.45, "moderate": 0.7, "dense": 0.7}, _RANKING),
        "hit rate .68 in all, useless scores": Skill(equal),
        "hit rate .68 in all, good scores": Skill(equal, 3.0),
    }
    counts = {name: round(share * NUM_PEOPLE) for name, share in SHARES.items()}
    rows: list[tuple[Cell, ...]] = []
    for name, skill in models.items():
        points = _measure(counts, skill, seed)
        rows.append((name, *points["coco"], *points["owned"]))
    printed = paper_values.ROWS["simple_baseline_r50", "B"]
    paper = (printed.sparse, printed.moderate, printed.dense)
    rows.append(("paper: SimpleBaseline, B", *paper, None, None, None))
    curve = {
        share: _measure(_divide_people(share), Skill(equal, _RANKING), seed)
        for share in _DENSE_SHARES
    }
    first = rows[0]
    finding = (
        f"A model that is equally good on all three classes scores {first[1]:.0f}, {first[2]:.0f} "
        f"and {first[3]:.0f} points under coco, and within {_spread(first[4:7]):.1f} points under "
        "owned."
    )
    columns = [
        Column(f"{protocol} {short}", "points", meaning=f"AP of {density} people")
        for protocol in ("coco", "owned")
        for density, short in zip(DENSITIES, ("Sp", "Mo", "De"), strict=True)
    ]
    table = Table(
        name="density_columns",
        title="Simulated models on small people of three densities",
        columns=(Column("simulated model", width=36), *columns),
        rows=tuple(rows),
        note=f"{NUM_PEOPLE:,} small people, {_format_shares()}. Sp, Mo, De: sparse, moderate and "
        "dense people.",
        muted_rows=frozenset({len(rows) - 1}),
    )
    return Explanation(table, lambda: _draw(curve), finding)


def _format_shares() -> str:
    return ", ".join(f"{100 * share:g} % {name}" for name, share in SHARES.items())


def _spread(values: tuple[Cell, ...]) -> float:
    known = [float(value) for value in values if isinstance(value, float)]
    return max(known) - min(known)


def _divide_people(dense_share: float) -> dict[str, int]:
    """Return counts with that share of dense people and the others in their usual proportion."""
    rest = (1 - dense_share) / (SHARES["sparse"] + SHARES["moderate"])
    shares = {name: share * rest for name, share in SHARES.items()} | {"dense": dense_share}
    return {name: round(share * NUM_PEOPLE) for name, share in shares.items()}


def _measure(counts: Mapping[str, int], skill: Skill, seed: int) -> dict[str, list[float]]:
    """Return the points of each density class by protocol."""
    truth, predictions = simulate(counts, skill, seed)
    result = evaluate(truth, predictions, protocols=("coco", "owned"))
    return {
        protocol: [100 * float(metrics[f"AP_S_{name}"] or 0) for name in DENSITIES]
        for protocol, metrics in result.protocols.items()
    }


def simulate(counts: Mapping[str, int], skill: Skill, seed: int) -> tuple[Instances, Predictions]:
    """Make one small person per image, and a right or a wrong pose in the same box.

    Args:
        counts: people of each density class.
    """
    rng = np.random.default_rng(seed)
    boxes = np.concatenate(
        [np.tile([0.0, 0, *_LOOKS[name][:2]], (count, 1)) for name, count in counts.items()]
    )
    num_labelled = np.repeat([_LOOKS[name][2] for name in counts], list(counts.values()))
    is_hit = np.concatenate([_spread_hits(n, skill.hit_rates[name]) for name, n in counts.items()])
    scores = rng.normal(skill.separation * is_hit, 1.0)
    n = len(boxes)
    steps = np.linspace(0.05, 0.95, len(COCO17))
    pose = np.stack([steps, (5 * steps) % 1], axis=1)
    keypoints = np.zeros((n, len(COCO17), 3))
    keypoints[:, :, :2] = pose * boxes[:, None, 2:]
    keypoints[:, :, 2] = 2 * (np.arange(len(COCO17)) < num_labelled[:, None])
    predicted = keypoints.copy()
    predicted[:, :, :2] = np.where(is_hit[:, None, None], pose, pose[::-1]) * boxes[:, None, 2:]
    images = make_images(np.arange(1, n + 1), [f"{i}.jpg" for i in range(n)])
    truth = make_instances(COCO17, images, np.arange(n), boxes, keypoints)
    return truth, make_predictions(COCO17, images.ids, predicted, scores)


def _spread_hits(count: int, rate: float) -> NDArray[np.bool_]:
    """Return (count,) hits, whose number is the rate to the nearest person, spread evenly."""
    return np.asarray(np.diff(np.floor(np.arange(count + 1) * rate + 0.5)) > 0)


def _draw(curve: Mapping[float, Mapping[str, list[float]]]) -> Figure:
    """Draw AP of dense people against how frequent they are, at equal skill."""
    figure, axes = create_axes(6.4, 3.6)
    dense = DENSITIES.index("dense")
    for protocol, line in (("coco", "solid"), ("owned", (0, (5, 1.6)))):
        values = [points[protocol][dense] for points in curve.values()]
        percent = [100 * share for share in curve]
        colour = DENSITY_COLOURS["dense"]
        axes.plot(percent, values, color=colour, ls=line, marker="o", label=protocol)
    axes.set_xscale("log")
    axes.set_xticks([100 * share for share in curve], [f"{100 * s:.3g}" for s in curve])
    axes.minorticks_off()
    axes.set_xlabel("dense people among small ones, %")
    axes.set_ylabel("AP of dense people, points")
    axes.set_ylim(0, 100)
    add_legend_above(axes)
    return apply_theme(figure)
