"""Other tools' results give the same table as COCO's form of them."""

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


def test_ultralytics_names_images_by_their_stem(tmp_path, truth):
    record = {"category_id": 1, "keypoints": FLAT, "score": 0.5, "bbox": [1, 2, 3, 4]}
    named = save(tmp_path / "u.json", [record | {"image_id": "cat", "file_name": "cat.jpg"}])
    found = read_results(named, truth)
    assert found.image_ids.tolist() == [4]
    assert found.boxes_xywh.tolist() == [[1, 2, 3, 4]]
    for word, says in (("cow", "image 'cow' is not in the truth"), ("dog", "several images")):
        wrong = save(tmp_path / "w.json", [record | {"image_id": word}])
        with pytest.raises(InputError, match=rf"entry\[0\]: {says}"):
            read_results(wrong, truth)
    full = save(tmp_path / "f.json", [record | {"image_id": "b/dog.jpg"}])
    assert read_results(full, truth).image_ids.tolist() == [11]


def test_mmposes_folder_of_files_is_one_table(tmp_path, truth):
    person = {"keypoints": POINTS, "keypoint_scores": SCORES, "bbox_score": 0.8}
    folder = tmp_path / "predictions"
    folder.mkdir()
    save(folder / "cat.json", [person | {"bbox": [[10, 20, 30, 60]]}, person])
    found = read_results(folder, truth)
    assert found.image_ids.tolist() == [4, 4]
    assert found.keypoints[0].ravel().tolist() == FLAT
    assert found.boxes_xywh[0].tolist() == [10, 20, 20, 40]
    assert found.scores.tolist() == pytest.approx([0.8 * 0.5] * 2)
    save(folder / "cat.json", [person | {"keypoint_scores": [1.0]}])
    with pytest.raises(
        InputError, match=r"cat\.json: the lengths of keypoints, keypoint_scores or bbox"
    ):
        read_results(folder, truth)


def test_a_pickle_is_refused_unread(tmp_path, truth):
    path = tmp_path / "dump.pkl"
    path.write_bytes(pickle.dumps([{"id": 1}]))
    with pytest.raises(RefusedError, match="is a pickle, which runs code"):
        read_results(path, truth)


def test_an_id_written_as_text_is_an_id_where_no_image_is_called_so(tmp_path, truth):
    record = {"image_id": "4", "category_id": 1, "keypoints": FLAT, "score": 0.5}
    assert read_results(save(tmp_path / "f.json", [record]), truth).image_ids.tolist() == [4]
    with pytest.raises(InputError, match="image '5' is not in the truth"):
        read_results(save(tmp_path / "g.json", [record | {"image_id": "5"}]), truth)
