"""`smallpose check`: what it takes, what it prints and its exit code."""

import json

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
    assert "1 people have all keypoints at one point (first: id 1)" in capsys.readouterr().out
    flat = write_truth(tmp_path / "b.json", [[1, 1, 0, 9]])
    assert main(["check", flat]) == 2
    assert "a box without area" in capsys.readouterr().out


def test_check_takes_result_files_without_their_truth(tmp_path, capsys):
    results = [{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 0.5] * 17, "score": 7.5}]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "1 detections, coco17" in out
    assert "scores run from 7.5 to 7.5" in out


def test_check_refuses_options_that_it_would_ignore(tmp_path, capsys):
    (tmp_path / "results.json").write_text("[]")
    (tmp_path / "truth.json").write_text('{"images": [], "annotations": []}')
    for words, message in (
        (("results.json", "--images", "."), "is for annotation files"),
        (("truth.json", "--truth", "truth.json"), "is for result files"),
        ((".", "--images", "."), "is for annotation files"),
    ):
        assert main(["check", str(tmp_path / words[0]), *words[1:]]) == 2
        assert message in capsys.readouterr().err


def test_check_names_an_image_whose_name_no_disk_can_hold(tmp_path, capsys):
    name = "a" * 300 + ".jpg"
    truth = {"images": [{"id": 1, "file_name": name}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert main(["check", str(tmp_path / "truth.json"), "--images", str(tmp_path)]) == 2
    assert "1 of 1 images are missing" in capsys.readouterr().out
