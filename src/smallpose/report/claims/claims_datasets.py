"""The paper's sentences about data sets, counted again on the files that are given.

Most of them the paper shows in figures without numbers, so that without files nothing can be told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.sizes import SMALL_BELOW
from smallpose.report.claims.claim import Cell, Claim, Finding, judged
from smallpose.report.claims.interval import Span, exact
from smallpose.report.inputs.paper_values import Paper
from smallpose.stats.counts import count_people
from smallpose.stats.crowding import crowd_index
from smallpose.stats.mean_interval import Estimate, estimate_mean, estimate_variance
from smallpose.stats.scene_entropy import SceneStatistics

OWN, COCO, CROWDPOSE = "smallpose", "coco", "crowdpose"
RIVALS = (COCO, CROWDPOSE)


@dataclass(frozen=True)
class Sets:
    """Data sets to count.

    Args:
        people: by name; `smallpose` (train and test in one table), `coco`, `crowdpose`.
        scenes: their scene entropies, likewise.
    """

    people: Mapping[str, Instances] = field(default_factory=dict)
    scenes: Mapping[str, SceneStatistics] = field(default_factory=dict)


def _span(estimate: Estimate) -> Span | None:
    ends = estimate.low, estimate.high
    return Span(estimate.value, *ends) if np.isfinite(ends).all() else None


def _higher(what: str, one: Estimate | None, other: Estimate | None) -> Cell:
    """Two independent numbers: their intervals add up like the sides of a right angle."""
    a, b = (None if e is None else _span(e) for e in (one, other))
    if a is None or b is None:
        return Cell(what, None, None, "not all of these sets are given")
    middle = a.value - b.value
    low = float(np.hypot(a.value - a.low, b.high - b.value))
    high = float(np.hypot(a.high - a.value, b.value - b.low))
    span = Span(middle, middle - low, middle + high)
    return Cell(what, span, span.above(0.0), f"{a.value:.3f} against {b.value:.3f}")


def _measured(sets: Sets, measure: Callable[[Instances], Estimate]) -> dict[str, Estimate]:
    return {name: measure(people) for name, people in sets.people.items()}


def _crowding(people: Instances) -> Estimate:
    return estimate_mean(crowd_index(people), people.images.groups)


def _company(people: Instances) -> NDArray[np.float64]:
    """(m,) people of each image; NaN for images without any."""
    number = np.bincount(people.image_rows[people.is_counted], minlength=len(people.images))
    return np.where(number > 0, number.astype(np.float64), np.nan)


def _width(people: Instances) -> Estimate:
    return estimate_variance(_company(people), people.images.groups)


def _dense_share(people: Instances) -> Estimate:
    small = np.flatnonzero(people.is_counted & (people.density_class >= 0))
    return estimate_mean(people.density_class[small] == 2, people.image_rows[small])


def _crowding_between(sets: Sets) -> Finding:
    is_ = _measured(sets, _crowding)
    own = is_.get(OWN)
    return judged(
        [
            _higher("mean CrowdIndex above COCO's", own, is_.get(COCO)),
            _higher("mean CrowdIndex below CrowdPose's", is_.get(CROWDPOSE), own),
        ]
    )


def _company_widest(sets: Sets) -> Finding:
    is_ = _measured(sets, _width)
    what = "variance of people per image above {}'s"
    return judged([_higher(what.format(n), is_.get(OWN), is_.get(n)) for n in RIVALS])


def _entropy(part: str) -> Callable[[Sets], Finding]:
    def check(sets: Sets) -> Finding:
        is_ = {name: getattr(scenes, part) for name, scenes in sets.scenes.items()}
        what = f"{part} of the scene entropy above {{}}'s"
        return judged([_higher(what.format(n), is_.get(OWN), is_.get(n)) for n in RIVALS])

    return check


def _nobody_tiny(sets: Sets) -> Finding:
    people = sets.people.get(CROWDPOSE)
    what = "CrowdPose's smallest box above 32×32 px²"
    if people is None or not people.is_counted.any():
        return judged([Cell(what, None, None, "CrowdPose is not given")])
    least = float(people.area[people.is_counted].min())
    number = int(people.is_counted.sum())
    span = exact(least - 32 * 32)
    return judged(
        [Cell(what, span, span.above(0.0), f"of {number:,} people the smallest has {least:,.0f}")]
    )


def _deficient_in_dense(sets: Sets) -> Finding:
    is_ = _measured(sets, _dense_share)
    cell = _higher(
        "dense share of small people above CrowdPose's", is_.get(OWN), is_.get(CROWDPOSE)
    )
    return judged([cell])


def _abstract(paper: Paper) -> Callable[[Sets], Finding]:
    def check(sets: Sets) -> Finding:
        people, text = sets.people.get(OWN), paper.text
        counts = None if people is None else count_people(people)
        cells = []
        for what, limit in (
            ("images", text.images_over),
            ("people", text.people_over),
            ("small", text.small_over),
        ):
            n = None
            if counts is not None:
                numbers = {"images": counts.images, "people": counts.people}
                n = exact({**numbers, "small": counts.sizes[0]}[what])
            span = None if n is None else n - exact(limit)
            holds = None if span is None else span.above(0.0)
            how = "the built set is not given" if n is None else f"{n.value:,.0f} in the built set"
            cells.append(Cell(f"{what} above {limit:,}", span, holds, how))
        return judged(cells)

    return check


def _coco_small(paper: Paper) -> Callable[[Sets], Finding]:
    """The share of COCO's people below 128 × 96 px², by box and by mask, against the printed."""

    def check(sets: Sets) -> Finding:
        people = sets.people.get(COCO)
        said = float(paper.text.coco_small_share)
        what = f"share of small people by box area is {said:g} %"
        if people is None:
            return judged([Cell(what, None, None, "COCO is not given")])
        shares = {
            rule: estimate_mean(area[known] < SMALL_BELOW, people.image_rows[known])
            for rule, area, known in (
                ("box", people.area, people.is_counted),
                ("mask", people.file_area, people.is_counted & np.isfinite(people.file_area)),
            )
        }
        how = "; ".join(f"by {rule} {100 * e.value:.1f} %" for rule, e in shares.items() if e.n)
        box = _span(shares["box"])
        if box is None:
            return judged([Cell(what, None, None, how)])
        off = box * 100 - exact(said)
        holds = False if off.low > 0 or off.high < 0 else None
        return judged([Cell(what, off, holds, f"{how}, of {shares['box'].n:,} people")])

    return check


def _claims(paper: Paper) -> list[tuple[Claim, Callable[[Sets], Finding]]]:
    return [
        (
            Claim(
                "D19",
                "abstract, Sec. 3.2",
                "The set holds as many images, people and small people as the abstract says",
                "counts of the built set",
            ),
            _abstract(paper),
        ),
        (
            Claim(
                "E8",
                "Sec. 3.1, 3.2",
                f"{paper.text.coco_small_share} % of COCO's people are small by their box",
                "COCO's file, by box (the paper's rule) and by the file's mask area",
            ),
            _coco_small(paper),
        ),
        (
            Claim(
                "C15",
                "Sec. 8.1",
                "Crowding lies above COCO's and below CrowdPose's",
                "mean CrowdIndex (Eq. 1) over images with people",
                "the supplement's highest scene complexity is another measure: C15E",
            ),
            _crowding_between,
        ),
        (
            Claim(
                "C15P",
                "Fig. 7",
                "People per image vary the most",
                "variance of people per image above COCO's and CrowdPose's",
            ),
            _company_widest,
        ),
        (
            Claim(
                "C15E",
                "Table 4",
                "Scene entropy is the highest",
                "mean entropy above COCO's and CrowdPose's",
            ),
            _entropy("mean"),
        ),
        (
            Claim(
                "E15",
                "Table 4, supplement",
                "The variance of the scene entropy is significantly above the others'",
                "variance of the entropy above COCO's and CrowdPose's",
            ),
            _entropy("variance"),
        ),
        (
            Claim(
                "S6",
                "Fig. 8b",
                "CrowdPose has nobody whose box is below 32×32 px²",
                "the smallest box of CrowdPose",
            ),
            _nobody_tiny,
        ),
        (
            Claim(
                "S7",
                "Fig. 8c",
                "CrowdPose lacks dense people",
                "the dense share of small people, here above CrowdPose's",
            ),
            _deficient_in_dense,
        ),
    ]


def of_sets(paper: Paper, sets: Sets) -> list[tuple[Claim, Finding]]:
    """Every sentence about data sets with what these files say of it."""
    return [(claim, check(sets)) for claim, check in _claims(paper)]
