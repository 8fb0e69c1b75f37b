"""Frames of other results are not taken for one's own."""

import json

import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.io.media_results import ResultPart, refuse_frames_of_others, write_media_results


def write_results(out, names=("clip/000000.jpg",), parts=None):
    frames = [{"image_id": i, "index": i - 1, "file_name": n} for i, n in enumerate(names, 1)]
    images = make_images(range(1, len(names) + 1), names)
    predictions = make_predictions(COCO17, [1], [[[1.0, 2, 1]] * 17], [0.5])
    part = ResultPart(predictions, images, [], frames)
    images_path = out.with_name(f"{out.stem}.images.json")
    write_media_results(out, images_path, [part] if parts is None else parts, COCO17)


def test_frames_without_the_results_beside_them_are_refused(tmp_path):
    write_results(tmp_path / "first.json")
    with pytest.raises(InputError) as caught:
        refuse_frames_of_others(tmp_path / "second.json")
    assert "frames.json: is there, and without second.json it belongs to other" in str(caught.value)
    assert "a folder of their own: --out FOLDER/found.json" in str(caught.value)


def test_a_new_folder_and_the_same_results_again_are_allowed(tmp_path):
    refuse_frames_of_others(tmp_path / "first.json")
    write_results(tmp_path / "first.json")
    refuse_frames_of_others(tmp_path / "first.json")
    refuse_frames_of_others(tmp_path / "new" / "second.json")


def test_results_that_fail_leave_those_before_them_as_they_were(tmp_path):
    out = tmp_path / "found.json"
    write_results(out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert json.loads(before["frames.json"])[0]["file_name"] == "clip/000000.jpg"

    def fail():
        yield ResultPart(make_predictions(COCO17, [], [], []), make_images([1], ["x.jpg"]), [], [])
        raise InputError("clip.mp4", "is damaged", "copy it again")

    with pytest.raises(InputError, match="is damaged"):
        write_results(out, parts=fail())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
