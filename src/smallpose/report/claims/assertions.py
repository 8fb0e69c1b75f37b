"""Groups of methods and metrics, and the assertions that claims make about them."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product

from smallpose.report.claims import printed_numbers as numbers
from smallpose.report.claims.cells import METHODS, CellSource
from smallpose.report.claims.claim import Assertion, Comparison, Key
from smallpose.report.claims.datasets import COCO, CROWDPOSE, OWN, SMALL_SHARE, DatasetSource
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.paper_values import Paper

SIZES = ("AP_S", "AP_M", "AP_L")
DENSITIES = SPARSE, MODERATE, DENSE = ("AP_S_sparse", "AP_S_moderate", "AP_S_dense")
BASE = paper_values.TABLE_5_METHOD
TOP_DOWN = tuple(m.name for m in paper_values.METHODS if m.paradigm == "top-down")
OTHERS = tuple(name for name in METHODS if name not in TOP_DOWN)
SINGLE_BRANCH = (BASE, "simcc_r50", "vitpose_s", "rle_r50", "vitpose_s_rle")
MULTI_BRANCH = ("hrnet_w32", "cal_hrnet_w32", "hrformer_s")
TRANSFORMERS = ("hrformer_s", "vitpose_s", "vitpose_s_rle")
# The same head on a transformer and on a convolutional backbone, of one branch and of many.
TRANSFORMER_PAIRS = (("vitpose_s", BASE), ("hrformer_s", "hrnet_w32"))
# Regression and heatmaps on the same backbone.
REGRESSION_PAIRS = (("rle_r50", BASE), ("vitpose_s_rle", "vitpose_s"))


def assert_above(left: Key, right: Key, margin: float = 0.0) -> Assertion:
    """Assert that one cell is above another."""
    return Assertion(left, "above", right, margin)


def assert_in_rows(*metrics: tuple[str, str]) -> list[Assertion]:
    """Assert in every row of both settings that the first of two metrics is above the second."""
    rows = product(METHODS, "AB", metrics)
    return [assert_above((method, s, one), (method, s, other)) for method, s, (one, other) in rows]


def assert_gains(methods: Iterable[str], metrics: Sequence[str]) -> list[Assertion]:
    """Assert that B is above A, scored on COCO's 17 joints where this is possible."""
    return [assert_above((name, "B17", m), (name, "A", m)) for name, m in product(methods, metrics)]


def assert_each_above(
    ones: Sequence[str], others: Iterable[str], metric: str = "AP_S", setting: str = "B"
) -> list[Assertion]:
    """Assert that each of some methods is above each of some others."""
    pairs = product(ones, others)
    return [assert_above((one, setting, metric), (other, setting, metric)) for one, other in pairs]


def assert_pairs(pairs: Iterable[tuple[str, str]], *metrics: str) -> list[Assertion]:
    """Assert that the first method of each pair is above the second, setting B."""
    return [
        assert_above((one, "B", m), (other, "B", m)) for (one, other), m in product(pairs, metrics)
    ]


def assert_best_transformer(source: CellSource) -> list[Assertion]:
    """Assert that the best transformer is above every convolutional top-down method."""
    rivals = [name for name in TOP_DOWN if name not in TRANSFORMERS]
    assertions = []
    for metric in (SPARSE, DENSE):
        values = {name: source.value((name, "B", metric)) for name in TRANSFORMERS}
        known = {name: value.value for name, value in values.items() if value is not None}
        best = max(known, key=lambda name: known[name], default="hrformer_s")
        assertions += assert_each_above([best], rivals, metric)
    return assertions


def assert_above_others(
    statistic: str, others: Sequence[str] = (COCO, CROWDPOSE)
) -> list[Assertion]:
    """Assert that our data set has more than others."""
    return [assert_above((OWN, statistic), (other, statistic)) for other in others]


def assert_totals(source: DatasetSource) -> list[Assertion]:
    """Assert that the built set has as many images and people as the abstract says."""
    text = source.paper.text
    limits = {
        "images": text.images_over,
        "people": text.people_over,
        "small people": text.small_over,
    }
    return [Assertion((OWN, what), "above", limit) for what, limit in limits.items()]


def assert_coco_share(source: DatasetSource) -> list[Assertion]:
    """Assert that the printed share of COCO's people is small by box area."""
    return [Assertion((COCO, SMALL_SHARE), "within", float(source.paper.text.coco_small_share))]


def check_gain(name: str, left: Key, right: Key) -> Callable[[Paper], Iterable[Comparison]]:
    """Assert that a gain in the text is the difference of two printed cells."""
    return partial(numbers.compare_gain, name, left, right)
