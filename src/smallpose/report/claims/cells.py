"""Cells of the results tables as a source of numbers, and those that the paper prints."""

from collections.abc import Mapping, Sequence

from smallpose.core.interval import Interval
from smallpose.report.claims.claim import Assertion, Key, ResultSource
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.paper_values import Paper

# A key is (method, trained on, metric). "subset" is the mean over training sets of COCO's size that
# are drawn from the full one (Table 5). "B17" and "subset17" are scored on COCO's 17 joints, as A.
METHODS = tuple(method.name for method in paper_values.METHODS)
_UNFAIR_FACTOR = 10  # between learning rates


class CellSource(ResultSource):
    """Cells in points, of the paper or of our runs."""

    setting_labels: Mapping[str, str]

    def label(self, method: str) -> str:
        """Return the name of a method for readers."""
        return paper_values.format_method_label(method)

    def learning_rate(self, method: str, setting: str) -> float | None:
        """Return the learning rate that a cell was trained with."""
        raise NotImplementedError

    def describe(self, assertion: Assertion) -> tuple[str, str]:
        """Describe two cells in as few words as distinguish them, and give their numbers."""
        keys = get_keys(assertion)
        left, right = ((self.label(m), self.setting_labels.get(s, s), x) for m, s, x in keys)
        relation: str = assertion.relation
        if assertion.margin:
            words = {"above": "by {:g} above", "within": "within {:g} of"}
            relation = words[relation].format(assertion.margin)
        differing = [b for a, b in zip(left, right, strict=True) if a != b]
        values = [self.value(key) for key in keys]
        numbers = ["not known" if v is None else f"{v.value:.1f}" for v in values]
        return " ".join([*left, relation, *differing]), " against ".join(numbers)

    def list_caveats(self, assertions: Sequence[Assertion]) -> list[str]:
        """Name the two methods whose learning rates differ most, if they differ much."""
        pairs = [(1.0, "")]
        for left, right in map(get_keys, assertions):
            one, other = (self.learning_rate(key[0], key[1]) for key in (left, right))
            if left[0] != right[0] and one and other:
                names = self.label(left[0]), self.label(right[0])
                text = f"{one:g} ({names[0]}) against {other:g} ({names[1]})"
                pairs.append((max(one / other, other / one), text))
        factor, rates = max(pairs, key=lambda pair: pair[0])
        is_unfair = factor > _UNFAIR_FACTOR - 1e-6
        return [f"trained with different learning rates: {rates}"] if is_unfair else []


def get_keys(assertion: Assertion) -> tuple[Key, Key]:
    """Return both keys of an assertion about cells, which has no constants."""
    assert isinstance(assertion.right, tuple)
    return assertion.left, assertion.right


class PaperSource(CellSource):
    """The cells of Tables 2, 3 and 5, with the interval of rounding."""

    # The paper scores nothing but A on 17 joints.
    setting_labels: Mapping[str, str] = {
        "B17": "B",
        "subset": "subsets",
        "subset17": "subsets",
    }

    def __init__(self, paper: Paper) -> None:
        self.paper = paper

    def value(self, key: Key) -> Interval | None:
        """Return a printed cell: half a unit of the last digit either way."""
        method, setting, metric = key
        if setting.startswith("subset"):
            return self._average_subsets(metric)
        row = self.paper.rows.get((method, "B" if setting == "B17" else setting))
        value = None if row is None else row.metric(metric)
        return None if value is None else Interval.printed(f"{value:.1f}")

    def _average_subsets(self, metric: str) -> Interval | None:
        """Return the mean of Table 5's subsets; its ends are the means of their ends."""
        values = [row.metric(metric) for row in self.paper.subsets]
        printed = [Interval.printed(f"{value:.1f}") for value in values if value is not None]
        if not printed or len(printed) < len(values):
            return None
        return sum(printed[1:], start=printed[0]) * (1 / len(printed))

    def learning_rate(self, method: str, setting: str) -> float | None:
        """Return that of Sec. 5.5; of setting A, COCO's checkpoints, none is printed."""
        recipe = self.paper.recipes.get(method)
        return None if recipe is None or setting == "A" else recipe.learning_rate
