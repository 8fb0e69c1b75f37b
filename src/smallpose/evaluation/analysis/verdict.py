"""The answer of a comparison in one sentence: which result is better, or that none can be named."""

from dataclasses import dataclass

from smallpose.core.counts import choose_verb, format_count
from smallpose.evaluation.analysis.comparison import MIN_TEST_CLUSTERS, Comparison, Difference
from smallpose.evaluation.analysis.cut_scores import describe_cut_scores
from smallpose.evaluation.analysis.missing_images import describe_missing_images
from smallpose.evaluation.comparability import describe_mixed_boxes
from smallpose.evaluation.console_table import format_number
from smallpose.evaluation.doubts import describe_pair_doubt
from smallpose.evaluation.protocols import AP_NAMES
from smallpose.evaluation.scoring.cluster_units import format_units, name_unit

_SIGNIFICANCE = 0.05
_METRICS = {"AP_S": "people who are small", "AP": "people"}


@dataclass(frozen=True)
class _Pair:
    """The differences of one result from the first, under the first protocol.

    Args:
        small, everyone: of AP_S and of AP.
        others: of the other classes.
        clusters: how many images or videos there are, as in "these 30 images".
        unit: what the clusters are; see `cluster_units`.
        num_tests: the comparisons of the table, for which p-values are corrected.
    """

    small: Difference
    everyone: Difference
    others: tuple[Difference, ...]
    clusters: str
    unit: str
    num_tests: int


def describe_verdicts(comparison: Comparison) -> dict[str, str]:
    """Describe each result against the first, in one sentence.

    The sentence is about AP_S of the first protocol, and about AP of all people where that alone
    shows a difference, where it shows the opposite, or where too few images have small people for
    a test. What differs is decided by the p-values that are corrected over the table, as its stars.
    """
    _, *others = comparison.evaluations
    sentences = {}
    for other in others:
        doubt = describe_doubt_of(comparison, other)
        sentence = _describe_pair(_get_pair(comparison, other))
        sentences[other] = f"{sentence}; {doubt}" if doubt else sentence
    return sentences


def describe_doubt_of(comparison: Comparison, other: str) -> str:
    """Say why what is said of a result against the first may say little about the models."""
    pair = {
        name: comparison.evaluations[name] for name in (next(iter(comparison.evaluations)), other)
    }
    mixed_boxes = describe_mixed_boxes({name: one.settings for name, one in pair.items()})
    facts = comparison.score_facts
    cut = describe_cut_scores({name: facts[name] for name in pair})
    images = comparison.image_facts
    missing = describe_missing_images({name: images[name] for name in pair})
    notes = {
        name: [*one.notes, cut.get(name, ""), missing.get(name, "")] for name, one in pair.items()
    }
    return describe_pair_doubt(notes, mixed_boxes)


def _get_pair(comparison: Comparison, other: str) -> _Pair:
    evaluation = comparison.evaluations[other]
    protocol = next(iter(evaluation.protocols))
    by_name = {
        d.name: d
        for d in comparison.differences
        if d.other == other and d.protocol == protocol and d.name in AP_NAMES
    }
    unit = name_unit(evaluation.match_counts.groups)
    return _Pair(
        small=by_name.pop("AP_S"),
        everyone=by_name.pop("AP"),
        others=tuple(by_name.values()),
        clusters=f"{_choose_this(comparison.num_clusters)} "
        f"{format_units(comparison.num_clusters, unit)}",
        unit=unit,
        num_tests=sum(d.p is not None for d in comparison.differences),
    )


def _choose_this(count: int) -> str:
    return "this" if count == 1 else "these"


def _is_significant(one: Difference) -> bool:
    return one.p_holm is not None and one.p_holm < _SIGNIFICANCE


def _describe_pair(pair: _Pair) -> str:
    small, everyone = pair.small, pair.everyone
    if small.p is None:
        is_shown = _is_same(small) and not _is_significant(everyone)
        return _describe_headline(small if is_shown else everyone, pair)
    if not _is_significant(small) and _is_significant(everyone):
        return f"{_describe_better(everyone, pair)}; {_describe_untold_small(pair)}"
    sentence = _describe_headline(small, pair)
    is_opposite = (small.difference or 0.0) * (everyone.difference or 0.0) < 0
    if _is_significant(small) and _is_significant(everyone) and is_opposite:
        return f"{sentence}, but of all people {_describe_better(everyone, pair)}"
    differing = [d.name for d in pair.others if _is_significant(d)]
    if differing and not _is_significant(small):
        sentence += f"; they differ in {', '.join(differing)}, as the table shows"
    return sentence


def _describe_headline(one: Difference, pair: _Pair) -> str:
    names = f"{one.base} and {one.other}"
    if _is_same(one):
        value = format_number(one.base_value)
        return f"{names} have the same {one.name} ({one.protocol}), {value}, on {pair.clusters}"
    if one.difference is None or one.p_holm is None:
        return (
            f"{names} cannot be compared: only {format_units(one.clusters, pair.unit)} "
            f"{choose_verb(one.clusters, 'have')} {_METRICS[one.name]} who count, and "
            f"{MIN_TEST_CLUSTERS} are needed"
        )
    if _is_significant(one):
        return _describe_better(one, pair)
    difference = format_number(one.difference, 3, sign=True)
    return (
        f"{names} cannot be told apart on {pair.clusters} (difference in {one.name} "
        f"({one.protocol}) {difference}, "
        f"{_format_interval(one)}{_describe_correction(one, pair)}); {_describe_detectable(one)}"
    )


def _is_same(one: Difference) -> bool:
    """Return whether enough images show no difference at all."""
    return one.error == 0.0 and one.clusters >= MIN_TEST_CLUSTERS


def _describe_better(one: Difference, pair: _Pair) -> str:
    """Name the better of two results whose difference is significant."""
    is_other_first = (one.difference or 0.0) > 0
    better, worse = (one.other, one.base) if is_other_first else (one.base, one.other)
    size = format_number(abs(one.difference or 0.0), 3)
    return (
        f"{better} is better than {worse} by {size} {one.name} ({one.protocol}) on "
        f"{pair.clusters} ({_format_interval(one, is_other_first)}, "
        f"{_format_p_value(one.p_holm or 0.0)})"
    )


def _describe_untold_small(pair: _Pair) -> str:
    """Describe AP_S, which shows no difference, of two results that differ in AP."""
    small = pair.small
    is_other_first = (pair.everyone.difference or 0.0) > 0
    difference = (small.difference or 0.0) * (1 if is_other_first else -1)
    return (
        f"by small people alone they cannot be told apart (AP_S "
        f"{format_number(difference, 3, sign=True)}, {_format_interval(small, is_other_first)}"
        f"{_describe_correction(small, pair)}); {_describe_detectable(small)}"
    )


def _describe_correction(one: Difference, pair: _Pair) -> str:
    """Explain why a difference is not significant although its own interval excludes 0."""
    if one.interval is None or one.p_holm is None or one.interval.low <= 0 <= one.interval.high:
        return ""
    return (
        f" by itself, {_format_p_value(one.p_holm)} corrected for "
        f"{format_count(pair.num_tests, 'comparison')}"
    )


def _describe_detectable(one: Difference) -> str:
    detectable = format_number(one.detectable, 3)
    return f"a difference below {detectable} {one.name} would not reliably have shown"


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
