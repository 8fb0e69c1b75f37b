"""Kept windows: the samples they give are the pictures' own but for JPEG's loss."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError, RunError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.augmentation import Augment
from smallpose.dataloading.images import Pictures
from smallpose.dataloading.top_down import crop_cache
from smallpose.dataloading.top_down.batches import Crops, ImageOfPeople, trainable
from smallpose.dataloading.top_down.crop_cache import Windows, window_of
from smallpose.system.lock import locked

WH = (48, 64)
SIZE = (640, 480)


class Counting(Pictures):
    """Pictures that count what was opened."""

    opened = 0

    def read(self, name: str) -> np.ndarray:
        object.__setattr__(self, "opened", self.opened + 1)
        return super().read(name)


def scene(rng: np.random.Generator) -> np.ndarray:
    """Something like a photograph: soft shapes with edges between them, and a little grain."""
    small = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    picture = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        x, y, r = rng.integers(0, 640), rng.integers(0, 480), rng.integers(5, 40)
        cv2.circle(picture, (int(x), int(y)), int(r), rng.integers(0, 255, 3).tolist(), -1)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def world(tmp_path) -> tuple[Instances, Counting]:
    """Six pictures with five small people each and one who fills it."""
    rng = np.random.default_rng(0)
    for i in range(6):
        how = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), scene(rng), how)
    n = 36
    small = np.concatenate(
        [rng.uniform([0, 0], [560, 380], (n, 2)), rng.uniform(20, 90, (n, 2))], 1
    )
    small[:6] = [90, 20, 300, 440]
    rows = np.arange(n) % 6
    points = small[:, None, :2] + rng.random((n, 17, 2)) * small[:, None, 2:]
    keypoints = np.concatenate([points, np.full((n, 17, 1), 2.0)], 2)
    images = make_images(range(6), [f"{i}.jpg" for i in range(6)], [640] * 6, [480] * 6)
    return make_instances(COCO17, images, rows, small, keypoints), Counting(tmp_path)


def dataset(world, cache: Path | None, augment: Augment | None = None, **more) -> ImageOfPeople:
    people, pictures = world
    rows = trainable(people)
    return ImageOfPeople(people, rows, pictures, WH, augment or Augment(), 0, cache=cache, **more)


@pytest.mark.parametrize("udp", [False, True])
def test_samples_are_the_images_own_but_for_the_jpegs_loss(world, tmp_path, udp):
    pictures = world[1]
    plain, kept = dataset(world, None, udp=udp), dataset(world, tmp_path / "c", udp=udp)
    small, opened = np.arange(6, 36), 0
    for epoch in range(4):
        a, at = plain.cut(epoch, small)
        before = pictures.opened
        b, where = kept.cut(epoch, small)
        opened += pictures.opened - before
        np.testing.assert_array_equal(at, where)
        apart = np.abs(a.astype(int) - b)
        assert apart.mean() < 1.5 and np.percentile(apart, 99) <= 12
        # Black where the picture ends stays black.
        assert ((a.max(axis=3) == 0) == (b.max(axis=3) < 8)).mean() > 0.99
    assert opened <= 6  # of 24, for the few whom a window does not show


def test_what_a_window_does_not_show_is_cut_from_the_image(world, tmp_path):
    wild = replace(Augment(), shift=3.0, shift_chance=1.0, scale=0.9)
    plain, kept = dataset(world, None, wild), dataset(world, tmp_path / "c", wild)
    rows = np.arange(36)
    a, b = plain.cut(0, rows)[0], kept.cut(0, rows)[0]
    same = (a == b).all(axis=(1, 2, 3))
    assert 5 < same.sum() < 36 and same[:6].all()  # those who fill the picture have no window
    assert np.abs(a.astype(int) - b).mean() < 1.5


@pytest.mark.parametrize("seed", range(20))
def test_a_window_is_inside_its_image_and_reaches_around_the_person(seed):
    rng = np.random.default_rng(seed)
    box = np.concatenate([rng.uniform([-20, -20], [600, 440]), rng.uniform(10, 70, 2)])
    x, y, w, h = window_of(box, SIZE, WH)
    assert x >= 0 and y >= 0 and x + w <= 640 and y + h <= 480 and x % 16 == y % 16 == 0
    inside = np.clip([*box[:2], *(box[:2] + box[2:])], 0, [639, 479, 639, 479])
    assert x <= inside[0] and y <= inside[1] and x + w >= inside[2] and y + h >= inside[3]


def test_the_folder_is_made_once_and_holds_one_set_of_people(world, tmp_path, capsys):
    people, pictures = world
    folder = tmp_path / "c"
    dataset(world, folder)
    opened = pictures.opened
    assert opened == 6 and "cutting 36 people out" in capsys.readouterr().err
    dataset(world, folder)
    assert pictures.opened == opened and not capsys.readouterr().err
    moved = replace(people, boxes_xywh=people.boxes_xywh + 1)
    with pytest.raises(InputError, match=r"--cache .* their boxes differ"):
        dataset((moved, pictures), folder)
    with pytest.raises(InputError, match="their shape differ"):
        ImageOfPeople(people, trainable(people), pictures, (64, 64), None, 0, cache=folder)


def test_shards_are_many_and_workers_map_them(world, tmp_path, monkeypatch):
    monkeypatch.setattr(crop_cache, "SHARD_BYTES", 20_000)
    one, two = tmp_path / "one", tmp_path / "two"
    batches = [
        list(Crops(dataset(world, folder, jobs=jobs), 8, jobs).batches(0))
        for folder, jobs in ((one, 0), (two, 2))
    ]
    assert len(list(one.glob("windows-*.bin"))) > 2
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
    for a, b in zip(*batches, strict=True):
        assert torch.equal(a.crops, b.crops) and torch.equal(a.keypoints, b.keypoints)


def test_what_was_cut_short_is_begun_anew(world, tmp_path, monkeypatch):
    def full(path, *rest):
        raise RunError(str(path), "no space left while writing", "free some space")

    with monkeypatch.context() as patch:
        patch.setattr(crop_cache, "write_whole", full)
        with pytest.raises(RunError, match="no space left"):
            dataset(world, tmp_path / "c")
    assert not (tmp_path / "c" / crop_cache.INDEX).exists()
    dataset(world, tmp_path / "c")
    about = json.loads((tmp_path / "c" / crop_cache.ABOUT).read_text())
    assert about["people"] == 36 and Windows(tmp_path / "c").read(7) is not None


def test_people_of_unreadable_images_have_none_and_are_counted_as_ever(world, tmp_path):
    people, pictures = world
    path = pictures.root / "3.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    crops = Crops(dataset(world, tmp_path / "c"), 36, most_bad=0.5)
    batch = next(crops.batches(0))
    bad = people.image_rows[batch.rows] == 3
    assert not batch.crops[bad].any() and not batch.keypoints[bad].any()
    assert batch.crops[~bad].flatten(1).any(1).all()
    assert len(crops.unreadable) == 1 and "3.jpg" in next(iter(crops.unreadable))


def test_a_image_of_another_size_than_its_annotations_is_refused_with_windows_too(world, tmp_path):
    people, pictures = world
    wrong = replace(people.images, width=np.where(people.images.ids == 3, 641, 640))
    world = (replace(people, images=wrong), pictures)
    for cache in (None, tmp_path / "c"):
        crops = Crops(dataset(world, cache), 36)
        with pytest.raises(InputError, match=r"3\.jpg.*the annotations say 641"):
            next(crops.batches(0))


def test_what_a_kill_left_is_removed_and_two_never_fill_one_folder(world, tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / ".windows-00000.bin.abc.part").write_bytes(b"half")
    with (
        locked(folder / "lock"),
        pytest.raises(InputError, match=r"c: locked by process"),
    ):
        dataset(world, folder)
    dataset(world, folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {crop_cache.INDEX, crop_cache.ABOUT, "windows-00000.bin"}


def test_people_shrunk_and_pasted_come_from_the_image(world, tmp_path):
    augment = replace(Augment(), paste=1.0)
    rows = np.arange(36)
    a, at = dataset(world, None, augment).cut(1, rows)
    b, where = dataset(world, tmp_path / "c", augment).cut(1, rows)
    np.testing.assert_array_equal(at, where)
    same = (a == b).all(axis=(1, 2, 3))
    assert 6 < same.sum() < 36 and np.abs(a.astype(int) - b).mean() < 1.5
