"""The cache of decoded images: the same pixels, within its bytes, and an end to reading."""

import pickle

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading import image_cache
from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.image_cache import MB, CachedImageReader, limit_cache_bytes
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable

SHAPE = (10, 20, 3)
SIZE = 600  # bytes


class CountingReader:
    """Returns an image of the name's number, or raises; counts what it is asked for."""

    def __init__(self) -> None:
        self.num_read = 0

    def read(self, name: str) -> np.ndarray:
        self.num_read += 1
        if name == "broken":
            raise InputError(name, "is broken", "mend it")
        return np.full(SHAPE, int(name), np.uint8)


def test_images_that_fit_are_read_once_and_the_others_each_time():
    reader = CountingReader()
    cache = CachedImageReader(reader, 2 * SIZE + 1)
    for epoch in range(3):
        for number in range(4):
            assert (cache.read(str(number)) == number).all()
        assert reader.num_read == 4 + 2 * epoch
    assert cache.num_bytes == 2 * SIZE


def test_without_bytes_nothing_is_kept_and_errors_pass_each_time():
    reader = CountingReader()
    cache = CachedImageReader(reader, 0)
    for _ in range(2):
        cache.read("1")
        with pytest.raises(InputError, match="is broken"):
            cache.read("broken")
    assert (reader.num_read, cache.num_bytes) == (4, 0)


def test_a_worker_begins_with_an_empty_cache():
    cache = CachedImageReader(CountingReader(), 10 * SIZE)
    cache.read("1")
    sent = pickle.loads(pickle.dumps(cache))
    assert (sent.num_bytes, sent.max_bytes) == (0, 10 * SIZE)
    assert len(pickle.dumps(cache)) < SIZE
    assert (sent.read("1") == 1).all() and sent.reader.num_read == 2


def test_processes_share_what_is_allowed_and_a_quarter_of_what_is_free(monkeypatch):
    monkeypatch.setattr(image_cache, "get_free_memory", lambda: 800 * MB)
    assert limit_cache_bytes(100) == 100 * MB
    assert limit_cache_bytes(100, 4) == 25 * MB
    assert limit_cache_bytes(1000) == 200 * MB
    assert limit_cache_bytes(0, 2) == 0


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_of_all_epochs_are_those_without_a_cache(tmp_path, num_workers):
    rng = np.random.default_rng(0)
    for row in range(4):
        image = rng.integers(0, 255, (180, 200, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{row}.png"), image)
    keypoints = rng.uniform(20, 170, (8, 17, 3))
    keypoints[:, :, 2] = 2
    images = make_images(range(4), [f"{row}.png" for row in range(4)], [200] * 4, [180] * 4)
    boxes = np.tile([10.0, 10.0, 170.0, 165.0], (8, 1))
    people = make_instances(COCO17, images, np.arange(8) % 4, boxes, keypoints)
    epochs = []
    for max_bytes in (0, 2 * 180 * 200 * 3, 10 * MB):
        reader = CachedImageReader(ImageReader(tmp_path), max_bytes)
        # Pasted people are drawn into the image, which is as before when they are cut.
        augmentation = Augmentation(paste=0.7)
        rows = select_trainable(people)
        dataset = CropDataset(people, rows, reader, (48, 64), augmentation, 0)
        loader = CropLoader(dataset, LoaderOptions(batch_size=4, num_workers=num_workers))
        epochs.append([batch for epoch in range(3) for batch in loader.batches(epoch)])
        loader.close()
        assert num_workers or reader.num_bytes == min(max_bytes, 4 * 180 * 200 * 3)
    for other in epochs[1:]:
        for batch, expected in zip(other, epochs[0], strict=True):
            assert torch.equal(batch.crops, expected.crops)
            assert torch.equal(batch.keypoints, expected.keypoints)
