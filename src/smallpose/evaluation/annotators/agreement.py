"""How well annotators agree, by person size and by source."""

from dataclasses import dataclass

import numpy as np

from smallpose.core.instances import SOURCES
from smallpose.core.interval import Interval
from smallpose.core.sizes import SIZES, classify_sizes
from smallpose.evaluation.annotators.match_annotators import Floats, RepeatedLabels
from smallpose.evaluation.annotators.spread import (
    MIN_PEOPLE,
    Mask,
    estimate_spread,
    measure_pairs,
    sum_squares,
)


@dataclass(frozen=True)
class Agreement:
    """How well annotators agree on a group of people.

    Args:
        relative: their spread divided by the sigmas of all people; 1 where they are alike.
        pixels: root mean square distance of a label from the joint, px.
        oks: mean OKS of two labels of a person, with the measured sigmas.
        only_some: share of joints that one annotator labelled and another did not.
    """

    people: int
    relative: Interval | None
    pixels: float | None
    oks: float | None
    only_some: float | None


def compare_groups(
    labels: RepeatedLabels, is_out: Mask, sigmas: Floats
) -> dict[str, dict[str, Agreement]]:
    """Measure the agreement on all people, by size class and by source.

    Args:
        sigmas: (k,) of all people.
    """
    size = classify_sizes(labels.box_area)
    groups: dict[str, dict[str, Mask]] = {
        "all": {"all": np.ones(len(labels), dtype=bool)},
        "size": {name: size == index for index, name in enumerate(SIZES)},
        "source": {
            SOURCES[source] or "unknown": labels.source == source
            for source in np.unique(labels.source).tolist()
        },
    }
    if list(groups["source"]) == ["unknown"]:
        del groups["source"]
    squares, degrees = sum_squares(labels, is_out)
    oks = _compute_label_oks(labels, sigmas)
    is_labelled = labels.is_labelled
    return {
        kind: {
            name: _measure_agreement(labels, rows, (squares, degrees), sigmas, oks, is_labelled)
            for name, rows in members.items()
        }
        for kind, members in groups.items()
    }


def _measure_agreement(
    labels: RepeatedLabels,
    rows: Mask,
    sums: tuple[Floats, Floats],
    sigmas: Floats,
    oks: Floats,
    is_labelled: Mask,
) -> Agreement:
    squares, degrees = (part[rows] for part in sums)
    relative = None
    pixels = None
    if int((degrees.sum(axis=1) > 0).sum()) >= MIN_PEOPLE:
        relative = estimate_spread(
            (squares / sigmas**2).sum(axis=1), degrees.sum(axis=1), labels.cluster[rows]
        )
        in_pixels = (squares * labels.area[rows, None]).sum() / degrees.sum()
        pixels = float(np.sqrt(in_pixels))
    has_person = is_labelled[rows].any(axis=2)  # (p, a)
    count = is_labelled[rows].sum(axis=1)
    is_any = count > 0
    is_some = is_any & (count < has_person.sum(axis=1)[:, None])
    return Agreement(
        people=int(rows.sum()),
        relative=relative,
        pixels=pixels,
        oks=float(np.nanmean(oks[rows])) if np.isfinite(oks[rows]).any() else None,
        only_some=float(is_some.sum() / is_any.sum()) if is_any.any() else None,
    )


def _compute_label_oks(labels: RepeatedLabels, sigmas: Floats) -> Floats:
    """Return (p,) mean OKS of each two labels of a person, outliers included; NaN without a joint.

    An outlier lowers the OKS of its person, as it lowers that of a result.
    """
    squared = measure_pairs(labels)
    similarity = np.exp(-squared / 2 / (2 * sigmas) ** 2)
    is_pair = np.isfinite(similarity)
    count = is_pair.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        oks = np.where(is_pair, similarity, 0).sum(axis=-1) / count
    is_known = count > 0
    total = np.where(is_known, oks, 0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.asarray(total / is_known.sum(axis=(1, 2)))
