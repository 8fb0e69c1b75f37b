"""Planted errors are recovered, kind by kind and joint by joint, and correcting them raises AP."""

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_errors import couples, plant

from smallpose import evaluate
from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation.analysis.error_diagnosis import FIXES, diagnose
from smallpose.evaluation.analysis.person_rows import list_person_rows
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import write_results


@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE])
@pytest.mark.parametrize("kind", ["jitter", "inversion", "swap", "miss"])
def test_planted_errors_are_recovered_to_the_last_joint(kind, skeleton):
    truth, predictions = couples(skeleton=skeleton)
    joints = skeleton.joint_indices(["left_wrist", "right_knee", "left_hip"])
    plant(truth, predictions, kind, range(0, 60, 3), joints)
    result = diagnose(truth, predictions)
    errors = {name: n for name, n in result.joints["all"].items() if name != "good" and n}
    assert errors == {kind: 20 * 3}
    assert sum(result.joints["all"].values()) == 60 * len(skeleton)
    assert result.joints["large"] == result.joints["all"]
    best = max(FIXES, key=lambda fix: result.gains[fix]["AP"])
    assert best == kind
    assert result.base["AP"] + result.gains[kind]["AP"] == pytest.approx(1)


def test_joints_without_a_label_are_not_judged():
    labelled = np.arange(21) % 2 == 0
    truth, predictions = couples(labelled=labelled)
    plant(truth, predictions, "miss", range(60), np.flatnonzero(~labelled))
    result = diagnose(truth, predictions)
    assert result.joints["all"] == {
        "good": 60 * 11,
        "jitter": 0,
        "inversion": 0,
        "swap": 0,
        "miss": 0,
    }


def test_the_middle_of_the_body_cannot_be_inverted():
    truth, predictions = couples()
    plant(truth, predictions, "inversion", range(60), SMALLPOSE.joint_indices(["pelvis", "nose"]))
    assert diagnose(truth, predictions).joints["all"]["good"] == 60 * 21


def test_missed_people_and_background_are_counted_and_cost_ap():
    truth, predictions = couples()
    predictions.keypoints[10:20, :, :2] += (
        5000  # ten poses without a person, ten people without a pose
    )
    predictions.boxes_xywh[10:20, :2] += 5000
    predictions.scores[10:20] = 0.99
    result = diagnose(truth, predictions)
    assert result.background == 10
    assert result.people["all"] == {"all": 60, "met": 50, "missed": 10}
    assert result.gains["background"]["AP"] > 0.05
    assert result.gains["missed"]["AP"] > 0.05
    assert result.gains["jitter"]["AP"] == 0


@pytest.fixture
def crowds():
    """89 images of 30 people each, of whom 565 are not detected; the rest are, perfectly."""
    images, people, missed = 89, 30, 565
    n = images * people
    boxes = np.tile([0.0, 0, 40, 80], (n, 1))
    boxes[:, 0] = np.tile(100 * np.arange(people), images)
    keypoints = np.full((n, 17, 3), 2.0)
    keypoints[:, :, :2] = boxes[:, None, :2] + np.linspace(0, 40, 34).reshape(17, 2)
    rows = np.repeat(np.arange(images), people)
    named = make_images(np.arange(1, images + 1), [f"{i}.jpg" for i in range(images)])
    truth = make_instances(COCO17, named, rows, boxes, keypoints)
    order = np.argsort(np.random.default_rng(0).random(n) + n * (np.arange(n) % people))
    kept = np.sort(order[missed:])  # six or seven of each image are left out
    scores = np.random.default_rng(1).random(len(kept))
    predictions = make_predictions(COCO17, named.ids[rows[kept]], keypoints[kept], scores)
    return truth, predictions


@pytest.mark.parametrize("protocol", ["coco", "owned", "recall"])
def test_people_beyond_the_limit_of_coco_were_not_missed(protocol, crowds):
    """89 × 20 = 1,780 of 2,670 people can match under coco: 890 others, of whom 565 are missed."""
    result = diagnose(*crowds, protocol=protocol)
    beyond = 325 if protocol == "coco" else 0
    assert result.people["all"] == {"all": 2670, "met": 2670 - 565 - beyond, "missed": 565}
    assert result.beyond_limit["all"] == result.beyond_limit["small"] == beyond
    assert ("beyond the best 20" in str(result)) == (protocol == "coco")
    assert f"protocol {protocol}" in str(result)
    assert result.base["AP"] == evaluate(*crowds, protocols=(protocol,))[protocol]["AP"]


@pytest.mark.parametrize(("flags", "protocol"), [((), "coco"), (("--protocol", "owned"), "owned")])
def test_the_command_diagnoses_under_its_first_protocol(flags, protocol, crowds, tmp_path, capsys):
    truth, predictions = crowds
    write_coco(truth, tmp_path / "truth.json")
    write_results(predictions, tmp_path / "found.json")
    paths = [str(tmp_path / name) for name in ("truth.json", "found.json")]
    assert main(["evaluate", *paths, "--diagnose", "--json", "-", *flags]) == 0
    data = json.loads(capsys.readouterr().out)["diagnosis"]
    assert (data["protocol"], data["people"]["all"]["missed"]) == (protocol, 565)


def test_scores_in_the_wrong_order_cost_ap():
    truth, predictions = couples()
    plant(truth, predictions, "miss", range(30), range(12))
    predictions.scores[:] = np.where(np.arange(60) < 30, 0.9, 0.4)
    result = diagnose(truth, predictions)
    assert result.gains["score"]["AP"] > 0.2


def test_errors_are_counted_by_size_class():
    truth, predictions = couples(size=(60, 120))
    plant(truth, predictions, "jitter", range(0, 60, 2), [20])
    result = diagnose(truth, predictions, protocol="owned")
    assert result.joints["small"]["jitter"] == 30
    assert result.joints["large"]["jitter"] == 0
    assert result.gains["jitter"]["AP_L"] is None


def test_the_base_is_the_evaluation_and_the_diagnosis_prints_and_writes(crowded_dataset):
    for seed in range(8):
        dataset = crowded_dataset(seed, 21, images=4, people=6)
        result = diagnose(dataset.truth, dataset.predictions)
        complete = evaluate(dataset.truth, dataset.predictions)["coco"]
        assert {n: complete[n] for n in result.base} == result.base
        assert json.loads(result.to_json())["gains"].keys() == set(FIXES)
        assert "what AP each kind of error costs" in str(result)


def test_one_detection_without_a_person_is_singular():
    truth, predictions = couples()
    predictions.keypoints[:1, :, :2] += 5000
    assert "\n1 detection matches no person (OKS below 0.1)" in str(diagnose(truth, predictions))
    predictions.keypoints[:2, :, :2] += 5000
    assert "\n2 detections match no person (OKS below 0.1)" in str(diagnose(truth, predictions))


def test_the_order_of_records_is_no_part_of_a_diagnosis(crowded_dataset):
    dataset = crowded_dataset(4, 17, images=20, people=12)
    rng = np.random.default_rng(0)
    n = len(dataset.predictions)
    predictions = replace(dataset.predictions, scores=rng.permutation(n) / n)
    first = diagnose(dataset.truth, predictions, max_detections=6)
    other = diagnose(dataset.truth, predictions.take(rng.permutation(n)), max_detections=6)
    assert other.gains["score"] == pytest.approx(first.gains["score"], abs=1e-12)


def test_who_is_met_by_none_is_named_apart_from_who_is_left_without_a_match(tmp_path, capsys):
    """A poor detection of the first person, of the higher score, drives a good one to the second.

    Both were "missed", and the numbers of one file differed.
    """
    images = make_images([1], ["a.jpg"], [640], [480])
    rng = np.random.default_rng(0)
    first = np.concatenate([rng.uniform(100, 200, (17, 2)), np.full((17, 1), 2.0)], axis=1)
    people = np.stack([first, first + np.array([30, 0, 0])])
    boxes = [[95, 95, 110, 110], [125, 95, 110, 110]]
    truth = make_instances(COCO17, images, [0, 0], np.array(boxes, float), people)
    poses = np.stack([first - np.array([25, 0, 0]), first + np.array([9, 0, 0])])
    predictions = make_predictions(COCO17, [1, 1], poses, [0.9, 0.5])
    missed = list_person_rows(truth, {"a": predictions})["missed"]
    result = diagnose(truth, predictions)
    assert (missed, result.people["all"]["missed"]) == ([False, True], 0)
    write_coco(truth, tmp_path / "truth.json")
    write_results(predictions, tmp_path / "a.json")
    paths = [str(tmp_path / "truth.json"), str(tmp_path / "a.json")]
    assert main(["evaluate", *paths, "--diagnose", "--breakdown", "failures"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "people met by none 0 " in printed and "people missed" not in printed
    assert "missed: the person is met by no detection, as --diagnose counts; --people" in printed
    assert "people met by none: detections, by falling score, meet the person" in printed
