"""Joints keep the names of the labels that a method was trained on, also where one is of the 21."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smallpose.cli.predict_outputs import print_joint_order
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SMALLPOSE, resolve_skeleton
from smallpose.evaluation.analysis.person_matches import match_people
from smallpose.evaluation.budget.tolerance import measure_people, parse_tolerance
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import write_coco
from smallpose.methods.checkpoints.read import skeleton_from_json, skeleton_to_json
from smallpose.methods.checkpoints.spelled_joints import recall_spelled_joints

OWN = resolve_skeleton(["left_cup", "right_cup", "neck"])


def test_checkpoints_and_onnx_files_remember_how_labels_spell_joints():
    assert OWN.joints[2] == "head_bottom"  # by which joints of two files are matched
    record = skeleton_to_json(OWN)
    assert skeleton_from_json(record).spelled_joints == ("left_cup", "right_cup", "neck")
    assert skeleton_from_json(record) == OWN
    assert "file_joints" not in skeleton_to_json(SMALLPOSE)


def test_predict_names_joints_as_the_labels_do(capsys):
    print_joint_order(OWN, is_named=True)
    assert "left_cup, right_cup, neck\n" in capsys.readouterr().err


def test_predict_says_where_other_joints_have_their_names(capsys):
    print_joint_order(OWN, is_named=False)
    assert "add --own-joints" in capsys.readouterr().err
    print_joint_order(OWN, is_named=False, image_list=Path("found.images.json"))
    message = " ".join(capsys.readouterr().err.split())
    assert "'smallpose evaluate' reads their names from found.images.json" in message
    print_joint_order(OWN, is_named=True, image_list=Path("found.images.json"))
    assert "images.json" not in capsys.readouterr().err


def test_weights_of_before_names_were_recorded_take_them_from_their_labels(tmp_path):
    """The record of a run names its set, whose labels begin with the names as they were."""
    old = replace(OWN, file_joints=())
    weights = tmp_path / "run" / "model.safetensors"
    weights.parent.mkdir()
    assert recall_spelled_joints(weights, old).spelled_joints == old.joints
    labels = tmp_path / "set" / "annotations" / "train.json"
    labels.parent.mkdir(parents=True)
    people = make_instances(OWN, make_images([], []), [], np.zeros((0, 4)), [])
    write_coco(people, labels)
    record = weights.with_name("result.json")
    record.write_text(json.dumps({"data": str(tmp_path / "set"), "seed": 0}))
    assert recall_spelled_joints(weights, old).spelled_joints == ("left_cup", "right_cup", "neck")
    # Labels of other joints, labels that are gone and broken records say nothing.
    other = replace(old, joints=("left_cup", "right_cup", "head_top"))
    assert recall_spelled_joints(weights, other) is other
    labels.write_text('{"categories":[{"keypoints"')
    assert recall_spelled_joints(weights, old) is old
    labels.unlink()
    assert recall_spelled_joints(weights, old) is old
    record.write_text("[")
    assert recall_spelled_joints(weights, old) is old


def test_messages_on_joints_name_them_as_the_labels_do():
    images = make_images([1], ["a.jpg"])
    points = np.ones((1, 3, 3))
    truth = make_instances(OWN, images, [0], [[0, 0, 9, 9]], points)
    two = OWN.take([0, 1])
    predictions = make_predictions(two, [1], points[:, :2], [0.5])
    matches = match_people(truth, predictions, sigmas=[0.1, 0.1])
    three = make_predictions(OWN, [1], points, [0.5])
    with pytest.raises(InputError, match=r"--joint neck: the predictions do not have it"):
        measure_people(truth, predictions, matches, 2, parse_tolerance("5px"))
    with pytest.raises(InputError, match=r"--joint left_cup: .*; use one of right_cup, neck$"):
        measure_people(truth, three.take_joints(OWN.joints[1:]), matches, 0, parse_tolerance("5px"))
    scored = evaluate(truth, predictions, sigmas=[0.1, 0.1])
    assert any("the truth has 1 more (neck)" in note for note in scored.notes)
