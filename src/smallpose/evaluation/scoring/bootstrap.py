"""How sure the numbers are: a bootstrap over images, or over videos where images have one.

People of one image, and images of one video, resemble each other; drawing whole clusters keeps
that. A draw is a weight per image, so that nothing is matched again.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.oks import TINY
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.scoring.precision_recall import RECALLS

Floats = NDArray[np.float64]
Weights = NDArray[np.uint16]
Interval = list[float] | None  # low and high end of 95 %
LEVEL = 0.95
_BATCH = 100  # draws at a time; bounds the memory
_SCARCE = 0.2  # share of draws without a single person from which on an interval says nothing


def index_clusters(groups: Sequence[str]) -> NDArray[np.intp]:
    """(m,) number of each image's cluster: its group, or itself where it has none.

    >>> clusters(["a", "", "a", ""]).tolist()
    [0, 1, 0, 2]
    """
    seen: dict[object, int] = {}
    keys = (group or row for row, group in enumerate(groups))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)


def count_clusters(groups: Sequence[str]) -> int:
    """How many clusters there are to draw from."""
    return int(index_clusters(groups).max(initial=-1)) + 1


def draw_weights(groups: Sequence[str], num_resamples: int, seed: int) -> Iterator[Weights]:
    """Batches of (b, m): how often each image was drawn; clusters with replacement."""
    cluster = index_clusters(groups)
    number = count_clusters(groups)
    rng = np.random.default_rng(seed)
    for start in range(0, num_resamples, _BATCH):
        size = min(_BATCH, num_resamples - start)
        times = np.zeros((size, max(number, 1)), dtype=np.uint16)
        for row in times:
            row += np.bincount(rng.integers(0, number, number), minlength=len(row)).astype(
                np.uint16
            )
        yield times[:, cluster]


def resample_curves(
    hit: NDArray[np.uint16],
    false: NDArray[np.uint16],
    image: NDArray[np.intp],
    weights: Weights,
    people: NDArray[np.int64],
    levels: int,
    recalls: Floats = RECALLS,
) -> tuple[Floats, Floats]:
    """Precision (b, t, r) and recall (b, t) of one class under each draw; -1 without people.

    Args:
        hit, false: (d,) by falling score; a bit per threshold.
        image: (d,) row of each detection's image.
        weights: (b, m) how often each image was drawn.
        people: (b,) of the class, weighted.
    """
    if native.CORE is not None:
        return native.resample(hit, false, image, weights, people, levels, recalls)
    precision = np.full((len(weights), levels, len(recalls)), -1.0)
    recall = np.full((len(weights), levels), -1.0)
    for b, weight in enumerate(weights.astype(np.int64)[:, image]):
        if people[b] == 0:
            continue
        for t in range(levels):
            true = np.flatnonzero(weight * ((hit >> t) & 1))
            tp = np.cumsum(weight[true])
            fp = np.cumsum(weight * ((false >> t) & 1))[true]
            value = tp / (fp.astype(float) + tp + TINY)
            falling = np.append(np.maximum.accumulate(value[::-1])[::-1], 0.0)
            precision[b, t] = falling[np.searchsorted(tp / people[b], recalls, side="left")]
            recall[b, t] = tp[-1] / people[b] if len(tp) else 0.0
    return precision, recall


def resample_metrics(
    match_counts: MatchCounts,
    protocols: Sequence[str],
    max_detections: int | None,
    num_resamples: int,
    seed: int = 0,
) -> dict[str, dict[str, Floats]]:
    """By protocol and name, (b,) values of every number under the same draws; NaN without people.

    Args:
        most: detections of an image that count under `coco`.
    Raises: InputError for fewer than two draws.
    """
    if num_resamples < 2:
        raise InputError(
            f"--intervals {num_resamples}", "too few draws", "give 1000, or 0 for none"
        )
    parts: dict[str, dict[str, list[Floats]]] = {p: {} for p in protocols}
    single = {50: 0.5, 75: 0.75}
    for weights in draw_weights(match_counts.groups, num_resamples, seed):
        people = weights.astype(np.int64) @ match_counts.people
        for protocol in protocols:
            for c, (_, suffix, _) in enumerate(CLASSES):
                if protocol == "recall":
                    found = weights.astype(np.float64) @ match_counts.met[:, c]
                    with np.errstate(invalid="ignore"):
                        at = recall = found / people[:, c, None]
                    ap = ar = recall.mean(axis=1)
                else:
                    order = match_counts.counting(max_detections if protocol == "coco" else None)
                    hit, false = match_counts.hit[c, order], match_counts.false[protocol][c, order]
                    alive = (hit | false) > 0
                    precision, recall = resample_curves(
                        hit[alive],
                        false[alive],
                        match_counts.image[order[alive]],
                        weights,
                        people[:, c].copy(),
                        len(match_counts.thresholds),
                    )
                    none = people[:, c] == 0
                    precision[none], recall[none] = np.nan, np.nan
                    at = precision.mean(axis=2)
                    ap, ar = at.mean(axis=1), recall.mean(axis=1)
                values = {f"AP{suffix}": ap, f"AR{suffix}": ar}
                if not suffix:
                    for percent, t in single.items():
                        column = at[:, match_counts.thresholds == t]
                        values[f"AP{percent}"] = column.mean(axis=1) if column.size else ap * np.nan
                for name, value in values.items():
                    parts[protocol].setdefault(name, []).append(value)
    return {p: {n: np.concatenate(v) for n, v in names.items()} for p, names in parts.items()}


def compute_interval(values: Floats, num_clusters: int, level: float = LEVEL) -> Interval:
    """Low and high end that hold the true value with probability `level`.

    The middle of the draws is a little narrow when there are few clusters; the tails are moved out
    as far as Student's t reaches beyond the normal curve (Hesterberg 2015, expanded percentiles).

    Args:
        values: (b,) of the draws; NaN where the class had nobody.
        number: of clusters that were drawn from.
    Returns: None where too many draws had nobody, or there are not two clusters.
    """
    there = values[np.isfinite(values)]
    if len(there) < (1 - _SCARCE) * len(values) or not len(there) or num_clusters < 2:
        return None
    from scipy.special import ndtr, stdtrit  # only here: loading it takes longer than a small file

    reach = np.sqrt(num_clusters / (num_clusters - 1)) * stdtrit(num_clusters - 1, (1 - level) / 2)
    tail = float(ndtr(reach))
    return [float(end) for end in np.quantile(there, [tail, 1 - tail])]


def compute_intervals(
    tally: MatchCounts, protocols: Sequence[str], most: int | None, draws: int, seed: int = 0
) -> dict[str, dict[str, Interval]]:
    """The 95 % interval of every number, by protocol and name."""
    values = resample_metrics(tally, protocols, most, draws, seed)
    number = count_clusters(tally.groups)
    return {
        p: {n: compute_interval(v, number) for n, v in names.items()} for p, names in values.items()
    }
