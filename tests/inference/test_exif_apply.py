"""`predict --exif apply` sees images as viewers show them, and results refer to these."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading import shown_images
from smallpose.dataloading.images import ImageReader, read_image
from smallpose.dataloading.large_images import LargeImage
from smallpose.dataloading.shown_images import LabelledImages, open_shown_image
from smallpose.inference import InferenceOptions
from smallpose.inference.large_jobs.work_list import list_coco_file, list_images
from smallpose.inference.predict_files import predict_coco_file, predict_image_files
from smallpose.inference.rotated_images import find_turned_images
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import write_results
from smallpose.training.checkpoint import save_model

APPLY = InferenceOptions(apply_exif=True)
SIZE_WH = (80, 60)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    method = smallpose.create_method("simple_baseline_r18_tiny")
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)  # peaks of a trained network
    return method


@pytest.fixture
def folders(tmp_path):
    """Eight images with the eight orientations, and the same images turned by Pillow."""
    rng = np.random.default_rng(0)
    (tmp_path / "phone").mkdir()
    (tmp_path / "turned").mkdir()
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(rng.integers(0, 255, (*SIZE_WH[::-1], 3), dtype=np.uint8))
        path = tmp_path / f"phone/{orientation}.png"
        image.save(path, exif=exif)
        with Image.open(path) as stored:
            ImageOps.exif_transpose(stored).save(tmp_path / f"turned/{orientation}.png")
    return tmp_path


def write_labels(folder: Path, is_shown: bool = True, has_size: bool = True) -> Path:
    """Write a box in each image, and the size of one of the grids."""
    files = sorted((folder / "turned").iterdir())
    sizes = [read_image(file).shape[1::-1] if is_shown else SIZE_WH for file in files]
    sizes = np.array(sizes) * has_size
    images = make_images(range(1, 9), [file.name for file in files], *sizes.T)
    boxes = np.tile([[5.0, 8, 40, 45]], (8, 1))
    points = np.full((8, 17, 3), (20.0, 20, 2))
    path = folder / "labels.json"
    write_coco(make_instances(COCO17, images, np.arange(8), boxes, points), path)
    return path


def test_exif_apply_predicts_as_in_files_that_are_turned(folders, tiny):
    in_turned = predict_image_files(tiny, [folders / "turned"])
    in_phone = predict_image_files(tiny, [folders / "phone"], options=APPLY)
    assert (in_phone.predictions.keypoints == in_turned.predictions.keypoints).all()
    assert (in_phone.people.images.width == in_turned.people.images.width).all()
    as_stored = predict_image_files(tiny, [folders / "phone"]).predictions.keypoints
    is_same = (as_stored == in_phone.predictions.keypoints).all(axis=(1, 2))
    assert is_same.tolist() == [True] + [False] * 7


@pytest.mark.parametrize("has_size", [True, False])
def test_labels_of_turned_images_are_predicted_with_exif_apply(folders, tiny, has_size, capsys):
    labels = write_labels(folders, has_size=has_size)
    expected = predict_coco_file(tiny, labels, folders / "turned").predictions
    found = predict_coco_file(tiny, labels, folders / "phone", options=APPLY).predictions
    assert (found.keypoints == expected.keypoints).all()
    assert "labels.json: 7 images are turned by their EXIF orientation\n" in capsys.readouterr().err
    if has_size:
        with pytest.raises(InputError, match="add --exif apply"):
            predict_coco_file(tiny, labels, folders / "phone")


def test_images_stay_where_labels_refer_to_the_stored_pixels(folders, tiny, capsys):
    """Those whose sides do not tell stay beside them, as in `build`."""
    labels = write_labels(folders, is_shown=False)
    people = smallpose.read_coco(labels)
    reader = ImageReader(folders / "phone")
    assert find_turned_images(people, reader) == frozenset()
    found = predict_coco_file(tiny, labels, folders / "phone", options=APPLY).predictions
    lines = capsys.readouterr().err
    assert "0 images are turned by their EXIF orientation; 7 more are not" in lines
    assert "add --exif apply" not in lines  # which is given
    stored = predict_coco_file(tiny, labels, folders / "phone").predictions
    assert (found.keypoints == stored.keypoints).all()
    assert "add --exif apply" in capsys.readouterr().err

    width, height = people.images.width.copy(), people.images.height.copy()
    width[7], height[7] = SIZE_WH[::-1]  # the last image is labelled as it is shown
    mixed = replace(people, images=replace(people.images, width=width, height=height))
    turned = find_turned_images(mixed, reader, labels)
    assert turned == {f"{orientation}.png" for orientation in (2, 3, 4, 8)}
    assert "4 images are turned by their EXIF orientation; 3 more are" in capsys.readouterr().err


def test_jobs_in_shards_turn_the_same_images(folders):
    files = sorted((folders / "phone").iterdir())
    work = list_images(files, apply_exif=True)
    by_name = list_coco_file(write_labels(folders), folders / "phone", True, apply_exif=True)
    kept = list_coco_file(
        write_labels(folders, is_shown=False), folders / "phone", True, apply_exif=True
    )
    for file in files:
        shown = read_image(folders / "turned" / file.name)
        assert (work.read(str(file)) == shown).all()
        assert (by_name.read(file.name) == shown).all()
        if int(file.stem) >= 5:
            assert (kept.read(file.name) == read_image(file)).all()


def test_drawings_lists_and_shards_refer_to_the_turned_images(folders, tiny, capsys):
    weights = folders / "tiny"
    save_model(tiny, weights, tiny.recipes["quick"])
    method = ["predict", "simple_baseline_r18_tiny", "--weights", str(weights)]
    for name, how in (("phone", ["--exif", "apply"]), ("turned", [])):
        out = folders / name
        assert main([*method, str(out), *how, "--out", f"{out}.json", "--draw", f"{out}-d"]) == 0
        shards = ["--out", f"{out}-s.json", "--shards", f"{out}-shards", "--shard-images", "3"]
        assert main([*method, str(out), *how, *shards]) == 0
    assert "keypoints refer to the turned images" in capsys.readouterr().err

    def read_points(name):
        return [one["keypoints"] for one in json.loads((folders / name).read_text())]

    assert read_points("phone.json") == read_points("turned.json") == read_points("phone-s.json")
    for name in ("phone", "phone-s"):
        listed = json.loads((folders / f"{name}.images.json").read_text())["images"]
        assert [(one["width"], one["height"]) for one in listed] == [(80, 60)] * 4 + [(60, 80)] * 4
    drawn = sorted((folders / "phone-d").iterdir())
    assert len(drawn) == 8
    for file in drawn:
        assert file.read_bytes() == (folders / "turned-d" / file.name).read_bytes()


def test_drawings_leave_out_what_was_not_predicted(folders, tiny, capsys):
    """An unreadable image ended --draw; a link that the prediction refuses was drawn."""
    weights, phone = folders / "tiny", folders / "phone"
    save_model(tiny, weights, tiny.recipes["quick"])
    labels = write_labels(folders)
    (phone / "5.png").write_bytes((phone / "5.png").read_bytes()[:1000])
    (folders / "elsewhere").mkdir()
    (phone / "6.png").rename(folders / "elsewhere/6.png")
    (phone / "6.png").symlink_to(folders / "elsewhere/6.png")
    how = ["--exif", "apply", "--max-unreadable", "0.5", "--weights", str(weights)]
    with_labels = ["--data", str(labels), "--images", str(phone)]
    for inputs, missing in (([str(phone)], {5}), (with_labels, {5, 6})):
        out = folders / f"drawn-{len(inputs)}"
        words = [*inputs, *how, "--out", str(folders / "found.json"), "--draw", str(out)]
        assert main(["predict", "simple_baseline_r18_tiny", *words]) == 0
        assert f"{8 - len(missing)} images drawn" in capsys.readouterr().out
        assert {int(file.name.partition("-")[0]) for file in out.iterdir()} == {
            *range(1, 9)
        } - missing


def test_an_image_that_is_read_in_parts_keeps_its_remedy(folders, tiny, monkeypatch):
    large = LargeImage(folders / "phone/6.png", "PNG", *SIZE_WH)
    monkeypatch.setattr(shown_images, "open_image", lambda path: large)
    remedy = "too large to be turned .*; turn the file by other means, or allow more with --max-unr"
    with pytest.raises(RefusedError, match=remedy):
        predict_image_files(tiny, [folders / "phone/6.png"], options=APPLY)


def test_labels_are_drawn_on_the_image_that_their_size_fits(folders, capsys):
    reader = LabelledImages()
    sides = folders / "phone/6.png"
    assert (reader.read(sides, (60, 80)) == open_shown_image(sides)).all()
    assert (reader.read(sides, (80, 60)) == read_image(sides)).all()
    assert capsys.readouterr().err == ""
    for size in ((80, 60), (0, 0)):
        half_turn = folders / "phone/3.png"
        assert (reader.read(half_turn, size) == read_image(half_turn)).all()
    assert capsys.readouterr().err.count("as it is stored, for their size does not tell") == 1
    reader.read(sides, (120, 160))
    assert "is 80 × 60 px and its labels say 120 × 160" in capsys.readouterr().err


def test_the_worst_people_are_drawn_on_images_as_their_labels_see_them(folders):
    """The sheet of turned images is the same from a phone's files as from turned ones."""
    labels = write_labels(folders)
    people = smallpose.read_coco(labels)
    results = make_predictions(
        COCO17,
        people.images.ids[people.image_rows],
        people.keypoints + np.array([3.0, 3.0, 0]),
        np.full(8, 0.5),
        people.boxes_xywh,
    )
    write_results(results, folders / "found.json")
    only_sides = people.take(np.flatnonzero(people.image_rows >= 4))
    write_coco(replace(only_sides, images=people.images), labels)
    sheets = []
    for name in ("phone", "turned"):
        worst = ["--worst", str(folders / f"sides-{name}"), "--images", str(folders / name)]
        assert main(["evaluate", str(labels), str(folders / "found.json"), *worst]) == 0
        sheets.append((folders / f"sides-{name}/worst.png").read_bytes())
    assert sheets[0] == sheets[1]
