"""Tables 1 to 5 have the paper's numbers in its order, and ours beside them."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from smallpose.core.interval import Interval
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import METRICS, Run, read_run
from smallpose.report.inputs.scores import RunScore, SeedGroup
from smallpose.report.tables import paper_tables
from smallpose.report.tables.paper_tables import PRINTED
from smallpose.stats.counts import build_table1
from smallpose.stats.scene_entropy import summarize_scenes


@pytest.fixture(scope="session")
def runs(project) -> list[Run]:
    return [read_run(folder) for folder in project.runs.values()]


def test_the_papers_table_1_adds_up():
    sums = {name: split.people for name, split in paper_values.TABLE_1.items()}
    assert sums == {"train": 627_125, "test": 142_319, "total": 769_444}
    for k in range(3):
        train, test, total = (paper_values.TABLE_1[s].sizes[k] for s in ("train", "test", "total"))
        assert train + test == total


def test_all_eleven_methods_have_both_settings():
    names = [m.name for m in paper_values.METHODS]
    assert len(names) == 11
    assert set(paper_values.ROWS) == {(name, setting) for name in names for setting in "AB"}


def test_the_gains_in_the_text_are_differences_of_the_rows():
    rows = paper_values.ROWS
    gap = rows["simple_baseline_r50", "B"].ap_s - rows["hrnet_w32", "B"].ap_s
    assert gap == pytest.approx(3.7)  # Sec. 6.2
    assert rows["rtmo_s", "B"].ap_s - rows["cid_hrnet_w32", "B"].ap_s == pytest.approx(5.7)
    coco, subsets, everything = paper_values.TABLE_5
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
def test_a_variant_belongs_to_the_method_that_it_imitates(
    ours: str, theirs: str | None, shown: str
):
    assert paper_values.find_paper_method(ours) == theirs
    assert paper_values.format_method_label(ours) == shown


def test_tables_2_and_3_have_the_papers_rows_in_its_order():
    rows = [*paper_tables.build_table2([]).rows, *paper_tables.build_table3([]).rows]
    assert [(r[0], r[3]) for r in rows] == [
        (paper_values.format_method_label(m.name), setting)
        for m in paper_values.METHODS
        for setting in ("A", "B")
    ]


def test_our_rows_follow_the_papers_row_of_the_same_setting(runs: list[Run]):
    table = paper_tables.build_table2(runs)
    assert [(r[3], r[4]) for r in table.rows[:5]] == [
        ("A", "paper"),
        ("A", "ours · quick · 6 epochs · seed 0"),
        ("B", "paper"),
        ("B", "ours · untrained"),
        ("B", "ours · quick · 6 epochs · seed 0"),
    ]
    assert {0, 2} <= table.muted_rows
    assert not {1, 3, 4} & table.muted_rows


def test_a_run_with_a_number_of_steps_is_described_by_it(runs: list[Run]):
    run = replace(runs[0], epochs=2.31, steps=1200, recipe_fields={"steps": 1200})
    assert paper_tables.describe_run(run) == "ours · quick · 1,200 steps · seed 0"


def test_the_main_table_has_the_columns_of_the_contract(runs: list[Run]):
    heads = [c.head for c in paper_tables.build_results_table(runs).columns]
    assert heads[:10] == ["method", "setting", "AP", "AP_S", "AP_M", "AP_L", "Sp", "Mo", "De", "AR"]


def test_under_recall_ap_and_ar_are_one_column(runs: list[Run]):
    heads = [c.head for c in paper_tables.build_results_table(runs, "recall").columns]
    assert heads[2:9] == ["R", "R_S", "R_M", "R_L", "Sp", "Mo", "De"]


def test_table_1_has_our_row_below_the_papers(project):
    table = paper_tables.build_table1(build_table1(project.test, project.test))
    assert [row[:2] for row in table.rows] == [
        (split, source) for split in ("train", "test", "total") for source in ("paper", "ours")
    ]
    assert table.rows[5][3] == 2 * 30


def test_markdown_equals_the_golden_files(runs: list[Run], golden: Callable[[str, str], None]):
    golden("report_results.md", paper_tables.build_results_table(runs).to_markdown())
    golden("report_table2.md", paper_tables.build_table2(runs).to_markdown())


def test_csv_reads_back(runs: list[Run]):
    table = paper_tables.build_table2(runs)
    head, *rows = csv.reader(io.StringIO(table.to_csv()))
    assert head == [c.head for c in table.columns]
    assert len(rows) == len(table.rows)
    assert rows[0][5:7] == ["43.2", "32.4"]
    assert rows[0][7] == ""  # unknown


def create_group(values: list[float], spread: float = 2.0) -> SeedGroup:
    """Create runs of one method with these APs, and resamples around them."""
    rng = np.random.default_rng(0)
    base = create_run("simple_baseline_r50")
    scores = tuple(FakeScore(base, v, rng.normal(v, spread, 400) / 100) for v in values)
    return SeedGroup(tuple(base for _ in values), scores)  # type: ignore[arg-type]


class FakeScore(RunScore):
    """One AP with resamples around it."""

    def __init__(self, run: Run, value: float, draws: np.ndarray) -> None:
        names = dict.fromkeys(METRICS, value / 100)
        evaluation = SimpleNamespace(protocols=dict.fromkeys(("coco", "owned", "recall"), names))
        spread = {p: dict.fromkeys(METRICS, draws) for p in evaluation.protocols}
        super().__init__(run, evaluation, spread, 400)  # type: ignore[arg-type]


def create_run(method: str) -> Run:
    return Run(Path(method), method, "B", "quick", {}, 0, 1, 10, 1.0, 1.0, None, None, None, {}, {})


def test_intervals_are_beside_their_numbers_in_every_format():
    table = paper_tables.build_table2([create_group([60.0])])
    cell = next(c for row in table.rows for c in row if isinstance(c, Interval))
    assert cell.has_ends
    assert 55 < cell.low < 57 < cell.value < 63 < cell.high < 65
    assert f"60.0 ({cell.low:.1f}–{cell.high:.1f})" in table.to_markdown()
    assert f'data-value="60">60.0 <small>{cell.low:.1f}–' in table.to_html()
    assert rf"60.0 {{\scriptsize ({cell.low:.1f}--" in table.to_latex()
    head, *rows = csv.reader(io.StringIO(table.to_csv()))
    first = head.index("AP")
    assert head[first : first + 3] == ["AP", "AP_low", "AP_high"]
    ours = next(row for row in rows if row[4].startswith("ours"))
    assert [float(x) for x in ours[first : first + 3]] == pytest.approx(
        [cell.value, cell.low, cell.high], abs=1e-3
    )
    printed = rows[0]
    assert printed[first : first + 3] == ["43.2", "", ""]


def test_an_interval_of_two_distant_seeds_is_within_0_and_100():
    for values, limits in ([1.0, 3.0], (0, None)), ([97.0, 99.0], (None, 100)):
        mean = create_group(values, spread=0.1).measure("AP")
        assert mean is not None
        for end, limit in zip((mean.low, mean.high), limits, strict=True):
            assert limit is None or end == limit


def test_several_seeds_are_one_row_with_a_wider_interval():
    alike, apart = (
        paper_tables.build_table2([create_group(values)]).rows[2][5]
        for values in ([60.0] * 3, [55.0, 60.0, 65.0])
    )
    assert isinstance(alike, Interval)
    assert isinstance(apart, Interval)
    assert alike.value == apart.value == pytest.approx(60)
    assert apart.high - apart.low > 2 * (alike.high - alike.low)
    assert (
        paper_tables.build_table2([create_group([1.0, 2.0])]).rows[2][4]
        == "ours · quick · 1 epoch · 2 seeds"
    )


def test_tables_by_other_protocols_have_only_our_rows():
    tables = {t.name: t for t in paper_tables.build_other_protocols([create_group([60.0])])}
    assert list(tables) == ["table2_owned", "table5_owned", "table2_recall", "table5_recall"]
    assert all(PRINTED not in row for table in tables.values() for row in table.rows)
    assert [c.head for c in tables["table2_recall"].columns][5:7] == ["R", "R_S"]


def test_table_5_is_ordered_by_the_amount_of_training_data():
    a, b = create_run("simple_baseline_r50"), create_run("simple_baseline_r50")
    subset = replace(b, subset=1)
    table = paper_tables.build_table5(
        [
            replace(b, evaluation=EVALUATED),
            replace(subset, evaluation=EVALUATED),
            replace(a, setting="A", evaluation=EVALUATED),
        ]
    )
    assert [row[1] for row in table.rows[3:]] == [
        "the COCO part",
        "subsets",
        "the whole training set",
    ]


EVALUATED = {"protocols": {"coco": dict.fromkeys(METRICS, 0.5)}}


def test_table_4_has_means_and_variances_with_intervals():
    rows = np.full((50, 365), 1 / 365)
    rows[::2] = np.eye(365)[0]
    table = paper_tables.build_table4({"mine": summarize_scenes(rows)})
    mean, variance = table.rows[2][3:]
    assert isinstance(mean, Interval)
    assert isinstance(variance, Interval)
    assert mean.value == pytest.approx(np.log(365) / 2)
    assert variance.value == pytest.approx(np.log(365) ** 2 / 4 * 50 / 49)
    assert "5.900 nats" in table.note
