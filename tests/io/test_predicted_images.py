"""Labelled images that were never predicted are told from images without detections."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import has_doubt
from smallpose.evaluation.file_evaluator import Reading, evaluate_file

NUM_IMAGES = 10


@pytest.fixture
def files(tmp_path):
    """Labels of ten frames, and results of every other one that `predict` was given."""
    names = [f"clip/{index:06d}.jpg" for index in range(NUM_IMAGES)]
    images = smallpose.make_images(range(1, NUM_IMAGES + 1), names)
    boxes = np.tile([[10.0, 10, 80, 160]], (NUM_IMAGES, 1))
    points = np.random.default_rng(0).uniform(10, 90, (NUM_IMAGES, 17, 3))
    points[:, :, 2] = 2
    truth = smallpose.make_instances(COCO17, images, np.arange(NUM_IMAGES), boxes, points)
    smallpose.write_coco(truth, tmp_path / "labels.json")
    write_results(tmp_path, points, rows=range(0, NUM_IMAGES, 2))
    write_list(tmp_path, names[::2])
    return tmp_path


def write_results(folder, points, rows):
    results = [
        {
            "image_id": 100 + row,
            "file_name": f"clip/{row:06d}.jpg",
            "category_id": 1,
            "keypoints": points[row].ravel().tolist(),
            "score": 0.5,
        }
        for row in rows
    ]
    (folder / "found.json").write_text(json.dumps(results))


def write_list(folder, names, joints=()):
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    categories = [{"id": 1, "name": "person", "keypoints": joints}] if joints else []
    content = {"images": images, "annotations": [], "categories": categories}
    (folder / "found.images.json").write_text(json.dumps(content))


def find_note(notes):
    found = [note for note in notes if "not predicted" in note]
    assert len(found) <= 1
    return found[0] if found else ""


def test_images_that_were_not_predicted_are_counted_and_named(files):
    truth = smallpose.read_coco(files / "labels.json")
    predictions = smallpose.read_results(files / "found.json", truth)
    note = find_note(predictions.notes)
    assert note.startswith(
        "5 of 10 images with labelled people were not predicted (its list, found.images.json, has "
    )
    assert "clip/000001.jpg, clip/000003.jpg, clip/000005.jpg and 2 more" in note
    assert "so their people count as missed and no height is named: clip/000001.jpg" in note
    assert not predictions.covers_images
    # In chunks, as a whole, and on the command line.
    for whole in (False, True):
        result = evaluate_file(truth, files / "found.json", Reading(keep_predictions=whole)).result
        assert find_note(result.notes) == note
    words = [str(files / "labels.json"), str(files / "found.json")]
    assert main(["evaluate", *words, "--json", str(files / "o.json")]) == 0
    assert find_note(json.loads((files / "o.json").read_text())["notes"]) == note


def test_images_without_detections_are_not_named_if_they_were_predicted(files):
    write_list(files, [f"{index:06d}.jpg" for index in range(NUM_IMAGES)])
    truth = smallpose.read_coco(files / "labels.json")
    predictions = smallpose.read_results(files / "found.json", truth)
    assert not find_note(predictions.notes)
    assert predictions.covers_images


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"images": [{"id": 1}]}'])
def test_lists_of_other_results_and_other_files_say_nothing(files, content):
    truth = smallpose.read_coco(files / "labels.json")
    write_list(files, ["clip/000001.jpg"])  # has none of the images with results
    assert not find_note(smallpose.read_results(files / "found.json", truth).notes)
    (files / "found.images.json").write_text(content)
    assert not find_note(smallpose.read_results(files / "found.json", truth).notes)
    (files / "found.images.json").unlink()
    assert not find_note(smallpose.read_results(files / "found.json", truth).notes)


def test_images_without_people_may_be_left_out(files):
    labels = json.loads((files / "labels.json").read_text())
    labels["annotations"] = [one for one in labels["annotations"] if one["image_id"] % 2]
    (files / "labels.json").write_text(json.dumps(labels))
    truth = smallpose.read_coco(files / "labels.json")
    assert not find_note(smallpose.read_results(files / "found.json", truth).notes)


def test_without_a_list_most_images_without_detections_are_a_remark(files):
    truth = smallpose.read_coco(files / "labels.json")
    (files / "found.images.json").unlink()
    points = truth.keypoints
    for num_predicted, is_noted in ((5, False), (4, True), (1, True), (0, False)):
        write_results(files, points, rows=range(num_predicted))
        for whole in (False, True):
            result = evaluate_file(
                truth, files / "found.json", Reading(keep_predictions=whole)
            ).result
            notes = [note for note in result.notes if "no detection, and all people" in note]
            assert len(notes) == is_noted
            count = f"{NUM_IMAGES - num_predicted} of 10 images with scored people have"
            assert not notes or notes[0].startswith(count)


def test_as_many_joints_in_another_order_are_matched_by_the_names_beside_them(files):
    truth = smallpose.read_coco(files / "labels.json")
    names = [f"clip/{index:06d}.jpg" for index in range(NUM_IMAGES)]
    order = np.random.default_rng(1).permutation(17)
    write_results(files, truth.keypoints[:, order], rows=range(NUM_IMAGES))
    results = json.loads((files / "found.json").read_text())
    plain = [{k: v for k, v in r.items() if k != "file_name"} for r in results]
    plain = [one | {"image_id": row + 1} for row, one in enumerate(plain)]
    write_list(files, names, [COCO17.joints[index] for index in order])
    for content in (results, plain):  # one record by one, and in chunks
        (files / "found.json").write_text(json.dumps(content))
        read = smallpose.read_results(files / "found.json", truth)
        assert read.skeleton == truth.skeleton
        assert np.allclose(read.keypoints[:, :, :2], truth.keypoints[:, :, :2])
        for whole in (False, True):
            result = evaluate_file(
                truth, files / "found.json", Reading(keep_predictions=whole)
            ).result
            assert result["coco"]["AP"] == pytest.approx(1)
            assert any("called as in found.images.json" in note for note in result.notes)
            assert not has_doubt(result.notes)
    write_list(files, names)
    assert evaluate_file(truth, files / "found.json").result["coco"]["AP"] < 0.1


def test_of_as_many_other_joints_those_of_the_labels_are_scored(files):
    truth = smallpose.read_coco(files / "labels.json")
    names = [f"clip/{index:06d}.jpg" for index in range(NUM_IMAGES)]
    write_list(files, names, (COCO17.joints[0], "head_bottom", "head_top", *COCO17.joints[3:]))
    read = smallpose.read_results(files / "found.json", truth)
    assert read.skeleton.joints == (COCO17.joints[0], *COCO17.joints[3:])
    # Names that say nothing about the joints of the labels leave their order in doubt.
    write_list(files, names, [f"point {index}" for index in range(17)])
    for whole in (False, True):
        result = evaluate_file(truth, files / "found.json", Reading(keep_predictions=whole)).result
        assert any("number 1 is point 0, and nose" in note for note in result.notes)
        assert has_doubt(result.notes)  # so that no height is given


MPII_JOINTS = ["left_ankle", "right_ankle", *[f"joint {i}" for i in range(12)], "nose", "left_hip"]


def write_other_joints(files, joints):
    """Write results of the labelled poses in other joints, in an order of their own."""
    truth = smallpose.read_coco(files / "labels.json")
    columns = {name: i for i, name in enumerate(truth.skeleton.spelled_joints)}
    points = np.zeros((NUM_IMAGES, len(joints), 3))
    for index, name in enumerate(joints):
        if name in columns:
            points[:, index] = truth.keypoints[:, columns[name]]
    write_results(files, points, rows=range(NUM_IMAGES))


def test_results_with_another_number_of_joints_are_read_by_the_names_beside_them(files):
    write_other_joints(files, MPII_JOINTS)
    names = [f"clip/{row:06d}.jpg" for row in range(NUM_IMAGES)]
    write_list(files, names, MPII_JOINTS)
    truth = smallpose.read_coco(files / "labels.json")
    results = smallpose.read_results(files / "found.json", truth, unknown_images="drop")
    assert set(results.skeleton.spelled_joints) == {"left_ankle", "right_ankle", "nose", "left_hip"}
    for index, name in enumerate(results.skeleton.spelled_joints):
        column = truth.skeleton.spelled_joints.index(name)
        assert np.allclose(results.keypoints[:, index, :2], truth.keypoints[:, column, :2])
    assert any("called as in found.images.json" in note for note in results.notes)
    scored = evaluate_file(truth, files / "found.json", Reading(unknown_images="drop")).result
    assert scored.protocols["coco"]["AP"] == pytest.approx(1)


def test_names_of_a_list_of_other_results_are_not_taken(files):
    write_other_joints(files, MPII_JOINTS)
    truth = smallpose.read_coco(files / "labels.json")
    for names, joints in (
        (["clip/000000.jpg"], MPII_JOINTS),  # lacks images of the results
        ([f"clip/{row:06d}.jpg" for row in range(NUM_IMAGES)], MPII_JOINTS[:-1]),
    ):
        write_list(files, names, joints)
        with pytest.raises(InputError, match="48 keypoint values, coco17 needs 51"):
            smallpose.read_results(files / "found.json", truth, unknown_images="drop")


@pytest.mark.parametrize(("size", "num_turned"), [((90, 160), 4), ((160, 90), 0), ((45, 80), 0)])
def test_images_that_are_labelled_as_exif_turns_them_are_told(files, size, num_turned):
    """AP was .38 in place of .49 without a word, though the list has the stored sides."""
    names = [f"clip/{index:06d}.jpg" for index in range(0, NUM_IMAGES, 2)]
    content = json.loads((files / "labels.json").read_text())
    for image in content["images"]:
        image["width"], image["height"] = 160, 90
    (files / "labels.json").write_text(json.dumps(content))
    sizes = [size] * 4 + [(160, 90)]
    images = [
        {"id": i, "file_name": name, "width": w, "height": h}
        for i, (name, (w, h)) in enumerate(zip(names, sizes, strict=True))
    ]
    (files / "found.images.json").write_text(json.dumps({"images": images}))
    truth = smallpose.read_coco(files / "labels.json")
    notes = smallpose.read_results(files / "found.json", truth).notes
    told = [note for note in notes if "as EXIF turns it" in note]
    assert len(told) == bool(num_turned) and has_doubt(notes) == bool(num_turned)
    if told:
        assert told[0].startswith(
            "4 of 5 images were predicted with 90 × 160 px where the labels have 160 × 90 (first: "
            "clip/000000.jpg)"
        )
