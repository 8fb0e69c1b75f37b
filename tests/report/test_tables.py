"""Tables 1, 2, 3, 5: the paper's numbers in its order, ours beside them."""

import csv
import io
from collections.abc import Callable

import pytest

from smallpose.report import paper, tables
from smallpose.report.results import Run, read_run
from smallpose.report.tables import Column, Table
from smallpose.stats.counts import table1


@pytest.fixture(scope="session")
def runs(world) -> list[Run]:
    return [read_run(folder) for folder in world.runs.values()]


def test_the_papers_table_1_adds_up():
    sums = {name: split.people for name, split in paper.TABLE_1.items()}
    assert sums == {"train": 627_125, "test": 142_319, "total": 769_444}
    for k in range(3):
        train, test, total = (paper.TABLE_1[s].sizes[k] for s in ("train", "test", "total"))
        assert train + test == total


def test_all_eleven_methods_have_both_settings():
    names = [m.name for m in paper.METHODS]
    assert len(names) == 11
    assert set(paper.ROWS) == {(name, setting) for name in names for setting in "AB"}


def test_the_papers_arithmetic_on_these_numbers_comes_out():
    rows = paper.ROWS
    gap = rows["simple_baseline_r50", "B"].ap_s - rows["hrnet_w32", "B"].ap_s
    assert gap == pytest.approx(3.7)  # Sec. 6.2
    assert rows["rtmo_s", "B"].ap_s - rows["cid_hrnet_w32", "B"].ap_s == pytest.approx(5.7)
    coco, subsets, everything = paper.TABLE_5
    assert subsets.ap_s - coco.ap_s == pytest.approx(31.02)
    assert everything.ap_s - subsets.ap_s == pytest.approx(2.48)
    assert everything.ap - subsets.ap == pytest.approx(1.16)


@pytest.mark.parametrize(
    ("ours", "theirs", "shown"),
    [
        ("simple_baseline_r50", "simple_baseline_r50", "SimpleBaseline R50"),
        ("simple_baseline_r18_tiny", "simple_baseline_r50", "SimpleBaseline R18 tiny"),
        ("vitpose_s_rle", "vitpose_s_rle", "ViTPose-S-RLE"),
        ("vitpose_tiny", "vitpose_s", "ViTPose tiny"),
        ("vitpose_rle_tiny", "vitpose_s_rle", "ViTPose-S-RLE tiny"),
        ("hrnet_w32", "hrnet_w32", "HRNet W32"),
        ("cal_hrnet_w8_tiny", "cal_hrnet_w32", "CAL W8 tiny"),
        ("rtmo_l", "rtmo_s", "RTMO-l"),
        ("mine", None, "mine"),
    ],
)
def test_a_variant_stands_with_the_method_it_imitates(ours: str, theirs: str | None, shown: str):
    assert paper.family(ours) == theirs
    assert paper.label(ours) == shown


def test_tables_2_and_3_hold_the_papers_rows_in_its_order():
    rows = [*tables.table2([]).rows, *tables.table3([]).rows]
    assert [(r[0], r[3]) for r in rows] == [
        (paper.label(m.name), setting) for m in paper.METHODS for setting in ("A", "B")
    ]


def test_our_rows_follow_the_papers_row_of_the_same_setting(runs: list[Run]):
    table = tables.table2(runs)
    assert [(r[3], r[4]) for r in table.rows[:5]] == [
        ("A", "paper"),
        ("A", "ours · quick · 6 epochs · seed 0"),
        ("B", "paper"),
        ("B", "ours · untrained"),
        ("B", "ours · quick · 6 epochs · seed 0"),
    ]
    assert {0, 2} <= table.quiet
    assert not {1, 3, 4} & table.quiet


def test_the_main_table_has_the_columns_of_the_contract(runs: list[Run]):
    heads = [c.head for c in tables.results(runs).columns]
    assert heads[:10] == ["method", "setting", "AP", "AP_S", "AP_M", "AP_L", "Sp", "Mo", "De", "AR"]


def test_recall_is_not_printed_twice(runs: list[Run]):
    heads = [c.head for c in tables.results(runs, "recall").columns]
    assert heads[2:9] == ["R", "R_S", "R_M", "R_L", "Sp", "Mo", "De"]


def test_table_1_puts_ours_below_the_papers(world):
    table = tables.table1(table1(world.test, world.test))
    assert [row[:2] for row in table.rows] == [
        (split, who) for split in ("train", "test", "total") for who in ("paper", "ours")
    ]
    assert table.rows[5][3] == 2 * 30


def test_markdown_is_as_promised(runs: list[Run], golden: Callable[[str, str], None]):
    golden("report_results.md", tables.results(runs).to_markdown())
    golden("report_table2.md", tables.table2(runs).to_markdown())


def test_csv_reads_back(runs: list[Run]):
    table = tables.table2(runs)
    head, *rows = csv.reader(io.StringIO(table.to_csv()))
    assert head == [c.head for c in table.columns]
    assert len(rows) == len(table.rows)
    assert rows[0][5:7] == ["43.2", "32.4"]
    assert rows[0][7] == ""  # not known from the paper


def test_html_escapes_what_users_wrote():
    table = Table("t", "a < b", (Column("x"),), (("<script>",),))
    assert "<script>" not in table.to_html()
    assert "a &lt; b" in table.to_html()


def test_a_bar_in_a_cell_does_not_break_markdown():
    table = Table("t", "t", (Column("x"), Column("n", "count")), (("a|b", 1234),))
    assert "| a\\|b | 1,234 |" in table.to_markdown()
