"""Tables 1 to 5 have the paper's numbers in its order, and ours beside them."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from smallpose.core.interval import Interval
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_results import read_results
from smallpose.report.inputs.runs import METRICS, Run, read_run
from smallpose.report.inputs.scores import (
    RunScore,
    SeedGroup,
    compute_difference,
    group_scores,
    score_run_on_both,
)
from smallpose.report.tables import paper_tables
from smallpose.report.tables.paper_tables import PRINTED
from smallpose.stats.counts import build_table1
from smallpose.stats.scene_entropy import summarize_scenes


@pytest.fixture(scope="session")
def runs(project) -> list[Run]:
    return [read_run(folder) for folder in project.runs.values()]


def test_our_rows_follow_the_papers_row_of_the_same_setting(runs: list[Run]):
    table = paper_tables.build_table2(runs)
    assert [(r[3], r[4]) for r in table.rows[:6]] == [
        ("A", "paper"),
        ("A", "ours · quick · 6 epochs · seed 0"),
        ("B", "paper"),
        ("B", "ours · untrained"),
        ("B", "ours · quick · 6 epochs · seed 0"),
        ("B17", "ours · quick · 6 epochs · seed 0"),
    ]
    assert {0, 2} <= table.muted_rows
    assert not {1, 3, 4} & table.muted_rows


def test_methods_that_the_paper_does_not_have_follow_its_rows(runs: list[Run]):
    table = paper_tables.build_table2([replace(runs[0], method="rtmpose_s")])
    *papers, other = table.rows
    assert {row[4] for row in papers} == {PRINTED}
    assert other[:3] == ("RTMPose-s", "", "top-down")


def test_a_run_with_a_number_of_steps_is_described_by_it(runs: list[Run]):
    run = replace(runs[0], epochs=2.31, steps=1200, recipe_fields={"steps": 1200})
    assert paper_tables.describe_run(run) == "ours · quick · 1,200 steps · seed 0"


def test_the_main_table_has_the_columns_of_the_contract(runs: list[Run]):
    heads = [c.head for c in paper_tables.build_results_table(runs).columns]
    metrics = ["AP", "AP_S", "AP_M", "AP_L", "Sp", "Mo", "De", "AR"]
    assert heads == ["run", "method", "setting", *metrics, "training"]


def test_under_recall_ap_and_ar_are_one_column(runs: list[Run]):
    heads = [c.head for c in paper_tables.build_results_table(runs, "recall").columns]
    assert heads[3:10] == ["R", "R_S", "R_M", "R_L", "Sp", "Mo", "De"]


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
    assert "" not in rows[0]
    assert rows[1][11] == ""  # no dense people


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

    def has_enough_people(self, name: str) -> bool:
        return True


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


def test_runs_of_many_detections_and_so_fewer_resamples_can_be_averaged_and_compared():
    rng, run = np.random.default_rng(0), create_run("simple_baseline_r50")
    scores = [
        FakeScore(run, value, rng.normal(value, 2, num_draws) / 100)
        for value, num_draws in ((60.0, 400), (58.0, 250))
    ]
    both = SeedGroup((run, run), tuple(scores)).measure("AP")
    one, other = (SeedGroup((run,), (score,)) for score in scores)
    difference = compute_difference(one, other, ("AP", "AP"), "coco")
    assert both is not None
    assert difference is not None
    assert both.value == pytest.approx(59)
    assert difference.value == pytest.approx(2)
    assert difference.has_ends


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
    assert list(tables) == [
        f"table{number}_{protocol}" for protocol in ("owned", "recall") for number in (2, 3, 5)
    ]
    assert all(PRINTED not in row for table in tables.values() for row in table.rows)
    assert [c.head for c in tables["table2_recall"].columns][5:7] == ["R", "R_S"]


def test_table_5_is_in_the_printed_order_and_each_row_names_its_joints():
    b = replace(create_run("simple_baseline_r50"), evaluation=EVALUATED, evaluation_on_17=EVALUATED)
    runs = [b, replace(b, subset=1), replace(b, setting="A")]
    table = paper_tables.build_table5(runs)
    assert [(row[2], row[3]) for row in table.rows] == [
        ("COCO", 17),
        ("SmallPose", 21),
        *((f"Subset{n}", 21) for n in range(1, 6)),
        ("COCO part", 17),
        ("full set", 21),
        ("full set", 17),
        ("subsets", 21),
        ("subsets", 17),
    ]
    assert table.muted_rows == set(range(7))


EVALUATED = {"protocols": {"coco": dict.fromkeys(METRICS, 0.5)}}


@pytest.fixture(scope="module")
def scored_runs(project) -> dict[int, RunScore]:
    runs = [read_run(project.runs[name]) for name in ("A", "B")]
    predictions = [read_results(run.predictions_path, project.test) for run in runs]
    return {
        n: score_run_on_both(run, project.test, predictions[n], num_resamples=50)
        for n, run in enumerate(runs)
    }


def test_b17_equals_the_evaluation_of_bs_result_file_on_the_17_joints(project, scored_runs):
    """Only this row compares with A, which predicts no other joints."""
    runs = [score.run for score in scored_runs.values()]
    groups = group_scores(runs, scored_runs)
    predictions = read_results(runs[1].predictions_path, project.test)
    on_17 = evaluate(project.test, predictions, keypoints="coco17")["coco"]
    on_21 = evaluate(project.test, predictions)["coco"]
    assert on_17["AP"] != on_21["AP"]
    for build, at in (
        (paper_tables.build_results_table, 2),
        (paper_tables.build_table2, 3),
        (paper_tables.build_table3, 3),
    ):
        table = build(groups)
        start = table.heads.index("AP")
        rows = {row[at]: row[start : start + 8] for row in table.rows if PRINTED not in row}
        assert list(rows) == ["A", "B", "B17"]
        for row, expected in ((rows["B"], on_21), (rows["B17"], on_17)):
            values = [cell.value if isinstance(cell, Interval) else cell for cell in row]
            assert values == [
                None if expected[m] is None else pytest.approx(100 * expected[m]) for m in METRICS
            ]
        assert "only B17 compares with A" in table.note


def test_b17_without_the_data_set_is_the_one_that_the_run_recorded(project, tmp_path: Path):
    result = json.loads((project.runs["B"] / "result.json").read_text()) | {"data": "gone"}
    result["B17"] = {"protocols": {"coco": dict.fromkeys(METRICS, 0.31)}}
    (tmp_path / "result.json").write_text(json.dumps(result))
    rows = paper_tables.build_table2([read_run(tmp_path)]).rows
    ours = {row[3]: row[5:] for row in rows if PRINTED not in row}
    assert [cell.value for cell in ours["B17"]] == pytest.approx([31.0] * 8)
    assert ours["B"][0].value == pytest.approx(43.0)


def test_results_of_setting_b_alone_have_no_second_row(scored_runs):
    groups = group_scores([scored_runs[1].run], {0: scored_runs[1]})
    assert [row[2] for row in paper_tables.build_results_table(groups).rows] == ["B"]


def test_table_4_has_means_and_variances_with_intervals():
    rows = np.full((50, 365), 1 / 365)
    rows[::2] = np.eye(365)[0]
    table = paper_tables.build_table4({"mine": summarize_scenes(rows)})
    assert [row[:2] for row in table.rows] == [
        ("CrowdPose", PRINTED),
        ("COCO", PRINTED),
        ("SmallPose", PRINTED),
        ("mine", "ours"),
    ]
    mean, variance = table.rows[3][3:]
    assert isinstance(mean, Interval)
    assert isinstance(variance, Interval)
    assert mean.value == pytest.approx(np.log(365) / 2)
    assert variance.value == pytest.approx(np.log(365) ** 2 / 4 * 50 / 49)
    assert "5.900 nats" in table.note
