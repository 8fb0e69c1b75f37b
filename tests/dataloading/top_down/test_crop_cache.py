"""The crop cache: samples equal those cut from the images, except for the loss of JPEG."""

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
from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down import crop_cache
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable
from smallpose.dataloading.top_down.crop_cache import CropCache, compute_cached_window
from smallpose.system.lock import hold_lock

WH = (48, 64)
SIZE = (640, 480)


class CountingReader(ImageReader):
    """A reader that counts the images it reads."""

    num_opened = 0

    def read(self, name: str) -> np.ndarray:
        object.__setattr__(self, "num_opened", self.num_opened + 1)
        return super().read(name)


def draw_scene(rng: np.random.Generator) -> np.ndarray:
    """Draw something like a photograph: soft shapes with edges between them, and a little grain."""
    small = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        x, y, r = rng.integers(0, 640), rng.integers(0, 480), rng.integers(5, 40)
        cv2.circle(image, (int(x), int(y)), int(r), rng.integers(0, 255, 3).tolist(), -1)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path) -> tuple[Instances, CountingReader]:
    """Return six images, each with five small people and one who fills it."""
    rng = np.random.default_rng(0)
    for i in range(6):
        options = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), draw_scene(rng), options)
    n = 36
    small = np.concatenate(
        [rng.uniform([0, 0], [560, 380], (n, 2)), rng.uniform(20, 90, (n, 2))], 1
    )
    small[:6] = [90, 20, 300, 440]
    rows = np.arange(n) % 6
    points = small[:, None, :2] + rng.random((n, 17, 2)) * small[:, None, 2:]
    keypoints = np.concatenate([points, np.full((n, 17, 1), 2.0)], 2)
    images = make_images(range(6), [f"{i}.jpg" for i in range(6)], [640] * 6, [480] * 6)
    return make_instances(COCO17, images, rows, small, keypoints), CountingReader(tmp_path)


def make_dataset(
    data,
    cache: Path | None,
    augmentation: Augmentation | None = None,
    udp: bool = False,
    num_workers: int = 0,
) -> CropDataset:
    people, reader = data
    rows = select_trainable(people)
    dataset = CropDataset(people, rows, reader, WH, augmentation or Augmentation(), 0, udp)
    if cache is not None:
        dataset.open_cache(cache, num_workers)
    return dataset


def make_loader(data, cache: Path | None, **options) -> CropLoader:
    options = {"batch_size": 8} | options
    dataset = make_dataset(data, cache, num_workers=options.get("num_workers", 0))
    return CropLoader(dataset, LoaderOptions(**options))


@pytest.mark.parametrize("udp", [False, True])
def test_samples_equal_those_of_the_images_except_for_the_loss_of_jpeg(data, tmp_path, udp):
    reader = data[1]
    plain = make_dataset(data, None, udp=udp)
    cached = make_dataset(data, tmp_path / "c", udp=udp)
    small = np.arange(6, 36)
    num_opened = 0
    for epoch in range(4):
        a, a_keypoints = plain.cut(epoch, small)
        before = reader.num_opened
        b, b_keypoints = cached.cut(epoch, small)
        num_opened += reader.num_opened - before
        np.testing.assert_array_equal(a_keypoints, b_keypoints)
        difference = np.abs(a.astype(int) - b)
        assert difference.mean() < 1.5 and np.percentile(difference, 99) <= 12
        # Black beyond the image stays black.
        assert ((a.max(axis=3) == 0) == (b.max(axis=3) < 8)).mean() > 0.99
    assert num_opened <= 6  # of 24, for the few crops that reach beyond their window


def test_crops_that_reach_beyond_their_window_are_cut_from_the_image(data, tmp_path):
    wild = replace(Augmentation(), shift=3.0, shift_chance=1.0, scale=0.9)
    plain = make_dataset(data, None, wild)
    cached = make_dataset(data, tmp_path / "c", wild)
    rows = np.arange(36)
    a = plain.cut(0, rows)[0]
    b = cached.cut(0, rows)[0]
    is_same = (a == b).all(axis=(1, 2, 3))
    # People who fill the image have no window.
    assert 5 < is_same.sum() < 36 and is_same[:6].all()
    assert np.abs(a.astype(int) - b).mean() < 1.5


@pytest.mark.parametrize("seed", range(20))
def test_a_window_is_inside_its_image_and_contains_the_person(seed):
    rng = np.random.default_rng(seed)
    box = np.concatenate([rng.uniform([-20, -20], [600, 440]), rng.uniform(10, 70, 2)])
    x, y, w, h = compute_cached_window(box, SIZE, WH)
    assert x >= 0 and y >= 0 and x + w <= 640 and y + h <= 480 and x % 16 == y % 16 == 0
    inside = np.clip([*box[:2], *(box[:2] + box[2:])], 0, [639, 479, 639, 479])
    assert x <= inside[0] and y <= inside[1] and x + w >= inside[2] and y + h >= inside[3]


def test_the_cache_is_filled_once_and_refuses_other_people(data, tmp_path, capsys):
    people, reader = data
    folder = tmp_path / "c"
    make_dataset(data, folder)
    num_opened = reader.num_opened
    assert num_opened == 6 and "cutting 36 people out" in capsys.readouterr().err
    make_dataset(data, folder)
    assert reader.num_opened == num_opened and not capsys.readouterr().err
    moved = replace(people, boxes_xywh=people.boxes_xywh + 1)
    with pytest.raises(InputError, match=r"--cache .* their boxes differ"):
        make_dataset((moved, reader), folder)
    with pytest.raises(InputError, match="their shape differ"):
        square = CropDataset(people, select_trainable(people), reader, (64, 64), None, 0)
        square.open_cache(folder)


def test_workers_read_several_shards_and_write_the_same_bytes(data, tmp_path, monkeypatch):
    monkeypatch.setattr(crop_cache, "SHARD_BYTES", 20_000)
    one, two = tmp_path / "one", tmp_path / "two"
    batches = [
        list(make_loader(data, folder, num_workers=num_workers).batches(0))
        for folder, num_workers in ((one, 0), (two, 2))
    ]
    assert len(list(one.glob("windows-*.bin"))) > 2
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
    for a, b in zip(*batches, strict=True):
        assert torch.equal(a.crops, b.crops) and torch.equal(a.keypoints, b.keypoints)


def test_an_incomplete_cache_is_filled_again(data, tmp_path, monkeypatch):
    def fail(path, *rest):
        raise RunError(str(path), "no space left while writing", "free some space")

    with monkeypatch.context() as patch:
        patch.setattr(crop_cache, "write_atomically", fail)
        with pytest.raises(RunError, match="no space left"):
            make_dataset(data, tmp_path / "c")
    assert not (tmp_path / "c" / crop_cache.INDEX).exists()
    make_dataset(data, tmp_path / "c")
    about = json.loads((tmp_path / "c" / crop_cache.ABOUT).read_text())
    assert about["people"] == 36 and CropCache(tmp_path / "c").read(7) is not None


def test_unreadable_images_have_no_windows_and_are_counted(data, tmp_path):
    people, reader = data
    path = reader.root / "3.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    crops = make_loader(data, tmp_path / "c", batch_size=36, max_unreadable=0.5)
    batch = next(crops.batches(0))
    is_bad = people.image_rows[batch.rows] == 3
    assert not batch.crops[is_bad].any() and not batch.keypoints[is_bad].any()
    assert batch.crops[~is_bad].flatten(1).any(1).all()
    assert len(crops.unreadable) == 1 and "3.jpg" in next(iter(crops.unreadable))


def test_an_image_of_another_size_than_annotated_is_refused_with_a_cache_too(data, tmp_path):
    people, reader = data
    wrong = replace(people.images, width=np.where(people.images.ids == 3, 641, 640))
    data = (replace(people, images=wrong), reader)
    for cache in (None, tmp_path / "c"):
        crops = make_loader(data, cache, batch_size=36)
        with pytest.raises(InputError, match=r"3\.jpg.*the annotations say 641"):
            next(crops.batches(0))


def test_partial_files_are_removed_and_only_one_process_fills_a_folder(data, tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / ".windows-00000.bin.abc.part").write_bytes(b"half")
    with (
        hold_lock(folder / "lock"),
        pytest.raises(InputError, match=r"c: locked by process"),
    ):
        make_dataset(data, folder)
    make_dataset(data, folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {crop_cache.INDEX, crop_cache.ABOUT, "windows-00000.bin"}


def test_pasted_people_are_cut_from_the_image(data, tmp_path):
    augmentation = replace(Augmentation(), paste=1.0)
    rows = np.arange(36)
    a, a_keypoints = make_dataset(data, None, augmentation).cut(1, rows)
    b, b_keypoints = make_dataset(data, tmp_path / "c", augmentation).cut(1, rows)
    np.testing.assert_array_equal(a_keypoints, b_keypoints)
    is_same = (a == b).all(axis=(1, 2, 3))
    assert 6 < is_same.sum() < 36 and np.abs(a.astype(int) - b).mean() < 1.5
