"""Models with different joints are scored on those that all of them have."""

import json
import shlex
import sys

import pytest
from test_study import run

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation.sigma_file import format_sigma_file
from smallpose.resolution.common_joints import describe_common_joints, find_common_joints

# All joints at their label, but for the joints of the head, which lie at the corner of the image.
MODEL = """
import json, os, sys
out, joints = sys.argv[1], sys.argv[2].split(",")
truth = json.load(open(os.path.join(sys.argv[3], "..", "truth.json")))
names = truth["categories"][0]["keypoints"]
records = []
for person in truth["annotations"]:
    if person["iscrowd"]:
        continue
    points = [person["keypoints"][3 * i : 3 * i + 3] for i in map(names.index, joints)]
    points = [[0, 0, 1] if name.split("_")[-1] in ("nose", "eye", "ear") else point
              for name, point in zip(joints, points)]
    records.append({"image_id": person["image_id"], "category_id": person["category_id"],
                    "score": 1.0, "bbox": person["bbox"], "keypoints": sum(points, [])})
json.dump({"keypoint_names": joints, "predictions": records}, open(out, "w"))
"""
HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
BODY = tuple(joint for joint in COCO17.joints if joint not in HEAD)


@pytest.fixture
def make_command(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)

    def make(name, joints):
        words = [sys.executable, str(path), "{out}", ",".join(joints), "{images}"]
        return f"{name}={shlex.join(words)}".replace("'{out}'", "{out}").replace(
            "'{images}'", "{images}"
        )

    return make


def measure(scenes, out, *commands):
    words = [word for command in commands for word in ("--command", command)]
    heights = ("--people", 12, "--heights", "32,64", "--sensor", "clean")
    assert run(scenes, out, *heights, *words) == 0
    return json.loads((out / "curve.json").read_text())


def test_a_model_without_a_head_gains_nothing_by_that(scenes, tmp_path, make_command):
    whole, body = make_command("whole", COCO17.joints), make_command("body", BODY)
    content = measure(scenes, tmp_path / "both", whole, body)
    points = {name: content["models"][name]["clean"]["heights"] for name in ("whole", "body")}
    assert points["whole"] == points["body"]
    assert all(abs(d["AP"]["value"]) == 0 for d in content["differences"])
    (note,) = [one for one in content["notes"] if one.startswith("The models have different")]
    assert "(whole 17, body 12)" in note and "on the 12 joints that all have" in note
    assert "left_wrist" in note and "nose" not in note
    # Alone, each is scored on all that it has, and the head of the first is wrong.
    alone = measure(scenes, tmp_path / "alone", whole)
    assert not any("different joints" in one for one in alone["notes"])
    oks = [
        one["models"]["whole"]["clean"]["heights"][1]["OKS"]["value"] for one in (alone, content)
    ]
    assert oks[0] < oks[1] - 0.1


def test_borrowed_sigmas_are_told_of_the_scored_joints(scenes, tmp_path, make_command):
    names = json.loads(scenes.truth_path.read_text())["categories"][0]["keypoints"]
    borrowed = dict.fromkeys(("nose", "left_wrist"), "COCO's")
    text = format_sigma_file([0.05] * len(names), names, borrowed)
    (tmp_path / "sigmas.json").write_text(text)
    words = ("--people", 12, "--heights", 64, "--sensor", "clean", "--sigmas")
    body = make_command("body", BODY)
    out = tmp_path / "out"
    assert run(scenes, out, *words, tmp_path / "sigmas.json", "--command", body) == 0
    notes = json.loads((out / "curve.json").read_text())["notes"]
    (note,) = [one for one in notes if "borrowed" in one]
    assert note.startswith("1 of 12 sigmas was not measured but borrowed (left_wrist); ")


def test_without_a_common_joint_models_are_refused():
    skeletons = {"a": COCO17.take([0, 1]), "b": COCO17.take([5, 6])}
    with pytest.raises(InputError, match="models a, b: have no labelled joint in common"):
        find_common_joints(skeletons, SMALLPOSE)
    same = {"a": COCO17, "b": COCO17}
    assert find_common_joints(same, SMALLPOSE) == ()
    assert describe_common_joints(same, ()) == ""
