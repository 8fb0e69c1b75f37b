"""A command does not write over what it reads."""

import argparse
import json

import pytest

from smallpose.cli.main import main
from smallpose.cli.output_check import refuse_output_over_input
from smallpose.cli.output_folders import refuse_figures_among_images
from smallpose.core.errors import InputError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a folder with a truth of one person and results for it, as working directory."""
    keypoints = [5, 6, 2] * 17
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81}
    person |= {"keypoints": keypoints, "num_keypoints": 17, "iscrowd": 0}
    images = [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}]
    (tmp_path / "truth.json").write_text(json.dumps({"images": images, "annotations": [person]}))
    found = [{"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": 0.5}]
    for name in ("found.json", "other.json"):
        (tmp_path / name).write_text(json.dumps(found))
    (tmp_path / "link.json").symlink_to(tmp_path / "truth.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "truth.json", "found.json", "--json", "truth.json"],
        ["evaluate", "truth.json", "found.json", "--json", "./found.json"],
        ["evaluate", "truth.json", "found.json", "--json", "link.json"],
        ["compare", "truth.json", "found.json", "other.json", "--json", "other.json"],
        ["compare", "truth.json", "found.json", "other.json", "--junit", "truth.json"],
        [
            "predict",
            "hrnet_w32",
            "--weights",
            "w.pth",
            "--data",
            "truth.json",
            "--images",
            ".",
            "--out",
            "truth.json",
        ],
        [
            "predict",
            "hrnet_w32",
            "--weights",
            "w.pth",
            "--data",
            "truth.json",
            "--images",
            ".",
            "--boxes",
            "found.json",
            "--out",
            "found.json",
        ],
    ],
)
def test_an_output_that_is_an_input_is_refused_and_stays(command, files, capsys):
    before = {path.name: path.read_bytes() for path in files.glob("*.json")}
    assert main(command) == 2
    assert "is an input of this command" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in files.glob("*.json")} == before


def test_outputs_that_exist_are_replaced_and_two_of_one_name_are_refused(files, capsys):
    (files / "score.json").write_text("{}")
    command = ["evaluate", "truth.json", "found.json", "--json", "score.json"]
    assert main(command) == 0
    assert "protocols" in (files / "score.json").read_text()
    both = argparse.Namespace(json="score.json", out=files / "score.json")
    with pytest.raises(InputError, match="is the file of --out, too"):
        refuse_output_over_input(both)


def test_two_new_files_under_one_name_are_refused(files, capsys):
    words = ["evaluate", "truth.json", "found.json", "--csv", "new", "--json", "./new"]
    assert main(words) == 2
    assert "is the file of --" in capsys.readouterr().err
    assert not (files / "new").exists()


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--json", "all.csv"], "JSON is written, and the name says CSV; name it all.json"),
        (["--json", "all.json.gz"], "name it all.json; gzip all.json packs it afterwards"),
        (["--json", "all.MP4"], "the name says a video; name it all.json"),
        (["--csv", "all.json"], "CSV is written, and the name says JSON; name it all.csv"),
        (["--latex", "all.md"], "LaTeX is written, and the name says Markdown; name it all.tex"),
    ],
)
def test_a_name_that_says_another_form_is_refused(files, capsys, words, remedy):
    assert main(["evaluate", "truth.json", "found.json", *words]) == 2
    assert remedy in capsys.readouterr().err
    assert not (files / words[1]).exists()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("x.csv", "name it x.json"),
        ("x.json.gz", "name it x.json; gzip x.json packs it"),
        ("x.mp4", "name it x.json, and add --draw x.mp4"),
        ("x.jpg", "name it x.json, and add --draw drawn"),
    ],
)
def test_predict_refuses_other_forms_before_it_works(files, capsys, name, remedy):
    (files / "a.jpg").write_bytes(b"x")
    assert main(["predict", "movenet", "a.jpg", "--out", name]) == 2
    assert remedy in capsys.readouterr().err


@pytest.mark.parametrize("name", ["all.json", "all.txt", "all", "all.v2", "ALL.JSON"])
def test_other_names_are_free(files, name):
    assert main(["evaluate", "truth.json", "found.json", "--json", name]) == 0
    assert "protocols" in (files / name).read_text()


def test_a_page_that_is_no_report_is_not_replaced(files, capsys):
    (files / "site").mkdir()
    (files / "site" / "index.html").write_text("<title>ours</title>")
    assert main(["report", "truth.json", "found.json", "--out", "site"]) == 2
    assert "is no report" in capsys.readouterr().err
    assert (files / "site" / "index.html").read_text() == "<title>ours</title>"


def test_resolution_writes_into_no_folder_of_labels_or_images(files, capsys):
    for out in (".", "images"):
        (files / "images").mkdir(exist_ok=True)
        words = ["resolution", "truth.json", "--images", "images", "--out", out, "movenet"]
        assert main(words) == 2
        assert "is the folder of the labels or of the images" in capsys.readouterr().err


def test_the_files_of_a_leaderboard_are_not_replaced_by_its_list(files, capsys):
    results = json.loads((files / "found.json").read_text())
    others = [value + 1 for value in results[0]["keypoints"]]
    results.append({**results[0], "keypoints": others, "score": 0.25})
    (files / "found.json").write_text(json.dumps(results))
    assert main(["leaderboard", "add", "board", "truth.json", "found.json", "--name", "a"]) == 0
    before = (files / "board" / "board.json").read_bytes()
    assert main(["leaderboard", "show", "board", "--json", "board/board.json"]) == 2
    assert "is in the folder of the leaderboard" in capsys.readouterr().err
    assert (files / "board" / "board.json").read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "movenet", "photos", "--out", "truth.json"],
        ["predict", "movenet", "photos", "--out", "link.json"],
        ["evaluate", "other_labels.json", "found.json", "--json", "truth.json"],
    ],
)
def test_labels_are_not_written_over_even_where_they_are_no_input(files, command, capsys):
    (files / "photos").mkdir()
    (files / "other_labels.json").write_text((files / "truth.json").read_text())
    before = (files / "truth.json").read_text()
    assert main(command) == 2
    assert "is a file of COCO labels, which would be overwritten" in capsys.readouterr().err
    assert (files / "truth.json").read_text() == before


def test_results_and_numbers_are_written_anew(files):
    assert main(["evaluate", "truth.json", "found.json", "--json", "other.json"]) == 0
    assert main(["evaluate", "truth.json", "found.json", "--json", "other.json"]) == 0
    assert "coco" in json.loads((files / "other.json").read_text())["protocols"]


@pytest.mark.parametrize(
    ("verb", "name"), [("evaluate", "figures"), ("compare", "figures"), ("stats", "out")]
)
def test_figures_are_not_drawn_among_photographs(tmp_path, verb, name):
    args = argparse.Namespace(**{name: tmp_path})
    for own in ("ap_by_class.png", "ap_by_class.svg", "worst.png", "curve.csv"):
        (tmp_path / own).touch()
    refuse_figures_among_images(verb, args)  # a folder of figures takes them again
    (tmp_path / "photo.JPG").touch()
    with pytest.raises(InputError, match=f"--{name} .*: has 1 other image, such as photo.JPG"):
        refuse_figures_among_images(verb, args)
    refuse_figures_among_images("train", argparse.Namespace(out=tmp_path))


def test_evaluate_refuses_a_folder_of_photographs_before_it_scores(files, capsys):
    (files / "photos").mkdir()
    (files / "photos" / "a.png").touch()
    assert main(["evaluate", "truth.json", "found.json", "--figures", "photos"]) == 2
    assert "other image, such as a.png" in capsys.readouterr().err
