"""Pairs of left and right joints are declared where names do not tell, and silence is no answer."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17, SKELETONS, Skeleton
from smallpose.evaluation.analysis.error_diagnosis import diagnose
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.joint_pairs import (
    describe_mirroring,
    parse_swap,
    set_pairs,
    set_pairs_of_people,
)

PAWS = Skeleton(
    "dog",
    ("nose", "left_ear", "right_ear", "near_paw", "far_paw", "tail"),
    custom_sigmas=(0.05,) * 6,
)


def test_joints_called_a_middle_are_no_question():
    joints = ("left_paw", "right_paw", "tail", "mid_hip", "spine_center", "middle_finger")
    assert "right: tail, middle_finger; if" in describe_mirroring(Skeleton("dog", joints))


def make_dogs(skeleton=PAWS):
    keypoints = np.random.default_rng(1).uniform(10, 90, (4, 6, 3))
    keypoints[..., 2] = 2
    images = make_images([1, 2, 3, 4], [f"{i}.jpg" for i in range(4)], [100] * 4, [100] * 4)
    boxes = np.tile([5.0, 5, 90, 90], (4, 1))
    return make_instances(skeleton, images, np.arange(4), boxes, keypoints)


def test_joints_that_stay_in_place_are_named_unless_they_are_known_or_declared():
    line = describe_mirroring(PAWS)
    assert "stay in place" in line and ": near_paw, far_paw, tail; " in line
    assert "--swap left:right" in line
    declared = set_pairs(PAWS, (("near_paw", "far_paw"), ("left_ear", "right_ear")))
    assert describe_mirroring(declared) == ""
    assert declared.flip_indices.tolist() == [0, 2, 1, 4, 3, 5]
    assert describe_mirroring(set_pairs(PAWS, ())) == ""
    assert not any(describe_mirroring(skeleton) for skeleton in SKELETONS.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("near_paw", r"--swap near_paw: is not a list of pairs of joints; write it as in"),
        ("a:b:c", "is not a list of pairs"),
        (
            "near_paw:wing",
            r"--swap: 'wing' is no joint of this skeleton; its joints are .*near_paw.*tail",
        ),
        ("tail:far_pew", r"--swap: 'far_pew' is no joint of this skeleton; did you mean 'far_paw"),
        ("tail:tail", "names no two of 6 joints"),
        ("tail:nose,nose:far_paw", "joint 'nose' is in two pairs under swap; keep one of them"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        set_pairs(PAWS, parse_swap(text))


def test_names_are_those_of_the_file():
    spelled = replace(COCO17, file_joints=tuple(name.upper() for name in COCO17.joints))
    for text in ("LEFT_EYE:RIGHT_EAR", "left_eye:right_ear"):
        assert set_pairs(spelled, parse_swap(text)).custom_pairs == ((1, 4),)


@pytest.mark.parametrize("swap", [[["near_paw", "far_paw"]], [[4, 5]]])
@pytest.mark.parametrize("form", ["fast", "slow"])
def test_a_category_declares_pairs_and_writing_keeps_them(tmp_path, swap, form):
    path = tmp_path / "t.json"
    write_coco(make_dogs(), path)
    content = json.loads(path.read_text())
    content["categories"][0]["swap"] = swap
    if form == "slow":
        content["annotations"][0]["extra"] = {"image_id": 3}
    path.write_text(json.dumps(content))
    people = read_coco(path)
    assert people.skeleton.flip_indices.tolist() == [0, 1, 2, 4, 3, 5]
    write_coco(people, path)
    assert read_coco(path).skeleton.custom_pairs == ((3, 4),)
    content["categories"][0]["swap"] = [[4, 9]]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"category person \(id 1\): the pair \[4, 9\] under swap"):
        read_coco(path)


def test_diagnosis_calls_exchanged_joints_an_inversion_once_they_are_declared():
    from smallpose.core.predictions import make_predictions

    people = make_dogs()
    keypoints = people.keypoints[:, [0, 1, 2, 4, 3, 5]]
    found = make_predictions(PAWS, [1, 2, 3, 4], keypoints, [0.9] * 4, people.boxes_xywh)
    sigmas = {"sigmas": PAWS.sigmas}
    declared = set_pairs_of_people(people, (("near_paw", "far_paw"),))
    counts = [
        diagnose(truth, found, **sigmas).to_dict()["joints"]["all"]["inversion"]
        for truth in (people, declared)
    ]
    assert counts[0] == 0 and counts[1] > 0
