"""Results that name their joints are brought into the order of the truth by name."""

import json

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17, POSETRACK17, SMALLPOSE, Skeleton, map_joints
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import is_result_file, read_results

IMAGES = make_images(range(1, 9), [f"{i}.jpg" for i in range(1, 9)], [640] * 8, [480] * 8)


def make_people(skeleton):
    """Make people of all 21 joints, and keep those of the skeleton."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(10, 400, (8, 21, 3)).round(2)
    keypoints[:, :, 2] = 2
    boxes = np.tile([10.0, 10, 390, 390], (8, 1))
    keypoints = map_joints(keypoints, SMALLPOSE, skeleton)
    return make_instances(skeleton, IMAGES, range(8), boxes, keypoints)


def save_truth(tmp_path, skeleton):
    write_coco(make_people(skeleton), tmp_path / "truth.json")
    return read_coco(tmp_path / "truth.json")


def save_results(tmp_path, skeleton, names=None):
    """Write perfect results of the skeleton's joints; a plain list without names."""
    records = [
        {"image_id": i + 1, "category_id": 1, "keypoints": pose.ravel().tolist(), "score": 0.9}
        for i, pose in enumerate(make_people(skeleton).keypoints)
    ]
    content = records if names is None else {"keypoint_names": names, "predictions": records}
    (tmp_path / "results.json").write_text(json.dumps(content))
    return tmp_path / "results.json"


def reverse(skeleton):
    return Skeleton("reversed", skeleton.joints[::-1])


@pytest.mark.parametrize("spell", [str, str.upper, lambda name: name.replace("_", " ").title()])
def test_perfect_results_in_another_order_score_1_by_name(tmp_path, spell):
    truth = save_truth(tmp_path, reverse(COCO17))
    path = save_results(tmp_path, COCO17, [spell(name) for name in COCO17.joints])
    predictions = read_results(path, truth)
    assert np.array_equal(predictions.keypoints, truth.keypoints)
    assert predictions.skeleton == truth.skeleton
    assert predictions.notes == ()
    assert evaluate(truth, predictions)["coco"]["AP"] == pytest.approx(1)


def test_a_plain_list_is_in_the_order_of_the_truth(tmp_path):
    truth = save_truth(tmp_path, reverse(COCO17))
    plain = read_results(save_results(tmp_path, reverse(COCO17)), truth)
    assert evaluate(truth, plain)["coco"]["AP"] == pytest.approx(1)
    path = save_results(tmp_path, reverse(COCO17))
    path.write_text(json.dumps({"predictions": json.loads(path.read_text())}))
    assert np.array_equal(read_results(path, truth).keypoints, plain.keypoints)


def test_joints_that_the_truth_lacks_are_left_out_with_one_note(tmp_path):
    truth = save_truth(tmp_path, COCO17)
    predictions = read_results(save_results(tmp_path, SMALLPOSE, list(SMALLPOSE.joints)), truth)
    assert np.array_equal(predictions.keypoints, truth.keypoints)
    assert predictions.notes == (
        "joints of the results that the truth lacks are left out: head_top, head_bottom, chest, "
        "pelvis",
    )


def test_results_of_cocos_17_are_cocos_on_a_truth_of_more_joints(tmp_path):
    truth = save_truth(tmp_path, SMALLPOSE)
    names = list(COCO17.joints[::-1])
    predictions = read_results(save_results(tmp_path, reverse(COCO17), names), truth)
    assert predictions.skeleton == COCO17
    assert evaluate(truth, predictions).settings["keypoints"] == "coco17"
    assert evaluate(truth, predictions)["coco"]["AP"] == pytest.approx(1)


def test_posetracks_17_are_not_scored_as_cocos(tmp_path):
    truth = save_truth(tmp_path, COCO17)
    path = save_results(tmp_path, POSETRACK17, list(POSETRACK17.joints))
    result = evaluate(truth, read_results(path, truth))
    assert result.settings["keypoints"] == "15 joints of coco17"
    assert result["coco"]["AP"] == pytest.approx(1)
    assert (
        "scored on the 15 joints that the results have; the truth has 2 more (left_eye, right_eye)"
        in result.notes
    )


FAULTS = {
    "twice": (["nose"] * 17, "keypoint_names: names the joint 'nose' twice"),
    "none": ([], "keypoint_names: names no joint"),
    "foreign": ([f"k{i}" for i in range(17)], "the truth has none of these joints (k0, k1, k2,"),
    "count": (["nose", "left_eye"], "entry[0]: 51 keypoint values, 2 keypoints needs 6"),
}


@pytest.mark.parametrize(("names", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_names_that_do_not_fit_are_refused(tmp_path, names, message):
    truth = save_truth(tmp_path, COCO17)
    with pytest.raises(InputError) as caught:
        read_results(save_results(tmp_path, COCO17, names), truth)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plain_list_of_other_joints_is_refused_with_the_way_to_name_them(tmp_path):
    truth = save_truth(tmp_path, COCO17)
    with pytest.raises(InputError, match=r"name those of the results: .*keypoint_names"):
        read_results(save_results(tmp_path, SMALLPOSE), truth)


def test_a_file_with_names_is_a_result_file_and_an_annotation_file_is_none(tmp_path):
    save_truth(tmp_path, COCO17)
    assert is_result_file(save_results(tmp_path, COCO17, list(COCO17.joints)))
    assert is_result_file(save_results(tmp_path, COCO17))
    assert not is_result_file(tmp_path / "truth.json")


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    truth = save_truth(tmp_path, COCO17)
    path = save_results(tmp_path, COCO17, list(COCO17.joints))
    path.write_text(path.read_text().replace("{", '{"predictions": [], ', 1))
    with pytest.raises(InputError, match="key 'predictions' occurs twice"):
        read_results(path, truth)
