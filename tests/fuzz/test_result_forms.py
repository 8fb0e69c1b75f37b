"""Damaged results of other tools: read as a table, or one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import check_mutants, fuzz_counts
from mutations import iterate_json_mutants

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_results import is_result_file, make_truth_for_results, read_results

SMALL, LARGE = 60, 20000
XY = [[5.5 + i, 6.0 + 2 * i] for i in range(17)]
SCORES = [0.25 + i / 32 for i in range(17)]
FLAT = [v for xy, score in zip(XY, SCORES, strict=True) for v in (*xy, score)]
MMPOSE = {"keypoints": XY, "keypoint_scores": SCORES, "bbox": [[1, 2, 30, 40]], "bbox_score": 0.5}
ARRAYS = {"boxes": [[1, 2, 30, 40]], "scores": [0.5], "labels": [1], "keypoints_scores": [SCORES]}
ARRAYS |= {"keypoints": [[[*xy, 1] for xy in XY]]}
FIELDS = {"xy": [XY], "keypoint_confidence": [SCORES], "detection_confidence": [0.5]}
FIELDS |= {"class_id": [0], "data": {"xyxy": [[1, 2, 30, 40]]}}
SINK = {"x_min": 1, "y_min": 2, "x_max": 30, "y_max": 40, "confidence": 0.5, "keypoints": XY}
NAMES = {str(i): name for i, name in enumerate(COCO17.joints)}
VITPOSE = {
    "keypoints": XY[:9],
    "scores": SCORES[:9],
    "labels": list(range(9)),
    "bbox": [1, 2, 3, 4],
}
# Name of the file, and its content.
FORMS = {
    "MMPose": ("p/a.json", [MMPOSE, MMPOSE]),
    "demo": (
        "p/results_a.json",
        {"meta_info": {"keypoint_id2name": NAMES}, "instance_info": [MMPOSE]},
    ),
    "OpenPifPaf": (
        "p/a.jpg.predictions.json",
        [{"keypoints": FLAT, "score": 0.5, "bbox": [1] * 4}],
    ),
    "OpenPose": ("p/a_keypoints.json", {"people": [{"pose_keypoints_2d": FLAT}]}),
    "torchvision": ("f.json", [{"image_id": 4} | ARRAYS]),
    "KeyPoints": ("f.json", {"a.jpg": FIELDS}),
    "sink": ("f.json", [SINK | {"file_name": "a.jpg", "keypoint_confidence": SCORES}]),
    "ViTPose": ("f.json", {"a.jpg": [VITPOSE]}),
    "lines": ("f.jsonl", {"image_id": 4, "keypoints": FLAT, "score": 0.5}),
    "poses": ("f.json", [{"file_name": "a.jpg", "poses": [MMPOSE]}]),
}


@pytest.fixture(scope="module")
def truth() -> Instances:
    images = make_images([4, 9], ["a.jpg", "b.jpg"], [64] * 2, [48] * 2)
    return make_instances(COCO17, images, [], np.zeros((0, 4)), [])


@fuzz_counts(SMALL, LARGE)
@pytest.mark.parametrize("form", FORMS)
def test_damaged_results_of_other_tools_are_a_table_or_one_line(form, count, tmp_path, truth):
    name, content = FORMS[form]
    path: Path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    results = path.parent if path.parent != tmp_path else path

    def read(text: bytes) -> None:
        path.write_bytes(text)
        predictions = read_results(results, truth)
        assert np.isfinite(predictions.scores).all()
        assert np.isfinite(predictions.keypoints).all()

    def look(text: bytes) -> None:
        path.write_bytes(text)
        if is_result_file(path):
            make_truth_for_results(path)

    read(json.dumps(content).encode())
    codes = check_mutants(iterate_json_mutants(content, 16, count), read)
    assert set(codes) <= {0, 2}
    assert codes[2]
    check_mutants(iterate_json_mutants(content, 17, count // 2), look)
