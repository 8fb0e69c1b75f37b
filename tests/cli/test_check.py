"""`smallpose check`: what it takes, what it prints and its exit code."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main


def write_truth(path, boxes):
    people = [{"id": i, "image_id": 1, "bbox": b} for i, b in enumerate(boxes, 1)]
    for person in people:
        person |= {"keypoints": [5, 5, 2] * 17, "num_keypoints": 17, "iscrowd": 0}
        person["area"] = person["bbox"][2] * person["bbox"][3]
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
    path.write_text(json.dumps({"images": images, "annotations": people}))
    return str(path)


def test_check_prints_findings_and_exits_with_2_for_a_fault(tmp_path, capsys):
    collapsed = write_truth(tmp_path / "a.json", [[1, 1, 9, 9]])
    # All 17 keypoints of this file are at one point, which is a fault.
    assert main(["check", collapsed]) == 2
    assert "1 person has all keypoints at one point (first: id 1)" in capsys.readouterr().out
    flat = write_truth(tmp_path / "b.json", [[1, 1, 0, 9]])
    assert main(["check", flat]) == 2
    assert "a box without area" in capsys.readouterr().out


def test_check_takes_result_files_without_their_truth(tmp_path, capsys):
    results = [{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 0.5] * 17, "score": 7.5}]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "1 detection, coco17" in out
    assert "scores run from 7.5 to 7.5" in out


def test_check_refuses_options_that_it_would_ignore(tmp_path, capsys):
    (tmp_path / "results.json").write_text("[]")
    (tmp_path / "truth.json").write_text('{"images": [], "annotations": []}')
    for words, message in (
        (("results.json", "--images", "."), "is for annotation files"),
        (("truth.json", "--truth", __file__), "is for result files"),
        ((".", "--images", "."), "is for annotation files"),
    ):
        assert main(["check", str(tmp_path / words[0]), *words[1:]]) == 2
        assert message in capsys.readouterr().err


def test_check_names_an_image_whose_name_no_disk_can_hold(tmp_path, capsys):
    name = "a" * 300 + ".jpg"
    truth = {"images": [{"id": 1, "file_name": name}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert main(["check", str(tmp_path / "truth.json"), "--images", str(tmp_path)]) == 2
    assert "1 of 1 image is missing" in capsys.readouterr().out


@pytest.mark.parametrize("count", [3, 12])
def test_check_counts_images_with_the_same_fault(tmp_path, capsys, count):
    cv2 = pytest.importorskip("cv2")
    for folder in ("elsewhere", "photos"):
        (tmp_path / folder).mkdir()
    names = [f"{i:02}.png" for i in range(count)]
    cv2.imwrite(str(tmp_path / "photos" / "small.png"), np.zeros((8, 8, 3), np.uint8))
    for name in names:
        (tmp_path / "photos" / name).symlink_to(tmp_path / "elsewhere" / name)
        (tmp_path / "photos" / f"b{name}").write_bytes(
            (tmp_path / "photos" / "small.png").read_bytes()
        )
    every = [*names, *(f"b{name}" for name in names)]
    truth = {
        "images": [
            {"id": i, "file_name": name, "width": 9, "height": 9} for i, name in enumerate(every)
        ],
        "annotations": [],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    call = ["check", str(tmp_path / "truth.json"), "--images", str(tmp_path / "photos")]
    assert main(call) == 2
    text = capsys.readouterr().out
    if count == 3:
        assert text.count("leaves the data root") == text.count("the file declares 9 × 9") == 3
        return
    (links,) = [line for line in text.splitlines() if "leaves the data root" in line]
    assert "12 of 24 images: path leaves the data root (a link leads out) (first: " in links
    assert links.endswith(f"add --link-root {tmp_path / 'elsewhere'}")
    (sizes,) = [line for line in text.splitlines() if "the file declares" in line]
    assert "12 of 24 images have another size than the file declares (first: b00.png is" in sizes


UNREADABLE = {
    "empty": (b"", "the file is empty"),
    "blanks": (b" \n ", "the file is empty"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
    "HTML with a comment": (b"<!-- a --><html></html>", "an HTML page"),
    "XML": (b"<?xml version='1.0'?><Error/>", "XML"),
    "zip": (b"PK\x03\x04\x14\x00", "a zip archive"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00", "a PNG image"),
    "JPEG": (b"\xff\xd8\xff\xe0\x00", "a JPEG image"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "number": (b"5", "a number"),
    "text": (b'"annotations"', "a text"),
    "null": (b"null", "null"),
    "object": (b'{"epoch": 3, "loss": 0.1}', "an object with the keys epoch, loss"),
    "empty object": (b"{}", "an empty object"),
    "JSON Lines": (b'{"a": 1}\n{"a": 2}\n', "several JSON documents"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_check_says_what_a_file_is_that_is_no_annotation_file(name, tmp_path, capsys):
    content, what = UNREADABLE[name]
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert main(["check", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: ")
    assert what in line
    assert line.count(";") == 1  # a remedy
    # Results that are no list are named, too.
    truth = write_truth(tmp_path / "truth.json", [[1, 1, 9, 9]])
    assert main(["evaluate", truth, str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert what in line


def test_check_remarks_that_people_were_merged_into_one_pose(tmp_path, capsys):
    """Label Studio's COCO export: a box per person, and one pose of another category."""
    boxes = [[20, 10, 60, 80], [120, 10, 60, 80]]
    annotations = [
        {"id": i, "image_id": 0, "category_id": 2, "bbox": box} for i, box in enumerate(boxes)
    ]
    keypoints = [140, 20, 2, 30, 50, 2, 170, 50, 2]
    pose = {"id": 2, "image_id": 0, "category_id": 3, "keypoints": keypoints}
    annotations.append(pose | {"num_keypoints": 3, "bbox": [30, 20, 140, 30], "iscrowd": 0})
    joints = ["nose", "left_wrist", "right_wrist"]
    categories = [{"id": 2, "name": "person"}, {"id": 3, "name": "default", "keypoints": joints}]
    images = [{"id": 0, "file_name": "a.png", "width": 200, "height": 100}]
    path = tmp_path / "result.json"
    file = {"images": images, "categories": categories, "annotations": annotations}
    path.write_text(json.dumps(file))
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "pose lies in several boxes that have no pose" in out
    assert "id 2 over 2 boxes in a.png" in out


def test_results_of_a_number_of_joints_that_tells_nothing_get_a_remark(tmp_path, capsys):
    path = tmp_path / "results.json"
    for num_joints, has_remark in ((15, True), (17, False), (21, False)):
        keypoints = [1.5, 2, 0.5] * num_joints
        results = [{"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": 0.5}]
        path.write_text(json.dumps(results))
        assert main(["check", str(path)]) == 0
        assert ("compare them with the ground truth" in capsys.readouterr().out) == has_remark
    truth = write_truth(tmp_path / "truth.json", [[1, 1, 9, 9]])
    path.write_text(json.dumps([results[0] | {"keypoints": keypoints[:45]}]))
    assert main(["check", str(path), "--truth", truth]) == 2
    assert "entry[0]: 45 keypoint values, coco17 needs 51; " in capsys.readouterr().err
    path.write_text(json.dumps([results[0] | {"keypoints": keypoints[:34]}]))
    assert main(["check", str(path), "--truth", truth]) == 2
    error = capsys.readouterr().err
    assert "34 keypoint values, two for each joint of coco17; give three: x, y and" in error


def test_check_says_what_was_not_checked_and_what_goes_on(tmp_path, capsys):
    boxes = [[1, 1, 9, 9]]
    labels = write_truth(tmp_path / "my labels.json", boxes)
    content = json.loads((tmp_path / "my labels.json").read_text())
    content["annotations"][0]["keypoints"] = [
        1 + k / 2 if i < 2 else 2 for k in range(17) for i in range(3)
    ]
    (tmp_path / "my labels.json").write_text(json.dumps(content))
    assert main(["check", labels]) == 0
    err = capsys.readouterr().err
    assert "images were not checked: add --images DIR" in err
    assert f"next, to score results: smallpose evaluate '{labels}' PREDICTIONS.json; " in err
    assert f"smallpose split '{labels}' --images DIR --out SET" in err
    results = tmp_path / "results.json"
    result = {"image_id": 1, "category_id": 1, "score": 0.5}
    results.write_text(json.dumps([result | {"keypoints": content["annotations"][0]["keypoints"]}]))
    assert main(["check", str(results)]) == 0
    err = capsys.readouterr().err
    assert "joints and images were not compared with labels: add --truth LABELS.json" in err
    assert main(["check", str(results), "--truth", labels]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"next, to score them: smallpose evaluate '{labels}' {results}"
    # Faults come first: nothing goes on before they are corrected.
    assert main(["check", write_truth(tmp_path / "flat.json", [[1, 1, 0, 9]])]) == 2
    assert "next" not in capsys.readouterr().err


def test_check_reads_the_list_of_images_beside_results(tmp_path, capsys):
    joints = [f"joint {index}" for index in range(14)] + ["nose"]
    results = [
        {"image_id": image, "category_id": 1, "score": 0.5, "keypoints": [1.5, 2, 0.5] * 15}
        for image in (1, 1, 3)
    ]
    (tmp_path / "a.json").write_text(json.dumps(results))
    images = [{"id": index, "file_name": f"{index}.jpg"} for index in range(1, 5)]
    category = {"id": 1, "name": "person", "keypoints": joints}
    file = {"images": images, "annotations": [], "categories": [category]}
    (tmp_path / "a.images.json").write_text(json.dumps(file))
    assert main(["check", str(tmp_path / "a.json")]) == 0
    out = capsys.readouterr().out
    assert "4 images were predicted (a.images.json), 2 of them without a detection" in out
    assert "which joints these are is not known" not in out
    file["images"] = images[:2]
    (tmp_path / "a.images.json").write_text(json.dumps(file))
    assert main(["check", str(tmp_path / "a.json")]) == 0
    out = capsys.readouterr().out
    assert "1 of 2 images of the results is not in the list beside them (a.images.json)" in out
