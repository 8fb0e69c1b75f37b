"""Choose the best run, and rank the runs by it: highest AP on small people first."""

from collections.abc import Collection, Sequence

from smallpose.report.inputs.runs import Run, group_seeds


def rank_runs(runs: Sequence[Run], indices: Collection[int]) -> list[int]:
    """Rank runs by AP_S, then AP, in the mean over seeds; the untrained come last.

    Of runs that differ in nothing but their seed only the median one is listed: a favourable seed
    does not represent its method, and no method is compared with itself.

    Args:
        indices: of the runs to rank.
    Returns: indices, the best run first.
    """
    medians = []
    for group in group_seeds(runs):
        seeds = sorted(
            (n for n in group if n in indices),
            key=lambda n: _order_points(runs[n].metric("AP_S"), runs[n].metric("AP")),
        )
        medians += seeds[len(seeds) // 2 : len(seeds) // 2 + 1]

    def order(index: int) -> tuple[bool, float, float, int]:
        ap_small, ap = _order_points(
            compute_seed_mean(runs, index, "AP_S"), compute_seed_mean(runs, index, "AP")
        )
        return runs[index].is_untrained, -ap_small, -ap, index

    return sorted(medians, key=order)


def find_seeds(runs: Sequence[Run], index: int) -> list[int]:
    """Return a run and those that differ from it in nothing but their seed."""
    return next(group for group in group_seeds(runs) if index in group)


def compute_seed_mean(runs: Sequence[Run], index: int, metric: str) -> float | None:
    """Compute the points of a run in the mean over its seeds, as in the tables."""
    values = [runs[seed].metric(metric) for seed in find_seeds(runs, index)]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _order_points(ap_small: float | None, ap: float | None) -> tuple[float, float]:
    """Return points that can be sorted; unknown ones are below all others."""
    return ap_small if ap_small is not None else -1.0, ap if ap is not None else -1.0
