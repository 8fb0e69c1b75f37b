"""Results of other tools give the same table as their COCO form."""

import json
import pickle

import numpy as np
import pytest

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_results import read_results

POINTS = [[float(i), float(i * 2)] for i in range(17)]
SCORES = [0.1] + [0.5] * 16
FLAT = [v for xy, s in zip(POINTS, SCORES, strict=True) for v in (*xy, s)]


@pytest.fixture
def truth():
    images = make_images([4, 9, 11], ["a/cat.jpg", "a/dog.jpg", "b/dog.jpg"])
    return make_instances(COCO17, images, [], np.zeros((0, 4)), [])


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def test_images_named_by_their_stem_are_found(tmp_path, truth):
    record = {"category_id": 1, "keypoints": FLAT, "score": 0.5, "bbox": [1, 2, 3, 4]}
    named = save(tmp_path / "u.json", [record | {"image_id": "cat", "file_name": "cat.jpg"}])
    predictions = read_results(named, truth)
    assert predictions.image_ids.tolist() == [4]
    assert predictions.boxes_xywh.tolist() == [[1, 2, 3, 4]]
    for name, message in (("cow", "image 'cow' is not in the truth"), ("dog", "several images")):
        wrong = save(tmp_path / "w.json", [record | {"image_id": name}])
        with pytest.raises(InputError, match=rf"entry\[0\]: {message}"):
            read_results(wrong, truth)
    full = save(tmp_path / "f.json", [record | {"image_id": "b/dog.jpg"}])
    assert read_results(full, truth).image_ids.tolist() == [11]


def test_a_folder_of_mmpose_files_is_one_table(tmp_path, truth):
    person = {"keypoints": POINTS, "keypoint_scores": SCORES, "bbox_score": 0.8}
    folder = tmp_path / "predictions"
    folder.mkdir()
    save(folder / "cat.json", [person | {"bbox": [[10, 20, 30, 60]]}, person])
    predictions = read_results(folder, truth)
    assert predictions.image_ids.tolist() == [4, 4]
    assert predictions.keypoints[0].ravel().tolist() == FLAT
    assert predictions.boxes_xywh[0].tolist() == [10, 20, 20, 40]
    assert predictions.scores.tolist() == pytest.approx([0.8 * 0.5] * 2)
    save(folder / "cat.json", [person | {"keypoint_scores": [1.0]}])
    with pytest.raises(
        InputError, match=r"cat\.json, person\[0\]: the lengths of keypoints and their scores"
    ):
        read_results(folder, truth)


def test_a_pickle_is_refused(tmp_path, truth):
    path = tmp_path / "dump.pkl"
    path.write_bytes(pickle.dumps([{"id": 1}]))
    with pytest.raises(RefusedError, match="is a pickle, which runs code"):
        read_results(path, truth)


def test_text_is_an_id_where_no_image_has_that_name(tmp_path, truth):
    record = {"image_id": "4", "category_id": 1, "keypoints": FLAT, "score": 0.5}
    assert read_results(save(tmp_path / "f.json", [record]), truth).image_ids.tolist() == [4]
    with pytest.raises(InputError, match="image '5' is not in the truth"):
        read_results(save(tmp_path / "g.json", [record | {"image_id": "5"}]), truth)
