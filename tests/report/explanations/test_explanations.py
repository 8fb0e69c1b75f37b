"""Simulations behind the pages on density columns, the limit of detections and the bias of AP."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.evaluation.evaluate import evaluate
from smallpose.report.explanations import bootstrap_bias, density_columns, detection_limit
from smallpose.report.explanations.density_columns import Skill, simulate

CLASSES = ("sparse", "moderate", "dense")


def test_class_frequency_alone_makes_unequal_columns_and_owned_does_not(monkeypatch):
    monkeypatch.setattr(density_columns, "NUM_PEOPLE", 20_000)
    rows = {row[0]: row[1:] for row in density_columns.explain_density_columns(0).table.rows}
    equal = rows["hit rate .68 in all"]
    coco, owned = equal[:3], equal[3:]
    assert max(owned) - min(owned) <= 2
    assert coco[1] - coco[0] > 15 and coco[0] - coco[2] > 15
    # Hit rates that make the rest nearly those of SimpleBaseline in the paper.
    unequal = rows["hit rates .45, .70, .70"]
    paper = rows["paper: SimpleBaseline, B"]
    assert np.abs(np.subtract(unequal[:3], paper[:3])).max() < 10
    ranked = [rows[f"hit rate .68 in all, {kind} scores"][2] for kind in ("useless", "good")]
    assert ranked[1] - ranked[0] > 40  # of dense people, at equal skill


def test_simulated_people_are_in_their_classes_and_found_as_often_as_said():
    counts = dict(zip(CLASSES, (300, 2000, 150), strict=True))
    rates = dict(zip(CLASSES, (0.3, 0.5, 0.9), strict=True))
    truth, predictions = simulate(counts, Skill(rates, 1.0), seed=1)
    result = evaluate(truth, predictions, protocols=("recall",))
    for name in CLASSES:
        assert result.people[name] == counts[name]
        assert result["recall"][f"AP_S_{name}"] == pytest.approx(rates[name], abs=0.01)


def test_equally_frequent_classes_have_equal_columns_under_coco_too():
    counts = dict.fromkeys(CLASSES, 3000)
    truth, predictions = simulate(counts, Skill(dict.fromkeys(CLASSES, 0.6), 2.0), seed=0)
    metrics = evaluate(truth, predictions, protocols=("coco",))["coco"]
    values = [metrics[f"AP_S_{name}"] for name in CLASSES]
    assert max(values) - min(values) < 0.03


def test_the_limit_costs_what_counting_says():
    rows = detection_limit.explain_detection_limit(0).table.rows
    for name, people, counted, ap, ar, unlimited in rows:
        assert unlimited == pytest.approx(100)
        assert ar == pytest.approx(counted)
        if str(name).startswith("one image"):
            assert counted == pytest.approx(100 * min(people, 20) / people)
            # 101 recalls are read off; perfect precision up to the recall that is reached.
            assert ap == pytest.approx(100 * (np.floor(counted + 1e-9) + 1) / 101, abs=0.05) or (
                counted == 100
            )
        else:
            assert people == pytest.approx(detection_limit.MEAN_PEOPLE, rel=0.03)
    assert rows[8][3] == pytest.approx(100 * 26 / 101)  # 80 people: .257


def test_ap_of_few_images_is_too_high_and_of_their_resamples_once_more(monkeypatch):
    monkeypatch.setattr(bootstrap_bias, "SIZES", (10, 100))
    monkeypatch.setattr(bootstrap_bias, "NUM_RESAMPLED", 60)
    few, many = bootstrap_bias.explain_bootstrap_bias(0).table.rows
    assert 0.5 < few[2] < 1.7 and abs(many[2]) < 0.35
    assert 0.2 < few[3] < 0.9 and 0 < many[3] < 0.25


def test_claims_explain_prints_writes_and_refuses(tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "a.json"
    assert main(["claims", "--explain", "limit", "--out", str(out), "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "one image of 80 people" in printed and "score 25.7 AP with the limit" in printed
    assert {p.name for p in out.iterdir()} >= {"detection_limit.svg", "detection_limit.md"}
    content = json.loads(file.read_text())["limit"]
    assert content["rows"][8][0] == "one image of 80 people" and "25.7" in content["finding"]
    assert main(["claims", str(tmp_path), "--explain", "limit"]) == 2
    assert "takes no runs" in capsys.readouterr().err
