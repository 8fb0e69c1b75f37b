"""The paper's numbers are those that it prints, and fit each other where they must."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smallpose.report.inputs import paper_values
from smallpose.report.inputs.paper_values import (
    METHODS,
    ROWS,
    TABLE_2_GROUPS,
    TABLE_3_GROUPS,
    TABLE_4,
    TABLE_5,
    ResultRow,
)
from smallpose.report.inputs.runs import METRICS
from smallpose.report.tables import paper_tables

PRINTED = Path(__file__).resolve().parents[4] / "shared" / "spec" / "printed_tables.json"
MAX_ENTROPY = math.log(365)  # nats; the classes of Places365


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    if not PRINTED.exists():
        pytest.skip("the printed tables are not beside the repository (../shared/spec)")
    return dict(json.loads(PRINTED.read_text()))


def test_the_columns_are_the_printed_ones_in_their_order(printed):
    assert printed["columns"] == list(METRICS) == list(ROWS["hrnet_w32", "A"].to_dict())


@pytest.mark.parametrize(
    ("number", "build"), [(2, paper_tables.build_table2), (3, paper_tables.build_table3)]
)
def test_tables_2_and_3_are_the_printed_ones_row_by_row(printed, number: int, build):
    expected = [
        (method, backbone, group, setting, *values)
        for group, rows in printed[f"table{number}"].items()
        for method, backbone, setting, values in rows
    ]
    rows = [(*row[:4], *row[5:]) for row in build([]).rows]
    assert rows == expected
    assert len(rows) == 14


def test_table_4_is_the_printed_one(printed):
    rows = [(row[0], *row[3:]) for row in paper_tables.build_table4({}).rows]
    assert rows == [tuple(row) for row in printed["table4"]["rows"]]


def test_table_5_is_the_printed_one_with_its_five_subsets(printed):
    rows = [(row[2], list(row[5:])) for row in paper_tables.build_table5([]).rows]
    assert rows == [(name, values) for name, values in printed["table5"]["rows"]]
    assert len(rows) == 7


def test_the_papers_table_1_adds_up():
    sums = {name: split.people for name, split in paper_values.TABLE_1.items()}
    assert sums == {"train": 627_125, "test": 142_319, "total": 769_444}
    for k in range(3):
        train, test, total = (paper_values.TABLE_1[s].sizes[k] for s in ("train", "test", "total"))
        assert train + test == total


def test_each_of_eleven_methods_has_both_settings_and_is_in_table_2_or_3():
    names = [m.name for m in METHODS]
    assert len(names) == len(set(names)) == 11
    assert set(ROWS) == {(name, setting) for name in names for setting in "AB"}
    in_2, in_3 = (
        [n for group in t.values() for n in group] for t in (TABLE_2_GROUPS, TABLE_3_GROUPS)
    )
    assert len(in_2) == len(set(in_2)) == len(in_3) == len(set(in_3)) == 7
    assert set(in_2) | set(in_3) == set(names)
    assert set(in_2) & set(in_3) == {"simple_baseline_r50", "hrnet_w32", "simcc_r50"}


def test_the_groups_of_table_2_are_the_methods_paradigms():
    paradigms = {m.name: m.paradigm for m in METHODS}
    for group, names in TABLE_2_GROUPS.items():
        assert {paradigms[name] for name in names} == {group}


def list_rows() -> Iterator[tuple[str, ResultRow]]:
    yield from ((f"{method} {setting}", row) for (method, setting), row in ROWS.items())
    yield from TABLE_5.items()


@pytest.mark.parametrize(("name", "row"), list(list_rows()))
def test_a_mean_is_between_its_parts_and_recall_above_precision(name: str, row: ResultRow):
    values = row.to_dict()
    ar = values.pop("AR")
    assert None not in values.values()
    assert all(0 <= value <= 100 for value in values.values())
    sizes = row.ap_s, row.ap_m, row.ap_l
    assert min(sizes) <= row.ap <= max(sizes)
    densities = row.sparse, row.moderate, row.dense
    # AP_S of DEKR in B is 20.1, and its highest density 20.0: equal up to rounding.
    assert min(densities) <= row.ap_s <= max(densities) + 0.1 + 1e-9
    assert (ar is None) == (name in TABLE_5)
    assert ar is None or ar > row.ap


def test_table_5_repeats_rows_of_table_2_without_recall():
    for trained_on, setting in paper_values.TABLE_5_SETTINGS.items():
        row = ROWS["simple_baseline_r50", setting].to_dict() | {"AR": None}
        assert TABLE_5[trained_on].to_dict() == row


def test_variances_of_table_4_are_possible_at_their_means():
    """The variance of values between 0 and c with mean m is at most m (c − m)."""
    for row in TABLE_4.values():
        assert 0 < row.mean < MAX_ENTROPY
        assert 0 < row.variance <= row.mean * (MAX_ENTROPY - row.mean)


def test_the_gains_in_the_text_are_differences_of_the_rows():
    def gain(one: str, other: str) -> float:
        return ROWS[one, "B"].ap_s - ROWS[other, "B"].ap_s

    assert gain("simple_baseline_r50", "hrnet_w32") == pytest.approx(3.7)  # Sec. 6.2
    assert gain("rtmo_s", "cid_hrnet_w32") == pytest.approx(5.7)
    subsets = paper_values.PRINTED.subsets
    assert len(subsets) == 5
    ap, ap_s = (sum(row.metric(m) for row in subsets) / 5 for m in ("AP", "AP_S"))
    assert ap_s - TABLE_5["COCO"].ap_s == pytest.approx(31.02)
    assert TABLE_5["SmallPose"].ap_s - ap_s == pytest.approx(2.48)
    assert TABLE_5["SmallPose"].ap - ap == pytest.approx(1.16)


@pytest.mark.parametrize(
    ("ours", "theirs", "shown"),
    [
        ("simple_baseline_r50", "simple_baseline_r50", "SimpleBaseline R50"),
        ("simple_baseline_r18_tiny", "simple_baseline_r50", "SimpleBaseline R18 tiny"),
        ("vitpose_s_rle", "vitpose_s_rle", "ViTPose-S-RLE"),
        ("vitpose_tiny", "vitpose_s", "ViTPose tiny"),
        ("vitpose_rle_tiny", "vitpose_s_rle", "ViTPose-S-RLE tiny"),
        ("hrnet_w32", "hrnet_w32", "HRNet W32"),
        ("cal_hrnet_w16_tiny", "cal_hrnet_w32", "CAL W16 tiny"),
        ("rtmo_l", "rtmo_s", "RTMO-l"),
        ("mine", None, "mine"),
        ("calmnet", None, "calmnet"),
        ("hrnet_mine", None, "hrnet_mine"),
        ("rtmpose_m", None, "RTMPose-m"),
        ("hrnet_w48", None, "HRNet-W48"),
        ("expected_oks_tiny", None, "Expected OKS (tiny)"),
    ],
)
def test_a_variant_belongs_to_the_method_that_it_imitates(
    ours: str, theirs: str | None, shown: str
):
    assert paper_values.find_paper_method(ours) == theirs
    assert paper_values.format_method_label(ours) == shown


def test_every_method_of_ours_but_four_belongs_to_one_of_the_paper():
    from smallpose.methods import METHODS

    others = {name for name in METHODS if paper_values.find_paper_method(name) is None}
    assert {name.rsplit("_", 1)[0] for name in others} == {
        "rtmpose",
        "hrnet",
        "vitpose",
        "expected_oks",
    }
    assert others >= {"hrnet_w48", "vitpose_b"} and len(others) == 8
