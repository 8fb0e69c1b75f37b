"""Breakdowns: groups are scored as if alone, joints counted right, scales without false zeros."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.binned_ap import (
    compute_binned_ap,
    measure_density,
    measure_height,
)
from smallpose.evaluation.analysis.breakdown import (
    count_per_image,
    evaluate_image_groups,
    label_crowding,
    label_sources,
    score_joints,
)
from smallpose.evaluation.analysis.breakdown_tables import BREAKDOWNS, build_breakdowns
from smallpose.evaluation.csv_latex import format_csv, format_latex, format_markdown

ALL = ("coco", "owned", "recall")


def test_a_group_of_images_scores_as_if_it_were_alone(crowded_dataset):
    for seed in range(12):
        dataset = crowded_dataset(seed, images=9, people=6)
        whole = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
        labels = ["abc"[i % 3] for i in range(9)]
        for label, part in evaluate_image_groups(whole, labels).items():
            ids = whole.match_counts.image_ids[[one == label for one in labels]]
            rows = np.flatnonzero(np.isin(dataset.truth.images.ids, ids))
            here = np.isin(dataset.predictions.image_ids, ids)
            found = replace(
                dataset.predictions,
                image_ids=dataset.predictions.image_ids[here],
                keypoints=dataset.predictions.keypoints[here],
                scores=dataset.predictions.scores[here],
                boxes_xywh=dataset.predictions.boxes_xywh[here],
            )
            alone = evaluate(dataset.truth.take_images(rows), found, protocols=ALL)
            assert part.protocols == alone.protocols
            assert part.people == alone.people


def test_an_image_without_a_source_has_its_peoples():
    images = make_images([4, 2, 9], ["a", "b", "c"], source=[0, 3, 0])
    truth = make_instances(
        COCO17, images, [0, 1], np.ones((2, 4)), np.ones((2, 17, 3)), source=[1, 3]
    )
    assert label_sources(truth) == ["aic", "coco", ""]


def test_crowding_has_crowdposes_levels_and_others_on_request():
    boxes = [(0, 0, 10, 10), (0, 0, 10, 10), (50, 50, 9, 9)]
    keypoints = np.zeros((3, 17, 3))
    keypoints[:2, :10] = (5, 5, 1)
    keypoints[2, :10] = (55, 55, 1)
    images = make_images([1, 2, 3], ["a", "b", "c"])
    truth = make_instances(COCO17, images, [0, 0, 1], boxes, keypoints)
    assert label_crowding(truth) == ["hard", "easy", ""]
    assert label_crowding(truth, (0.2, 2.0)) == ["medium", "easy", ""]


def lines(n=40, height=100):
    """One fully labelled person in each image, all joints hidden or seen, found perfectly."""
    boxes = np.tile([0.0, 0, 50, height], (n, 1))
    keypoints = np.zeros((n, 17, 3))
    keypoints[:, :, 0] = np.linspace(0, 50, 17)
    keypoints[:, :, 1] = np.linspace(0, height, 17)
    keypoints[:, :, 2] = np.where(np.arange(17) % 2, 1, 2)
    images = make_images(np.arange(1, n + 1), [str(i) for i in range(n)])
    truth = make_instances(COCO17, images, np.arange(n), boxes, keypoints)
    poses = keypoints.copy()
    return truth, make_predictions(COCO17, images.ids, poses, np.linspace(1, 0.5, n))


def test_a_joint_that_is_off_shows_in_its_own_line_only():
    truth, found = lines()
    wrist = COCO17.joints.index("left_wrist")
    found.keypoints[:10, wrist, 0] += 500
    joints = {j.name: j for j in score_joints(truth, found)}
    assert joints["left_wrist"].pck == joints["left_wrist"].similarity == 0.75
    assert {j.pck for name, j in joints.items() if name != "left_wrist"} == {1.0}
    assert joints["nose"].labelled == 40


def test_joints_are_told_apart_by_visibility():
    truth, found = lines()
    joints = {j.name: j for j in score_joints(truth, found, by_visibility=True)}
    assert (joints["nose, seen"].labelled, joints["nose, hidden"].labelled) == (40, 0)
    assert joints["nose, hidden"].pck is None
    assert joints["left_eye, hidden"].labelled == 40


def test_the_joints_of_a_missed_person_are_not_found():
    truth, found = lines()
    half = make_predictions(COCO17, found.image_ids[:20], found.keypoints[:20], found.scores[:20])
    assert {j.similarity for j in score_joints(truth, half)} == {0.5}


def test_per_image_counts_add_up(crowded_dataset):
    dataset = crowded_dataset(3, images=8, people=6)
    rows = count_per_image(
        evaluate(dataset.truth, dataset.predictions, protocols=("owned",), max_detections=None)
    )
    assert sum(r["people"] for r in rows) == int((dataset.truth.is_counted).sum())
    assert sum(r["found"] for r in rows) == len(dataset.predictions)
    assert all(r["right"] <= r["people"] and r["right"] + r["wrong"] <= r["found"] for r in rows)


def test_ap_along_a_scale_rises_where_the_skill_does_and_bins_are_equal():
    truth, found = lines(200)
    boxes = truth.boxes_xywh.copy()
    boxes[:, 3] = np.linspace(100, 140, 200)
    truth = replace(truth, boxes_xywh=boxes)
    wrong = np.arange(200) < 100
    found.keypoints[wrong, :, 0] += 40  # the shorter half is missed, each in his own box
    bins = compute_binned_ap(truth, found, measure_height(truth), num_bins=4, num_resamples=50)
    assert [b.people for b in bins] == [50] * 4
    assert [b.ap for b in bins] == pytest.approx([0, 0, 1, 1])
    assert all(b.interval.low <= b.ap <= b.interval.high + 1e-9 for b in bins)
    assert bins[0].low == 100
    assert bins[-1].high == 140


def test_equal_values_share_a_bin_and_nobody_gives_none():
    truth, found = lines()
    (only,) = compute_binned_ap(truth, found, measure_height(truth), num_bins=5)
    assert (only.people, only.ap) == (40, pytest.approx(1.0))
    assert compute_binned_ap(truth, found, np.full(40, np.nan)) == []


def test_density_is_known_of_small_people_only():
    truth, _ = lines(height=100)
    assert np.isfinite(measure_density(truth)).all()
    tall, _ = lines(height=400)
    assert np.isnan(measure_density(tall)).all()


def test_every_section_has_data_for_json_and_lines_to_read(crowded_dataset):
    dataset = crowded_dataset(4, 21, images=8, people=6)
    result = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
    made = build_breakdowns(
        BREAKDOWNS, dataset.truth, dataset.predictions, result, {"protocols": ALL}, num_resamples=20
    )
    assert list(made) == list(BREAKDOWNS)
    for data, text in made.values():
        json.dumps(data)
        assert text
    with pytest.raises(InputError, match="no such breakdown"):
        build_breakdowns(["colour"], dataset.truth, dataset.predictions, result, {})


def test_csv_markdown_and_latex_hold_the_same_numbers(crowded_dataset):
    dataset = crowded_dataset(4, images=8, people=6)
    result = evaluate(dataset.truth, dataset.predictions, protocols=("coco", "owned"), intervals=20)
    rows = list(csv.DictReader(io.StringIO(format_csv(result))))
    for row in rows:
        value = result[row["protocol"]][row["metric"]]
        assert row["value"] == ("" if value is None else repr(value))
    assert {(r["protocol"], r["metric"]) for r in rows} == {
        (p, n) for p in ("coco", "owned") for n in result[p]
    }
    cell = f"{100 * result['coco']['AP']:.1f}"
    assert f"| coco | {cell} (" in format_markdown(result)
    latex = format_latex(result)
    assert rf"coco & {cell} {{\scriptsize (" in latex
    assert latex.count(r"\\") == 4
    assert r"$AP^{S}_{De}$" in latex


def test_the_command_prints_writes_and_exports(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4, 21, images=8, people=6)
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(dataset.coco))
    dt.write_text(json.dumps(dataset.results))
    out = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "markdown", "latex", "json")}
    flags = [f for kind, path in out.items() for f in (f"--{kind}", str(path))]
    call = ["evaluate", str(gt), str(dt), "--protocol", "coco,owned", "--intervals", "20"]
    assert main([*call, "--breakdown", "source,joint", "--diagnose", *flags]) == 0
    printed = capsys.readouterr().out
    assert "what AP each kind of error costs" in printed
    assert "95 %" in printed
    data = json.loads(out["json"].read_text())
    assert {"protocols", "people", "settings", "intervals", "diagnosis", "joint"} <= set(data)
    whole = evaluate(dataset.truth, dataset.predictions, protocols=("coco", "owned"), intervals=20)
    assert data["protocols"] == whole.protocols
    assert out["csv"].read_text() == format_csv(whole)
    assert main(["evaluate", str(gt), str(dt), "--json", "-"]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert list(everything["protocols"]) == ["coco", "owned", "recall"]


def test_the_command_refuses_in_one_line(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4)
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(dataset.coco))
    dt.write_text(json.dumps(dataset.results)[:-40])
    for words in (
        ["evaluate", str(gt), str(dt)],
        ["evaluate", str(gt), str(tmp_path / "missing.json")],
        ["evaluate", str(gt), str(gt), "--protocol", "best"],
        ["compare", str(gt), str(dt)],
    ):
        assert main(words) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.strip().splitlines()) == 1


def test_compare_prints_every_pair_and_names_files_apart(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4, images=10, people=6)
    gt = tmp_path / "gt.json"
    gt.write_text(json.dumps(dataset.coco))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "found.json").write_text(json.dumps(dataset.results))
    files = [str(tmp_path / f / "found.json") for f in ("one", "two")]
    assert main(["compare", str(gt), *files, "--intervals", "20", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data["results"]) == files
    assert len(data["differences"]) == 14
    assert main(["compare", str(gt), files[0], files[0]]) == 2
