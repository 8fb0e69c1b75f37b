"""Where a claim's numbers come from: the paper's tables, or anything else with the same cells."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from smallpose.report.claims.interval import Span, printed
from smallpose.report.inputs.paper_values import Paper, format_method_label

# Method, what it was trained on, metric. "B17" is B scored on COCO's 17 joints as A is; "subset"
# is the mean of training sets of COCO's size drawn from the whole one (Table 5).
Key = tuple[str, str, str]
FAR_APART = 10  # learning rates that differ by this factor are no detail


class Board(Protocol):
    """Numbers by key, in points."""

    settings: Mapping[str, str]

    def number(self, key: Key) -> Span | None:
        """One cell; None where it is not known."""

    def difference(self, one: Key, other: Key, among: int = 1) -> Span | None:
        """The first minus the second, with the interval of the difference.

        Args:
            among: so many comparisons this is one of; a wider interval keeps the chance of a false
                alarm among them all at 5 %.
        """

    def label(self, method: str) -> str:
        """What a method is called."""

    def learning_rate(self, method: str, setting: str) -> float | None:
        """What a cell was trained with."""


def trained_unlike(board: Board, pairs: Iterable[tuple[Key, Key]]) -> list[str]:
    """The pair of methods compared whose learning rates are furthest apart, if they are far."""
    worst, words = 1.0, ""
    for one, other in pairs:
        rates = [board.learning_rate(method, setting) for method, setting, _ in (one, other)]
        if one[0] == other[0] or not rates[0] or not rates[1]:
            continue
        factor = max(rates[0] / rates[1], rates[1] / rates[0])
        if factor > worst:
            worst = factor
            words = (
                f"trained unlike: learning rate {rates[0]:g} ({board.label(one[0])}) against "
                f"{rates[1]:g} ({board.label(other[0])})"
            )
    return [words] if worst >= FAR_APART - 1e-6 else []


class PaperBoard:
    """The cells of Tables 2, 3 and 5; intervals are those of rounding alone."""

    settings: Mapping[str, str] = {"B17": "B", "subset": "subsets"}

    def __init__(self, numbers: Paper) -> None:
        self.paper = numbers

    def number(self, key: Key) -> Span | None:
        """As printed, half a unit of the last digit either way."""
        method, setting, metric = key
        if setting == "subset":
            value = self.paper.table5[1].metric(metric)
            if metric == "AP_L":
                low, high = map(printed, self.paper.text.subsets_ap_l)
                return Span((low.value + high.value) / 2, low.low, high.high)
            # The mean of five numbers of one decimal.
            return None if value is None else Span(value, value - 0.05, value + 0.05)
        row = self.paper.rows.get((method, "B" if setting == "B17" else setting))
        value = None if row is None else row.metric(metric)
        return None if value is None else printed(f"{value:.1f}")

    def difference(self, one: Key, other: Key, among: int = 1) -> Span | None:
        """Rounding can move both ends apart; how many are compared changes nothing."""
        a, b = self.number(one), self.number(other)
        return None if a is None or b is None else a - b

    def label(self, method: str) -> str:
        """As people read it."""
        return format_method_label(method)

    def learning_rate(self, method: str, setting: str) -> float | None:
        """Sec. 5.5's; that of setting A, COCO's checkpoints, is not printed."""
        recipe = self.paper.recipes.get(method)
        return None if recipe is None or setting == "A" else recipe.learning_rate
