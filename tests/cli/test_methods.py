"""`smallpose methods --json` has the paper's numbers of the methods that the paper has."""

import json

import pytest

from smallpose.cli.benchmark import PAPER_METHODS
from smallpose.cli.main import main
from smallpose.cli.methods import _list_paper_numbers
from smallpose.report.inputs.paper_values import ROWS
from smallpose.report.inputs.runs import METRICS


def test_the_papers_methods_have_all_eight_numbers_of_both_settings():
    for name in PAPER_METHODS:
        numbers = _list_paper_numbers(name)
        assert {setting: list(row) for setting, row in numbers.items()} == {
            "A": list(METRICS),
            "B": list(METRICS),
        }
        assert numbers == {setting: ROWS[name, setting].to_dict() for setting in "AB"}


def test_other_sizes_and_variants_have_none():
    methods = pytest.importorskip("smallpose.methods").METHODS
    assert {name for name in methods if _list_paper_numbers(name)} == set(PAPER_METHODS)
    assert {"rtmo_m", "rtmo_l", "rtmo_tiny"} <= set(methods)


def test_json_has_the_numbers_of_the_right_method(capsys: pytest.CaptureFixture[str]):
    assert main(["methods", "--json", "-"]) == 0
    records = json.loads(capsys.readouterr().out)
    tiny, full = (records[name] for name in ("simple_baseline_r18_tiny", "simple_baseline_r50"))
    assert tiny["paper_ap"] == {}
    assert full["paper_ap"]["B"] == {
        "AP": 68.2,
        "AP_S": 65.9,
        "AP_M": 69.1,
        "AP_L": 79.7,
        "AP_S_sparse": 32.8,
        "AP_S_moderate": 69.4,
        "AP_S_dense": 26.0,
        "AR": 69.1,
    }
    others = {
        "hrnet_w48",
        "vitpose_b",
        "expected_oks_tiny",
        *(f"rtmpose_{size}" for size in ("t", "s", "m", "l", "tiny")),
    }
    assert {name for name, record in records.items() if not record["in_paper"]} == others
    halpe = [name for name in records["rtmpose_m"]["other_checkpoints"] if "halpe26" in name]
    assert len(halpe) == 1
    assert main(["methods"]) == 0
    text = capsys.readouterr().out
    assert text.count("not in the paper's tables") == len(others)
    assert f"--weights {halpe[0]}" in " ".join(text.split())
    assert "in the paper: A 43.2 AP, 32.4 AP_S; B 68.2 AP, 65.9 AP_S" in text
