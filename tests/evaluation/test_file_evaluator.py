"""A file that is scored while it is read gives the evaluation of the file read as a whole."""

import json
import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation import evaluator, file_evaluator
from smallpose.evaluation.file_evaluator import Reading, evaluate_file
from smallpose.evaluation.matching import native, native_matching
from smallpose.io import coco_results_fast, json_text, pose_pairs
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.system import threads

ALL = ("coco", "owned", "recall")
needs_extension = pytest.mark.skipif(
    json_text.EXTENSION is None or native.CORE is None, reason="no compiler built the core"
)


@pytest.fixture(params=[1000, 30_000])
def small_pieces(request, monkeypatch):
    """Cut result files into pieces of a few kB."""
    monkeypatch.setattr(coco_results_fast, "PIECE_BYTES", request.param)


@pytest.fixture
def write(tmp_path):
    """Write a truth and results, and read the truth."""

    def write_files(coco, results):
        (tmp_path / "truth.json").write_text(json.dumps(coco))
        (tmp_path / "found.json").write_text(json.dumps(results))
        return read_coco(tmp_path / "truth.json"), tmp_path / "found.json"

    return write_files


def assert_same_as_whole(truth, path, **options):
    packed = read_coco(path.with_name("truth.json"), packed=True)
    scored = evaluate_file(packed, path, **options)
    assert scored.result.to_json() == evaluate_file(truth, path, **options).result.to_json()
    whole = evaluate_file(truth, path, Reading(keep_predictions=True), **options)
    assert whole.predictions is not None
    assert scored.result.to_json() == whole.result.to_json()
    assert scored.is_whole == whole.is_whole
    for name in ("image", "rank", "scores", "true_positives", "num_detections", "num_matched"):
        one, other = (getattr(of.result.match_counts, name) for of in (scored, whole))
        assert np.array_equal(one, other), name
    for name in ("image_ids", "height", "outside", "is_detected"):
        one, other = (getattr(of.result.detected, name) for of in (scored, whole))
        assert np.array_equal(one, other), name
    with patch.object(evaluator, "MIN_RELEASED_BYTES", 0):
        released = evaluate_file(packed, path, Reading(release_labels=True), **options)
    assert released.result.to_json() == scored.result.to_json()
    assert released.result.detected.outside.tolist() == scored.result.detected.outside.tolist()
    return scored


@needs_extension
@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("joints", [17, 21])
def test_a_file_in_pieces_equals_the_file_read_as_a_whole(joints, crowded_dataset, write):
    for seed in range(4):
        dataset = crowded_dataset(seed, joints, images=30, people=12)
        results = list(dataset.results)
        if seed % 2:  # images are no longer together
            results = [results[i] for i in np.random.default_rng(seed).permutation(len(results))]
        truth, path = write(dataset.coco, results)
        scored = assert_same_as_whole(truth, path, protocols=ALL, intervals=40)
        assert scored.predictions is None
        assert_same_as_whole(truth, path, max_detections=None, oks_area="box")


@needs_extension
@pytest.mark.usefixtures("small_pieces")
def test_notes_on_the_results_are_those_of_the_whole_file(crowded_dataset, write):
    dataset = crowded_dataset(8, 21, images=40, people=8)
    people = [one for one in dataset.coco["annotations"] if not one["iscrowd"]]
    whole_numbers = [
        {
            "image_id": one["image_id"],
            "category_id": 1,
            "keypoints": [round(value) for value in one["keypoints"]],
            "score": 0.5,
        }
        for one in people
    ]
    names = [joint for joint in SMALLPOSE.joints if joint != "nose"]
    rows = [3 * SMALLPOSE.joints.index(joint) for joint in names]
    renamed = [
        one
        | {"keypoints": [v for row in rows for v in one["keypoints"][row : row + 3]] + [1, 1, 1]}
        for one in whole_numbers
    ]
    named = {"keypoint_names": [*names, "tail"], "predictions": renamed}
    truth, path = write(dataset.coco, whole_numbers)
    assert assert_same_as_whole(truth, path).is_whole
    truth, path = write(dataset.coco, named)
    scored = assert_same_as_whole(truth, path)
    assert scored.predictions is None
    assert any("tail" in note for note in scored.result.notes)


@needs_extension
def test_labels_looked_at_in_another_thread_say_the_same(crowded_dataset, write, monkeypatch):
    monkeypatch.setattr(threads, "count_cores", lambda: 2)
    dataset = crowded_dataset(8, 21, images=40, people=8)
    for one in dataset.coco["annotations"]:
        one["keypoints"] = [0 if i % 3 < 2 else v for i, v in enumerate(one["keypoints"])]
    truth, path = write(dataset.coco, dataset.results)
    alone = evaluate_file(truth, path).result
    assert any("labelled" in note for note in alone.notes)
    begun = []
    monkeypatch.setattr(evaluator, "_MIN_PEOPLE_FOR_THREADS", 1)
    monkeypatch.setattr(evaluator, "begin", lambda work: begun.append(work) or threads.begin(work))
    assert evaluate_file(truth, path).result.to_json() == alone.to_json()
    assert len(begun) == 1


@needs_extension
@pytest.mark.usefixtures("small_pieces")
def test_keypoints_in_another_order_are_noticed(crowded_dataset, write):
    dataset = crowded_dataset(5, 17, images=40, people=8)
    openpose = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]  # of 18 joints
    order = np.argsort(openpose)
    results = []
    for one in dataset.coco["annotations"]:
        pose = np.array(one["keypoints"], dtype=float).reshape(17, 3)[order] + 0.25
        record = {"image_id": one["image_id"], "category_id": 1, "score": 0.9}
        results.append(record | {"keypoints": pose.ravel().tolist()})
    truth, path = write(dataset.coco, results)
    assert_same_as_whole(truth, path)


@needs_extension
@pytest.mark.usefixtures("small_pieces")
def test_an_unusual_record_far_down_the_file_has_it_read_as_a_whole(crowded_dataset, write):
    dataset = crowded_dataset(8, 21, images=60, people=12)
    truth, path = write(dataset.coco, dataset.results)
    text = path.read_text()
    at = text.rindex('"score": ')
    number = '"score": 1' + "0" * 25 + ".0, "
    path.write_text(text[:at] + number + '"note": ' + text[at + 9 :])
    assert assert_same_as_whole(truth, path).predictions is not None


@needs_extension
@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("has_first", [True, False])
def test_the_first_detection_of_the_file_decides_whether_boxes_count(
    has_first, crowded_dataset, write
):
    dataset = crowded_dataset(6, 17, images=30, people=8)
    results = [dict(one) for one in dataset.results]
    for i, one in enumerate(results):
        one.pop("bbox", None)
        if (i < len(results) // 2) == has_first:
            one["bbox"] = [3, 3, 40, 50]
    truth, path = write(dataset.coco, results)
    if has_first:
        with pytest.raises(InputError, match="no bbox, and the first entry has one"):
            evaluate_file(truth, path)
    else:
        assert_same_as_whole(truth, path)


@needs_extension
@pytest.mark.usefixtures("small_pieces")
def test_errors_are_those_of_the_whole_file(crowded_dataset, write):
    dataset = crowded_dataset(6, 17, images=30, people=8)
    for key, value in (("image_id", 10**9), ("score", float("nan")), ("keypoints", [1, 2])):
        results = [*dataset.results, dataset.results[0] | {key: value}]
        truth, path = write(dataset.coco, results)
        with pytest.raises(InputError) as error:
            read_results(path, truth)
        with pytest.raises(InputError) as other:
            evaluate_file(truth, path)
        assert str(other.value) == str(error.value)


@needs_extension
def test_crowds_are_matched_as_a_whole(crowded_dataset, write, monkeypatch):
    dataset = crowded_dataset(6, 17, images=3, people=8)
    truth, path = write(dataset.coco, dataset.results)
    assert evaluate_file(truth, path).predictions is None
    monkeypatch.setattr(file_evaluator, "MAX_PEOPLE_IN_IMAGE", 1)
    assert assert_same_as_whole(truth, path).predictions is not None


@needs_extension
def test_results_need_a_fraction_of_the_memory_of_their_keypoints(
    crowded_dataset, write, monkeypatch
):
    dataset = crowded_dataset(8, 21, images=60, people=12)
    truth, path = write(dataset.coco, list(dataset.results) * 12)
    monkeypatch.setattr(coco_results_fast, "PIECE_BYTES", 30_000)
    monkeypatch.setattr(native_matching, "BUFFER_SIZE", 4096)
    monkeypatch.setattr(pose_pairs, "MAX_PEOPLE", 5)  # their images are kept
    peaks = []
    for keep in (False, True):
        evaluate_file(truth, path, Reading(keep_predictions=keep))
        tracemalloc.start()
        evaluate_file(truth, path, Reading(keep_predictions=keep))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 0.6 * peaks[1], peaks


def test_without_compiled_parts_the_file_is_read_as_a_whole(crowded_dataset, write, monkeypatch):
    dataset = crowded_dataset(6, 17, images=3, people=8)
    truth, path = write(dataset.coco, dataset.results)
    monkeypatch.setattr(json_text, "EXTENSION", None)
    scored = evaluate_file(truth, path)
    assert scored.predictions is not None
    assert scored.result.to_json() == evaluate(truth, read_results(path, truth)).to_json()
    assert truth.skeleton.joints == COCO17.joints


@needs_extension
@pytest.mark.parametrize("third", ["0.5", "1", "0.12345678901234567", "1e-7", "-3"])
@pytest.mark.usefixtures("small_pieces")
def test_third_values_of_keypoints_do_not_count(third, crowded_dataset, write):
    dataset = crowded_dataset(2, 17, images=3, people=8)
    truth, path = write(dataset.coco, dataset.results)
    expected = evaluate_file(truth, path).result.to_json()
    results = json.loads(path.read_text())
    for result in results:
        result["keypoints"][2::3] = [777123] * 17
    path.write_text(json.dumps(results).replace("777123", third))
    scored = evaluate_file(truth, path)
    assert scored.predictions is None
    assert scored.result.to_json() == expected


@needs_extension
@pytest.mark.parametrize("third", ["01", "1.", "-", "NaN", '"1"', "null", "1e400", "[1]"])
def test_a_third_value_that_is_no_number_is_refused_as_where_it_is_read(
    third, crowded_dataset, write
):
    dataset = crowded_dataset(2, 17, images=3, people=8)
    truth, path = write(dataset.coco, dataset.results)
    results = json.loads(path.read_text())
    results[-1]["keypoints"][5] = 777123
    path.write_text(json.dumps(results).replace("777123", third))
    errors = []
    for keep in (False, True):
        with pytest.raises(InputError) as raised:
            evaluate_file(truth, path, Reading(keep_predictions=keep))
        errors.append(str(raised.value))
    assert errors[0] == errors[1]


@needs_extension
@pytest.mark.parametrize("is_large", [True, False])
def test_large_labels_are_forgotten_where_nobody_needs_them(
    is_large, crowded_dataset, write, monkeypatch
):
    dataset = crowded_dataset(3, 17, images=10, people=8)
    _, path = write(dataset.coco, dataset.results)
    monkeypatch.setattr(evaluator, "MIN_RELEASED_BYTES", 0 if is_large else 1 << 26)
    for release_labels in (False, True):
        packed = read_coco(path.with_name("truth.json"), packed=True)
        evaluate_file(packed, path, Reading(release_labels=release_labels))
        num_kept = 0 if is_large and release_labels else len(packed)
        assert len(packed.keypoints) == num_kept
