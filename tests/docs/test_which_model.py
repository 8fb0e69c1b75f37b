"""The page of the study says what its numbers say: text, tables and figure follow from the JSON."""

import copy
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.append(str(ROOT / "bench"))

from study import advice, estimate, lookup, page, phrases, plan, words  # noqa: E402
from study.tables import write_table  # noqa: E402


@pytest.fixture(scope="module")
def content() -> dict:
    return json.loads((DOCS / "study.json").read_text())


def test_text_and_tables_of_the_page_follow_from_the_numbers(content):
    text = (DOCS / page.PAGE).read_text()
    assert page.replace_parts(text, page.build_parts(content)) == text


def test_the_figure_shows_the_numbers(content):
    figure = pytest.importorskip("study.figure")
    digest = figure.hash_numbers(content)
    assert f"<!-- numbers: {digest} -->" in (DOCS / "study.svg").read_text()
    axes = figure.draw_study(content).axes
    one = lookup.get_main_set(content)
    for panel, sensor in zip(axes, ("clean", "camera"), strict=True):
        for line in panel.get_lines():
            curve = one["variants"][line.get_label()][sensor]
            assert np.allclose(line.get_ydata(), [100 * ap[0] for ap in curve["AP"]])


def test_a_changed_number_changes_the_text(content):
    other = copy.deepcopy(content)
    one = lookup.get_main_set(other)
    name = lookup.list_main_variants(other, one)[0]
    one["variants"][name]["camera"]["AP"][-1][0] += 0.05
    assert write_table(other) != write_table(content)


def make_set(difference: list[float]) -> dict:
    """Return a set of two models that differ so at 32 px."""
    row = {"a": "p", "b": "q", "sensor": "camera", "px": 32, "AP": difference}
    curve = {"px": [32], "AP": [[0.3, 0.2, 0.4]]}
    return {"variants": {"p": {"camera": curve}, "q": {"camera": curve}}, "differences": [row]}


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (
            [0.05, 0.02, 0.08],
            "`q` is better than `p` through the camera model at 32 px (by 5.0 AP).",
        ),
        (
            [-0.05, -0.08, -0.02],
            "`p` is better than `q` through the camera model at 32 px (by 5.0 ",
        ),
        ([0.05, -0.02, 0.12], "`p` and `q` cannot be told apart at any height."),
        ([0.05, None, None], "`p` and `q` cannot be told apart at any height."),
    ],
)
def test_a_verdict_needs_an_interval_without_0(difference, expected):
    assert words.describe_pair(make_set(difference), "p", "q").startswith(expected)


def test_a_verdict_names_the_heights_that_it_is_true_of():
    one = make_set([0.05, 0.02, 0.08])
    one["differences"] += [
        {"a": "p", "b": "q", "sensor": "camera", "px": px, "AP": [ap, ap - 0.02, ap + 0.02]}
        for px, ap in ((48, 0.1), (64, 0.15), (128, 0.0))
    ]
    text = words.describe_pair(one, "p", "q")
    assert (
        "`q` is better than `p` through the camera model at 32 to 64 px (by 5.0 to 15.0 AP)" in text
    )
    assert text.endswith("; elsewhere they cannot be told apart.")


@pytest.mark.parametrize(
    ("heights", "text"),
    [([16], "16 px"), ([32, 16], "16 and 32 px"), ([16, 24, 32], "16 to 32 px")],
)
def test_neighbouring_heights_are_a_range(heights, text):
    assert phrases.join_px(heights, (16, 24, 32, 48)) == text
    assert phrases.join_px([16, 24, 48], (16, 24, 32, 48)) == "16, 24 and 48 px"


def test_the_best_model_names_those_that_cannot_be_told_from_it():
    one = make_set([0.05, -0.02, 0.12])
    one["variants"]["q"] = {"camera": {"px": [32], "AP": [[0.35, 0.2, 0.4]]}}
    assert lookup.find_best(one, ["p", "q"], "camera", 32) == ("q", ["p"])
    one["differences"][0]["AP"] = [0.05, 0.01, 0.12]
    assert lookup.find_best(one, ["p", "q"], "camera", 32) == ("q", [])


def test_the_answer_names_its_people_and_no_model_exceeds_what_it_says(content):
    text = words.write_answer(content)
    for one in content["sets"].values():
        assert phrases.name_people(one) in text
        names = lookup.list_main_variants(content, one)
        for sensor in ("clean", "camera"):
            limit = lookup.find_limit(one, names, sensor, 32)
            values = [100 * lookup.get_value(one, name, sensor, 32) for name in names]
            assert limit - 1 < max(values) <= limit


def test_advice_on_jpeg_names_the_highest_quality_that_costs():
    rows = [
        {"a": "clean", "b": f"jpeg{quality}", "sensor": "jpeg", "px": 32, "AP": ap}
        for quality, ap in ((95, [-0.01, -0.03, 0.01]), (80, [-0.1, -0.2, -0.05]))
    ]
    one = {"variants": {}, "differences": rows}
    text = advice.advise_on_jpeg({"sets": {"lsp": one}, "jpeg_model": "p"})
    assert "Avoid JPEG of quality 80 and less" in text
    assert (
        "-1.0 (-3.0 to +1.0), not to be told from 0, at 95 and -10.0 (-20.0 to -5.0) at 80" in text
    )


@pytest.mark.parametrize(
    ("ends", "title"),
    [
        ([[0.1, 0.05, 0.2], [0.1, -0.1, 0.2]], "Do"),
        ([[0.1, 0.05, 0.2], [-0.1, -0.2, -0.05]], "Doing"),
        ([[0.1, 0.05, 0.2], [0.1, -0.1, 0.2], [0.1, -0.1, 0.2]], "Doing"),
        ([[0.1, -0.1, 0.2]], "Doing"),
        ([], "Doing"),
    ],
)
def test_advice_needs_half_of_the_models_to_gain_and_none_to_lose(ends, title):
    effects = {str(row): one for row, one in enumerate(ends)}
    assert advice.choose_title(effects, "Do", "Doing") == title


def plan_of(*names: str, num_eligible: int = 5000) -> tuple[estimate.PlannedSet, ...]:
    heights = {"lsp": plan.LSP_HEIGHTS, "coco": plan.COCO_HEIGHTS}
    return tuple(estimate.PlannedSet(name, num_eligible, heights[name]) for name in names)


@pytest.mark.parametrize("name", ["lsp", "coco"])
def test_a_set_takes_under_two_hours_by_the_milliseconds_published(content, name):
    needs_boxes = {key: model["needs_boxes"] for key, model in content["models"].items()}
    ms = estimate.read_milliseconds(list(needs_boxes), DOCS / "none", DOCS / "study.json")
    assert ms.keys() == needs_boxes.keys() == set(plan.MODELS)
    lines = estimate.describe_plan(plan_of(name), needs_boxes, ms, 1000)
    assert int(lines[-1].split()[1]) < estimate.BUDGET_MINUTES
    both = estimate.describe_plan(plan_of("lsp", "coco"), needs_boxes, ms, 1000)
    assert both[-1].startswith("PEOPLE=") and "less than 120 min" in both[-1]


def test_minutes_are_people_times_images_times_milliseconds():
    rows = estimate.list_plan(plan_of("lsp"), {"posenet": False}, {"posenet": 60.0}, 1000)
    assert [(row.num_people, row.num_looks) for row in rows] == [(300, 12)]
    assert rows[0].minutes == pytest.approx(300 * 12 * 60 / 60_000)
    assert estimate.list_plan(plan_of("lsp"), {"posenet": False}, {}, 50)[0].num_people == 50


def test_a_row_of_fewer_people_says_so(content):
    other = copy.deepcopy(content)
    one = lookup.get_main_set(other)
    name = lookup.list_main_variants(other, one)[0]
    one["variants"][name]["people"] = 7
    assert f"| {name} (of 7 people) |" in write_table(other)
    assert f"7 for `{name}`" in words.write_answer(other)
