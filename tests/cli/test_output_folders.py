"""An option that names a folder takes no name of a file, and the other way round."""

import argparse
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.cli.draw_check import check_drawing
from smallpose.cli.main import VERBS, create_parser, main
from smallpose.cli.output_check import OUTPUTS, refuse_output_over_input
from smallpose.cli.output_folders import (
    WRITTEN_FOLDERS,
    refuse_drawings_among_inputs,
    refuse_figures_among_images,
)
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import read_image
from smallpose.report.images.draw_predictions import draw_predictions
from smallpose.system.image_formats import DRAWN_IMAGE_SUFFIXES

ALL_VERBS = [verb for group in VERBS.values() for verb in group]
# Folders that are read: of images, and of what else a command starts from.
READ_FOLDERS = {"images", "training_images", "link_root", "delete_missing", "photos", "package"}
READ_FOLDERS |= {"coco", "mpii", "aic", "hieve", "posetrack", "source", "data", "keep_images"}


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_folder_that_a_verb_writes_is_in_the_table(verb):
    """A new option for a folder is covered by the rule, or is one that is read."""
    for action in create_parser(verb)._actions:
        names = (action.metavar or "").split("|") if isinstance(action.metavar, str) else []
        is_folder = {"DIR", "OUT", "RUN", "BOARD"} & set(names) and action.nargs in (None, "?")
        if not is_folder or action.dest in READ_FOLDERS or action.dest.endswith("weights"):
            continue
        is_either = (verb, action.dest) == ("audit", "out")  # with --corrected a file
        is_method = "METHOD" in names  # a method, or the folder of a run
        is_known = {(verb, action.dest), ("", action.dest)} & WRITTEN_FOLDERS.keys()
        assert is_known or is_either or is_method, f"{verb} {action.dest}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "t.json", "f.json", "--figures", "x.png"], "--figures x.png: a folder is"),
        (["evaluate", "t.json", "f.json", "--worst", "x.JPG"], "the name says an image; name a"),
        (["train", "hrnet_w32", "--data", "d", "--out", "m.pth"], "says weights; name a folder: m"),
        (["report", "r", "--out", "page.html"], "--out page.html: a folder is written, and the"),
        (["build", "set.json"], "set.json: a folder is written, and the name says JSON"),
        (["release", "set", "--out", "set.gz"], "the name says a gzip file"),
        (["stats", "t.json", "--out", "file"], "a folder is written, and it is a file; name a"),
        (["predict", "movenet", "p", "--out", "f.json", "--draw", "d.pdf"], "name a folder: d"),
        (["predict", "movenet", "p", "--out", "gk"], "no ending; name it gk.json, or gk/found."),
        (["predict", "movenet", "p", "--out", "p"], "this is a folder; name a file in it: p/found"),
        (["evaluate", "t.json", "f.json", "--json", "p"], "name a file in it: p/FILE"),
    ],
)
def test_names_of_the_other_kind_are_refused_before_any_work(
    words, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    (tmp_path / "file").touch()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "p"]


def test_folders_of_any_name_that_exist_and_files_that_may_be_named_are_free(tmp_path, capsys):
    (tmp_path / "old.png").mkdir()
    for words in (
        ["report", "none", "--out", str(tmp_path / "old.png")],
        ["release", "none", "--out", str(tmp_path / "set.zip")],
        ["train", "hrnet_w32", "--data", "none", "--out", str(tmp_path / "lr.001")],
    ):
        assert main(words) == 2
        assert "folder is written" not in capsys.readouterr().err
    assert "draw" in OUTPUTS  # so that a drawing does not replace the image that it is of


VIDEO = Path("clip.mp4")


@pytest.mark.parametrize(
    ("name", "num_images", "videos", "message"),
    [
        ("x.png", 3, [], "is one image, and 3 files are drawn; name a folder: x"),
        ("x.gif", 1, [], r"no image of this ending .*\.png.*; name it x.png"),
        ("x.heic", 1, [], r"no image of this ending .*\.png.*; name it x.png"),
        ("x.svg", 0, [VIDEO], "the name of an image, and clip.mp4 is a video; name it x.mp4"),
        ("x.mp4", 1, [], "is the name of a video, and an image is drawn; name it x.jpg"),
        ("x.gif", 0, [VIDEO], "the name of an image, and clip.mp4 is a video; name it x.mp4"),
        ("x.avi", 0, [VIDEO], r"no video of this ending .*\.mkv.*; name it x.mp4"),
        ("x.mp4", 1, [VIDEO], "is one video, and 2 files are drawn; name a folder: x"),
    ],
)
def test_a_drawing_of_another_kind_or_number_is_refused(name, num_images, videos, message):
    with pytest.raises(InputError, match=f"--draw {name}: .*{message}"):
        check_drawing(Path(name), num_images, videos)


@pytest.mark.parametrize(
    ("name", "num_images", "videos"),
    [
        ("x.PNG", 1, []),
        ("x.mkv", 0, [VIDEO]),
        ("drawn", 7, [VIDEO]),
        ("a.b", 2, []),
    ],
)
def test_folders_and_the_file_of_one_drawing_are_free(name, num_images, videos):
    check_drawing(Path(name), num_images, videos)
    check_drawing(None, num_images, videos)


def test_one_image_is_drawn_into_the_file_that_is_named(tmp_path, capfd):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 80, 3), 200, np.uint8))
    images = make_images([4], ["a.png"], [80], [60])
    points = np.full((1, 17, 3), 30.0)
    points[0, :, 1] += np.arange(17)
    people = Predictions(COCO17, np.array([4]), points, np.ones(1), np.array([[30.0, 30, 9, 17]]))
    shapes = set()
    for suffix in DRAWN_IMAGE_SUFFIXES:
        out = tmp_path / f"drawn{suffix}"
        assert draw_predictions(people, images, tmp_path, read_image, out) == 1
        assert out.is_file()
        shapes.add(cv2.imread(str(out)).shape)
    assert shapes == {(720, 960, 3)}
    assert not capfd.readouterr().err  # OpenCV warns of options of other formats
    first = cv2.imread(str(tmp_path / "drawn.jpg")).astype(int)
    assert abs(first - cv2.imread(str(tmp_path / "drawn.png"))).mean() < 3  # the same drawing


def test_photographs_beside_figures_of_the_same_format_are_noticed(tmp_path):
    for own in ("ap.png", "ap.svg", "fig1b_samples_test.png", "sources.png", "worst.png"):
        (tmp_path / own).touch()
    args = argparse.Namespace(out=tmp_path)
    refuse_figures_among_images("stats", args)
    (tmp_path / "photo.png").touch()
    with pytest.raises(InputError, match=r"has 1 other image, such as photo\.png"):
        refuse_figures_among_images("stats", args)


def test_a_file_within_a_file_is_refused_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    assert main(["evaluate", "t.json", "f.json", "--csv", "taken/x.csv"]) == 2
    message = "--csv taken/x.csv: taken is a file, no folder; name another place\n"
    assert capsys.readouterr().err == message


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Return the working directory, which has a folder of an image, another, and a run."""
    monkeypatch.chdir(tmp_path)
    for name in ("im/sub", "other", "run"):
        Path(name).mkdir(parents=True)
    cv2.imwrite("im/a.jpg", np.zeros((8, 8, 3), np.uint8))
    Path("run/model.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["predict", "movenet", "im/a.jpg", "--out", "f.json", "--draw", "im"],
            "of im/a.jpg, besi",
        ),
        (
            ["predict", "run", "im/a.jpg", "--out", "f.json", "--draw", "im/."],
            "of im/a.jpg, beside",
        ),
        (
            ["predict", "run", "im", "--out", "f.json", "--draw", "im"],
            "is the folder of the images",
        ),
        (["predict", "run", "im", "--out", "f.json", "--draw", "im/sub"], "is inside im, among"),
        (["predict", "run", "im", "--out", "f.json", "--draw", "im/x.png"], "is inside im, among"),
        (["evaluate", "t", "f", "--worst", "other", "--images", "other"], "folder of the images"),
        (
            ["report", "t", "f", "--images", "other", "--out", "other"],
            "is the folder of the images",
        ),
        (["stats", "t", "--images", "other", "--out", "other"], "is the folder of the images"),
        (["demo", "--photos", "im", "--out", "im/demo"], "is inside im, among whose images"),
    ],
)
def test_nothing_is_drawn_where_images_are_read(words, message, photos, capsys):
    before = sorted(photos.rglob("*"))
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error and "read next time; name a" in error and error.count("\n") == 1
    assert sorted(photos.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "run", "im/a.jpg", "--draw", "run"],  # no images are read there
        ["predict", "run", "im/a.jpg", "--draw", "im/drawn"],
        ["predict", "run", "im/a.jpg", "--draw", "im/drawn.png"],
        [
            "predict",
            "run",
            "im/clip.mp4",
            "--draw",
            "im",
        ],  # drawn videos are left out by their mark
        [
            "predict",
            "run",
            "--data",
            "t.json",
            "--images",
            "im",
            "--draw",
            "im/sub",
        ],  # read by name
        ["report", "im", "--out", "im/report"],
        ["evaluate", "t", "run", "--figures", "run"],
    ],
)
def test_other_places_of_drawings_are_free(words, photos):
    with_out = [*words, "--out", "f.json"] if words[0] == "predict" else words
    args = create_parser(words[0]).parse_intermixed_args(with_out[1:])
    refuse_drawings_among_inputs(words[0], args)
    refuse_output_over_input(args)


def test_results_that_get_files_beside_them_are_ordinary_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for name in ("/dev/null", "/dev/stdout", "pipe"):
        assert main(["predict", "movenet", "photo.jpg", "--out", name]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"--out {name}: is no ordinary file, and lists of images and")
        assert error.endswith("beside it; name a file, such as found.json\n")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
