"""`--frame`: people who are farther away, seen by a camera of as many pixels."""

import json
import shlex
import sys

import numpy as np
import pytest
from test_study import run

from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageReader
from smallpose.resolution.frame import GREY, Frame, parse_frame, place_in_frame
from smallpose.resolution.people import choose_people
from smallpose.resolution.reduced_set import ImageReducer
from smallpose.resolution.scores import METRICS
from smallpose.resolution.sensor import parse_sensor

FINDS_PEOPLE = """
import json, os, sys
images, boxes, out = sys.argv[1], os.path.join(sys.argv[1], "..", "boxes.json"), sys.argv[2]
records = [
    {"image_id": b["image_id"], "category_id": b["category_id"], "score": 1.0, "bbox": b["bbox"],
     "keypoints": [b["bbox"][0] + b["bbox"][2] / 2, b["bbox"][1] + b["bbox"][3] / 2, 1.0] * 21}
    for b in json.load(open(boxes))
]
json.dump(records, open(out, "w"))
"""


@pytest.fixture
def program(tmp_path):
    """A program that is given no boxes by its command."""
    path = tmp_path / "middle.py"
    path.write_text(FINDS_PEOPLE)
    return f"{shlex.quote(sys.executable)} {path} {{images}} {{out}}"


def write_sets(scenes, folder, frame, sensor="clean"):
    """Write the set of 32 px with a frame and without; return both and a reader of each."""
    people = choose_people(scenes.truth, (32,), 6)
    sets = []
    for choice in (None, frame):
        reducer = ImageReducer(people, ImageReader(scenes.images), frame=choice)
        reduced = reducer.describe_set(folder, parse_sensor(sensor), 32)
        reducer.write_set(reduced)
        reader = ImageReader(reduced.images)
        sets.append((reduced, [reader.read(name) for name in reduced.truth.images.file_names]))
    return people, sets


@pytest.mark.parametrize(("frame", "size_wh"), [(Frame(), (640, 480)), (Frame((901, 700)),) * 2])
def test_the_middle_of_a_frame_is_the_reduced_image_and_labels_move_with_it(
    scenes, tmp_path, frame, size_wh
):
    size_wh = frame.size_wh or size_wh
    people, ((plain, small), (framed, large)) = write_sets(scenes, tmp_path, frame)
    assert set(framed.truth.images.width) == {size_wh[0]}
    assert plain.folder != framed.folder
    chosen = np.flatnonzero(~framed.truth.iscrowd)
    assert len(chosen) == len(people)
    for index, row in enumerate(chosen.tolist()):
        assert large[index].shape == (size_wh[1], size_wh[0], 3)
        offset = framed.truth.boxes_xywh[row, :2] - plain.truth.boxes_xywh[row, :2]
        x, y = np.rint(offset).astype(int).tolist()
        assert np.allclose(offset, (x, y))
        height, width = small[index].shape[:2]
        assert abs(2 * x + width - size_wh[0]) <= 1 and abs(2 * y + height - size_wh[1]) <= 1
        assert np.array_equal(large[index][y : y + height, x : x + width], small[index])
        outside = np.ones(large[index].shape[:2], dtype=bool)
        outside[y : y + height, x : x + width] = False
        assert (large[index][outside] == GREY).all()
        points, before = framed.truth.keypoints[row], plain.truth.keypoints[row]
        is_labelled = points[:, 2] > 0
        assert np.allclose(points[is_labelled, :2], before[is_labelled, :2] + (x, y))
        assert (points[~is_labelled] == 0).all()
        assert np.allclose(framed.truth.boxes_xywh[row, 2:], plain.truth.boxes_xywh[row, 2:])


def test_a_frame_is_never_smaller_than_the_image():
    image = np.full((5, 8, 3), 7, np.uint8)
    sizes = Frame((6, 20)).compute_sizes(np.array([[100, 50]]), np.array([[8, 5]]))
    assert sizes.tolist() == [[8, 20]]
    framed = place_in_frame(image, tuple(sizes[0].tolist()))
    assert framed.shape == (20, 8, 3) and (framed[7:12] == 7).all()
    assert (framed == 7).sum() == image.size


@pytest.mark.parametrize("text", ["", "no", "0x10", "640", "640x", "99999999x9", "30000x10"])
def test_other_words_are_refused(text):
    with pytest.raises(InputError, match="use same, or as in 1920x1080"):
        parse_frame(text)
    assert parse_frame("640x480") == Frame((640, 480)) and parse_frame("same") == Frame()


def test_a_model_that_finds_people_itself_has_a_note_unless_there_is_a_frame(
    scenes, tmp_path, program, capsys
):
    words = ("--people", 4, "--heights", "16,64", "--sensor", "clean")
    assert run(scenes, tmp_path / "plain", *words, "--command", f"mine={program}") == 0
    assert "mine looks at whole images" in " ".join(capsys.readouterr().out.split())
    framed = (*words, "--command", f"mine={program}", "--frame", "same")
    assert run(scenes, tmp_path / "framed", *framed) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "looks at whole images" not in text and "grey frame of its original size" in text
    contents = [
        json.loads((tmp_path / name / "curve.json").read_text()) for name in ("plain", "framed")
    ]
    assert [content["settings"]["frame"] for content in contents] == ["", "same"]
    # All joints in the middle of the box: the score does not depend on where the box lies.
    plain, framed = (content["models"]["mine"]["clean"]["heights"] for content in contents)
    for before, after in zip(plain, framed, strict=True):
        for metric in METRICS:
            assert after[metric]["value"] == pytest.approx(before[metric]["value"], abs=1e-9)


def test_results_of_another_frame_are_refused(scenes, tmp_path, program, capsys):
    words = ("--people", 4, "--heights", "16,64", "--sensor", "clean", "--command", program)
    assert run(scenes, tmp_path / "out", *words) == 0
    assert run(scenes, tmp_path / "out", *words, "--frame", "same") == 2
    assert "has results of another frame" in capsys.readouterr().err
