"""Which joints fail first, how good scores are, and one row per person: known answers."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from planted_errors import couples, plant

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.evaluation.analysis.breakdown import score_joints
from smallpose.evaluation.analysis.breakdown_tables import build_breakdowns
from smallpose.evaluation.analysis.error_diagnosis import KINDS, diagnose
from smallpose.evaluation.analysis.joint_failures import (
    judge_joints,
    rank_joints,
    tabulate_failures,
)
from smallpose.evaluation.analysis.person_rows import (
    check_people_path,
    list_person_rows,
    write_people,
)
from smallpose.evaluation.analysis.score_quality import (
    list_precision_curves,
    measure_calibration,
)
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import write_results


@pytest.fixture(scope="module")
def dataset(crowded_dataset):
    return crowded_dataset(5, images=40, people=8)


@pytest.mark.parametrize("kind", ["jitter", "inversion", "swap", "miss"])
def test_a_planted_error_is_the_commonest_of_its_joint(kind):
    truth, predictions = couples(size=(60, 120))  # small people
    joint = truth.skeleton.joints.index("left_wrist")
    plant(truth, predictions, kind, range(0, 60, 2), [joint])
    failures = tabulate_failures(judge_joints(truth, predictions, protocols=("owned",)))
    by_place = {(one.joint, one.size, one.visibility): one for one in failures}
    wrist = by_place["left_wrist", "small", "seen"]
    assert wrist.labelled == 60
    assert wrist.kinds[kind] == pytest.approx(0.5)
    assert wrist.kinds["good"] == pytest.approx(0.5)
    assert by_place["left_wrist", "large", "all"].pck is None
    assert by_place["right_knee", "small", "all"].kinds["good"] == 1
    if kind != "jitter":  # a jitter may be within a tenth of the box
        assert rank_joints(failures)[0] == "left_wrist"


def test_numbers_over_all_people_are_those_of_the_breakdown_by_joint(dataset):
    options = {"protocols": ("owned",)}
    failures = tabulate_failures(judge_joints(dataset.truth, dataset.predictions, **options))
    plain = score_joints(dataset.truth, dataset.predictions, **options)
    split = score_joints(dataset.truth, dataset.predictions, by_visibility=True, **options)
    of_all = [one for one in failures if one.size == "all"]
    every = {one.joint: one for one in of_all if one.visibility == "all"}
    for joint in plain:
        ours = every[joint.name]
        assert (ours.labelled, ours.pck, ours.similarity) == (
            joint.labelled,
            pytest.approx(joint.pck),
            pytest.approx(joint.similarity),
        )
    parts = {f"{one.joint}, {one.visibility}": one.pck for one in of_all}
    for joint in split:
        assert parts[joint.name] == (None if joint.pck is None else pytest.approx(joint.pck))


def test_shares_of_kinds_add_up_to_one_and_joints_of_missed_people_count(dataset):
    failures = tabulate_failures(judge_joints(dataset.truth, dataset.predictions))
    for one in failures:
        assert not one.kinds or sum(one.kinds.values()) == pytest.approx(1)
    nobody = dataset.predictions.take(np.arange(0))
    missed = tabulate_failures(judge_joints(dataset.truth, nobody))
    assert all(one.kinds == {} or one.kinds["missed"] == 1 for one in missed)


def test_calibrated_scores_have_no_error_and_wrong_ones_have():
    truth, predictions = couples(images=200)
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.05, 0.95, len(predictions))
    is_wrong = rng.random(len(predictions)) > chance
    predictions.keypoints[is_wrong, :, :2] += 5_000
    calibrated = measure_calibration(truth, replace(predictions, scores=chance), protocol="owned")
    reverse = measure_calibration(truth, replace(predictions, scores=1 - chance), protocol="owned")
    assert calibrated.error < 0.08
    assert reverse.error > 0.3
    assert sum(one.detections for one in calibrated.bins) == len(predictions)
    assert calibrated.bins[0].correct < 0.3 < 0.7 < calibrated.bins[-1].correct
    # Every right detection is perfect, so the best ranking has no false positive before it.
    share_right = 1 - is_wrong.mean()
    assert reverse.perfect_ap["AP"] == pytest.approx(share_right, abs=0.01)
    assert reverse.ap["AP"] < reverse.perfect_ap["AP"] - 0.1


def test_no_ranking_is_better_than_the_perfect_one(dataset):
    """Also not the diagnosis's, which leaves every person the prediction it meets first."""
    made = measure_calibration(dataset.truth, dataset.predictions, protocol="owned")
    diagnosis = diagnose(dataset.truth, dataset.predictions, protocol="owned")
    assert made.ap["AP"] == pytest.approx(diagnosis.base["AP"])
    assert made.perfect_ap["AP"] >= diagnosis.base["AP"] + diagnosis.gains["score"]["AP"]
    rng = np.random.default_rng(0)
    for _ in range(5):
        other = replace(dataset.predictions, scores=rng.random(len(dataset.predictions)))
        ap = evaluate(dataset.truth, other, protocols=("owned",))["owned"]["AP"]
        assert ap <= made.perfect_ap["AP"]


def test_scores_beyond_0_and_1_have_no_calibration_error(dataset):
    scores = 100 * dataset.predictions.scores
    made = measure_calibration(dataset.truth, replace(dataset.predictions, scores=scores))
    assert made.error is None and made.bins


def test_the_mean_of_a_precision_curve_is_the_ap_at_its_threshold(dataset):
    result = evaluate(dataset.truth, dataset.predictions, protocols=("coco", "recall"))
    curves = {(one.name, one.oks): one for one in list_precision_curves(result)}
    assert np.mean(curves["all", 0.5].precision) == pytest.approx(result["coco"]["AP50"])
    assert np.mean(curves["all", 0.75].precision) == pytest.approx(result["coco"]["AP75"])
    assert curves["all", 0.5].read_at(0.3) == curves["all", 0.5].precision[30]
    only_recall = evaluate(dataset.truth, dataset.predictions, protocols=("recall",))
    assert list_precision_curves(only_recall) == []


def test_a_row_per_person_and_model_says_what_the_evaluation_says(dataset):
    truth, predictions = dataset.truth, dataset.predictions
    rows = list_person_rows(truth, {"a": predictions, "b": predictions.take(np.arange(0))})
    num_counted = int(truth.is_counted.sum())
    assert {len(column) for column in rows.values()} == {2 * num_counted}
    assert rows["model"] == ["a"] * num_counted + ["b"] * num_counted
    recall = evaluate(truth, predictions, protocols=("recall",))["recall"]["AP50"]
    assert np.mean(rows["matched"][:num_counted]) == pytest.approx(recall)
    assert not any(rows["matched"][num_counted:]) and all(rows["missed"][num_counted:])
    matched = [i for i, is_matched in enumerate(rows["matched"]) if is_matched]
    assert all(rows["oks"][i] >= 0.5 and rows["score"][i] is not None for i in matched)
    kinds = np.array([rows[kind] for kind in KINDS]).sum(axis=0)
    for i in range(2 * num_counted):
        assert kinds[i] == (0 if rows["missed"][i] else rows["labelled"][i])
    small = [s == "small" for s in rows["size"][:num_counted]]
    densities = evaluate(truth, predictions).people
    sparse = [d == "sparse" for d in rows["density_class"][:num_counted]]
    assert sum(a and b for a, b in zip(small, sparse, strict=True)) == densities["sparse"]


def test_csv_and_parquet_have_the_same_rows(dataset, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = list_person_rows(dataset.truth, {"a": dataset.predictions})
    write_people(rows, tmp_path / "people.csv")
    write_people(rows, tmp_path / "people.parquet")
    with (tmp_path / "people.csv").open() as file:
        read = list(csv.DictReader(file))
    table = parquet.read_table(tmp_path / "people.parquet").to_pydict()
    assert table == rows
    assert [row["person_id"] for row in read] == [str(one) for one in rows["person_id"]]
    assert [float(row["oks"]) for row in read] == rows["oks"]


def test_another_kind_of_file_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match=r"end the name in \.csv or \.parquet"):
        check_people_path(tmp_path / "people.xlsx")


@pytest.fixture(scope="module")
def files(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("failures")
    write_coco(dataset.truth, folder / "truth.json")
    write_results(dataset.predictions, folder / "found.json")
    return folder


def test_evaluate_prints_and_writes_all_of_them(files, capsys):
    names = "densities,failures,calibration,curves"
    arguments = ["evaluate", str(files / "truth.json"), str(files / "found.json")]
    arguments += ["--breakdown", names, "--people", str(files / "people.csv")]
    assert main([*arguments, "--json", str(files / "out.json")]) == 0
    out = capsys.readouterr().out
    for words in ("AP if ranked by OKS", "precision-recall curves", "fails first", "of all sizes"):
        assert words in out.replace("\n", " ")
    content = json.loads((files / "out.json").read_text())
    assert set(names.split(",")) <= set(content)
    assert len(content["failures"]) == 17 * 4 * 3
    assert len(content["curves"][0]["precision"]) == 101
    assert (files / "people.csv").read_text().startswith("model,person_id,image_id,")


def test_breakdowns_of_results_without_people_are_told(dataset):
    nobody = replace(dataset.truth, num_keypoints=np.zeros_like(dataset.truth.num_keypoints))
    result = evaluate(nobody, dataset.predictions)
    names = ["densities", "failures", "calibration", "curves"]
    made = build_breakdowns(names, nobody, dataset.predictions, result, {})
    assert list(made) == names
    assert all(text for _, text in made.values())
