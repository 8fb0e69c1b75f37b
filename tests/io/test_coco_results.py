import json

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io.coco_results import read_results, write_results


@pytest.fixture
def truth():
    images = make_images([7], ["a.jpg"], [64], [48])
    return make_instances(COCO17, images, [0], [[1.5, 2, 30, 40]], np.full((1, 17, 3), 2.0))


def save(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    return path


def test_results_round_trip_with_and_without_boxes(tmp_path):
    images = make_images([3, 5], ["a.jpg", "b.jpg"])
    truth = make_instances(COCO17, images, [], [], [])
    rng = np.random.default_rng(0)
    boxes = np.array([[1.0, 2, 3, 4], [np.nan] * 4])
    predictions = make_predictions(COCO17, [3, 5], rng.random((2, 17, 3)), [0.25, -3.5], boxes)
    write_results(predictions, tmp_path / "found.json")
    copy = read_results(tmp_path / "found.json", truth)
    assert np.array_equal(copy.keypoints, predictions.keypoints)
    assert np.array_equal(copy.boxes_xywh, boxes, equal_nan=True)
    assert copy.scores.tolist() == [0.25, -3.5]
    assert copy.image_ids.tolist() == [3, 5]


def test_results_of_17_joints_fit_a_truth_of_21_that_has_them(tmp_path):
    images = make_images([3], ["a.jpg"])
    truth = make_instances(SMALLPOSE, images, [], [], [])
    path = save(tmp_path, [{"image_id": 3, "category_id": 1, "keypoints": [1] * 51, "score": 1}])
    assert read_results(path, truth).skeleton is COCO17


def make_result(**changes):
    return {"image_id": 7, "category_id": 1, "keypoints": [1.5] * 51, "score": 0.5} | changes


FAULTS = {
    "all of another category": (
        [make_result(category_id=0)] * 3,
        "all 3 results are of other categories, the first of 0; give people the truth's",
    ),
    "image of 65 bits": ([make_result(image_id=2**63)], "entry[0]"),
    "NaN score": ([make_result(), make_result(score=float("nan"))], "entry[1].score: nan"),
    "infinite point": ([make_result(keypoints=[float("inf")] * 51)], "entry[0].keypoints[0]: inf"),
    "unknown image": ([make_result(image_id=9)], "entry[0]: image 9 is not in the truth"),
    "other skeleton": ([make_result(keypoints=[1] * 30)], "entry[0]: 30 keypoint values"),
    "no score": ([{"image_id": 7, "keypoints": [1] * 51}], "entry[0]: Object missing"),
    "mixed skeletons": (
        [make_result(), make_result(keypoints=[1] * 48)],
        "entry[1]: 48 keypoint values",
    ),
    "not a list": ({"annotations": []}, "Expected array, got object"),
}


@pytest.mark.parametrize(("content", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_a_broken_result_is_refused_with_its_entry(tmp_path, truth, content, expected):
    path = save(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_results(path, truth)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_detections_in_one_image_are_refused(tmp_path, truth, monkeypatch):
    monkeypatch.setattr("smallpose.io.coco_results_slow.MAX_DETECTIONS_IN_IMAGE", 3)
    path = save(tmp_path, [make_result()] * 4)
    with pytest.raises(InputError, match="image 7: 4 detections in one image"):
        read_results(path, truth)


def test_any_finite_score_and_identical_detections_are_kept(tmp_path, truth):
    results = read_results(
        save(tmp_path, [make_result(score=472.5)] * 2 + [make_result(score=-1)]), truth
    )
    assert results.scores.tolist() == [472.5, 472.5, -1.0]


def test_an_empty_list_gives_an_empty_table(tmp_path, truth):
    assert len(read_results(save(tmp_path, []), truth)) == 0


def test_a_category_id_and_its_text_are_the_same(tmp_path, truth):
    results = [make_result(), make_result(category_id="1"), make_result(category_id=1.0)]
    assert len(read_results(save(tmp_path, results), truth)) == 3
