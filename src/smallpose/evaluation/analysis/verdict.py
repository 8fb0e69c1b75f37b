"""The answer of a comparison in one sentence: which result is better, or that none can be named."""

from smallpose.evaluation.analysis.comparison import MIN_TEST_CLUSTERS, Comparison, Difference
from smallpose.evaluation.console_table import format_number

_SIGNIFICANCE = 0.05
_METRICS = {"AP_S": "people who are small", "AP": "people"}


def describe_verdicts(comparison: Comparison) -> dict[str, str]:
    """Describe each result against the first, in one sentence.

    The sentence is about AP_S of the first protocol, or about AP where too few images have small
    people for a test.
    """
    base, *others = comparison.evaluations
    counts = comparison.evaluations[base].match_counts
    unit = "videos" if any(counts.groups) else "images"
    clusters = f"{comparison.num_clusters:,} {unit}"
    return {
        other: _describe_difference(_choose_difference(comparison, other), clusters, unit)
        for other in others
    }


def _choose_difference(comparison: Comparison, other: str) -> Difference:
    protocol = next(iter(comparison.evaluations[other].protocols))
    by_name = {
        d.name: d
        for d in comparison.differences
        if d.other == other and d.protocol == protocol and d.name in _METRICS
    }
    return next((by_name[name] for name in _METRICS if by_name[name].p is not None), by_name["AP"])


def _describe_difference(one: Difference, clusters: str, unit: str) -> str:
    pair = f"{one.base} and {one.other}"
    if one.difference is None or one.p_holm is None:
        return (
            f"{pair} cannot be compared: only {one.clusters:,} {unit} have {_METRICS[one.name]} "
            f"who count, and {MIN_TEST_CLUSTERS} are needed"
        )
    if not one.error:
        return f"{pair} have the same {one.name} ({one.protocol}) on these {clusters}"
    size = format_number(abs(one.difference), 3)
    if one.p_holm < _SIGNIFICANCE:
        better, worse = (one.other, one.base) if one.difference > 0 else (one.base, one.other)
        return (
            f"{better} is better than {worse} by {size} {one.name} ({one.protocol}) on these "
            f"{clusters} ({_format_interval(one, one.difference > 0)}, "
            f"{_format_p_value(one.p_holm)})"
        )
    detectable = format_number(one.detectable, 3)
    difference = format_number(one.difference, 3, sign=True)
    return (
        f"{pair} cannot be told apart on these {clusters} (difference in {one.name} "
        f"({one.protocol}) {difference}, {_format_interval(one)}); a difference below {detectable} "
        f"{one.name} would not reliably have shown"
    )


def _format_interval(one: Difference, is_other_first: bool = True) -> str:
    """Format the interval of other minus base, or of base minus other."""
    if one.interval is None:
        return "no interval"
    ends = [one.interval.low, one.interval.high]
    if not is_other_first:
        ends = [-end for end in reversed(ends)]
    low, high = (format_number(end, 3, sign=True) for end in ends)
    return f"95 %: {low} to {high}"


def _format_p_value(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p = {format_number(value, 3)}"
