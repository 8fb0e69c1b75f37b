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

from study import advice, page, words  # noqa: E402


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
    one = words.get_main_set(content)
    for panel, sensor in zip(axes, ("clean", "camera"), strict=True):
        for line in panel.get_lines():
            curve = one["variants"][line.get_label()][sensor]
            assert np.allclose(line.get_ydata(), [100 * ap[0] for ap in curve["AP"]])


def test_a_changed_number_changes_the_text(content):
    other = copy.deepcopy(content)
    one = words.get_main_set(other)
    name = words.list_main_variants(other, one)[0]
    one["variants"][name]["camera"]["AP"][-1][0] += 0.05
    assert words.write_table(other) != words.write_table(content)


def make_set(difference: list[float]) -> dict:
    """Return a set of two models that differ so at 32 px."""
    row = {"a": "p", "b": "q", "sensor": "camera", "px": 32, "AP": difference}
    curve = {"px": [32], "AP": [[0.3, 0.2, 0.4]]}
    return {"variants": {"p": {"camera": curve}, "q": {"camera": curve}}, "differences": [row]}


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ([0.05, 0.02, 0.08], "the second is better at 32 px (by 5.0 AP)"),
        ([-0.05, -0.08, -0.02], "the first is better at 32 px (by 5.0 AP)"),
        ([0.05, -0.02, 0.12], "they cannot be told apart at 32 px"),
        ([0.05, None, None], "they cannot be told apart at 32 px"),
    ],
)
def test_a_verdict_needs_an_interval_without_0(difference, expected):
    assert words.describe_pair(make_set(difference), "p", "q", "camera") == expected


def test_the_best_model_names_those_that_cannot_be_told_from_it():
    one = make_set([0.05, -0.02, 0.12])
    one["variants"]["q"] = {"camera": {"px": [32], "AP": [[0.35, 0.2, 0.4]]}}
    assert words.find_best(one, ["p", "q"], "camera", 32) == ("q", ["p"])
    one["differences"][0]["AP"] = [0.05, 0.01, 0.12]
    assert words.find_best(one, ["p", "q"], "camera", 32) == ("q", [])


def test_the_answer_names_its_people_and_no_model_exceeds_what_it_says(content):
    text = words.write_answer(content)
    for one in content["sets"].values():
        assert words.name_people(one) in text
        names = words.list_main_variants(content, one)
        for sensor in ("clean", "camera"):
            limit = words.find_limit(one, names, sensor, 32)
            values = [100 * words.get_value(one, name, sensor, 32) for name in names]
            assert limit - 1 < max(values) <= limit


def test_advice_on_jpeg_names_the_highest_quality_that_costs():
    rows = [
        {"a": "clean", "b": f"jpeg{quality}", "sensor": "jpeg", "px": 32, "AP": ap}
        for quality, ap in ((95, [-0.01, -0.03, 0.01]), (80, [-0.1, -0.2, -0.05]))
    ]
    one = {"variants": {}, "differences": rows}
    text = advice.advise_on_jpeg({"sets": {"lsp": one}, "jpeg_model": "p"})
    assert "quality 80 and less costs AP at 32 px" in text
    assert "95: -1.0 (-3.0 to 1.0), not to be told from 0" in text.replace("+", "")
