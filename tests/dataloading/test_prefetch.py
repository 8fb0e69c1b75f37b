"""Batches prepared in a thread: the same ones, not too many, errors at their step, a clean end."""

import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading import prefetch
from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.batches import BatchLoader, LoaderOptions
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.prefetch import BatchPrefetcher, choose_num_ahead
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable

STEPS_PER_EPOCH = 5


class NumberLoader(BatchLoader):
    """A loader whose batches are (epoch, step), and which records what it prepared."""

    def __init__(self, num_ahead: int, fails_at: int = -1) -> None:
        options = LoaderOptions(batch_size=1, num_ahead=num_ahead)
        super().__init__(None, STEPS_PER_EPOCH, 1, options)
        self.fails_at = fails_at
        self.prepared: list[int] = []
        self.threads: set[str] = set()
        self.closed_epochs: list[int] = []
        self.is_closed = False
        self.has_prepared = threading.Semaphore(0)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Any]:
        try:
            for step in range(first_step, STEPS_PER_EPOCH):
                self.threads.add(threading.current_thread().name)
                number = epoch * STEPS_PER_EPOCH + step
                if number == self.fails_at:
                    raise InputError(f"step {number}", "is bad", "leave it out")
                self.prepared.append(number)
                self.has_prepared.release()
                yield epoch, step
        finally:
            self.closed_epochs.append(epoch)

    def close(self) -> None:
        self.is_closed = True


def train_steps(batches: BatchPrefetcher, first: int, end: int) -> list[Any]:
    """Take batches as a trainer does."""
    taken = []
    for step in range(first, end):
        taken.append(batches.take(step))
        batches.prepare(step + 1, end)
    return taken


def list_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("batches")]


@pytest.mark.parametrize("num_ahead", [0, 1, 2, 7])
def test_every_step_gets_its_batch_from_any_step_on(num_ahead):
    for first in (0, 3, 5, 9):
        loader = NumberLoader(num_ahead)
        batches = BatchPrefetcher(loader)
        expected = [divmod(step, STEPS_PER_EPOCH) for step in range(first, 13)]
        assert train_steps(batches, first, 13) == expected
        assert loader.prepared == list(range(first, 13))  # each once, and none beyond the end
        batches.close()
        assert list_threads() == [] and loader.is_closed


def test_at_most_the_allowed_number_of_batches_waits():
    loader = NumberLoader(2)
    batches = BatchPrefetcher(loader)
    for step in range(9):
        batches.take(step)
        batches.prepare(step + 1, 100)
        batches.prepare(step + 1, 100)  # as for each micro-batch
        assert len(loader.prepared) <= step + 3
        assert len(batches._queue) == 2
    batches.close()


def test_batches_are_prepared_while_the_network_trains():
    loader = NumberLoader(2)
    batches = BatchPrefetcher(loader)
    batches.take(0)
    batches.prepare(1, 9)
    for _ in range(3):  # none of the next ones is taken
        assert loader.has_prepared.acquire(timeout=20)
    batches.close()
    assert loader.threads == {"batches_0"}
    without = NumberLoader(0)
    train_steps(BatchPrefetcher(without), 0, 3)
    assert without.threads == {threading.current_thread().name}


def test_an_error_is_raised_at_the_step_it_belongs_to():
    for num_ahead in (0, 2):
        batches = BatchPrefetcher(NumberLoader(num_ahead, fails_at=7))
        assert len(train_steps(batches, 5, 7)) == 2
        batches.prepare(7, 20)
        with pytest.raises(InputError, match="step 7: is bad; leave it out"):
            batches.take(7)
        batches.close()
        assert list_threads() == []


def test_closing_drops_what_was_not_taken_and_ends_the_epoch():
    loader = NumberLoader(2)
    batches = BatchPrefetcher(loader)
    train_steps(batches, 0, 7)
    batches.prepare(7, 20)
    batches.close()
    assert list_threads() == [] and not batches._queue
    assert loader.closed_epochs == [0, 1] and loader.is_closed
    assert train_steps(batches, 2, 4) == [(0, 2), (0, 3)]  # it may be used again
    batches.close()


def test_crops_are_the_same_with_and_without_a_thread(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        image = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    keypoints = rng.uniform(5, 55, (18, 17, 3))
    keypoints[:, :, 2] = 2
    boxes = np.concatenate([rng.uniform(0, 20, (18, 2)), rng.uniform(10, 40, (18, 2))], axis=1)
    table = make_images(range(6), [f"{i}.png" for i in range(6)], [80] * 6, [60] * 6)
    people = make_instances(COCO17, table, np.arange(18) % 6, boxes, keypoints)
    augmentation = Augmentation(paste=0.5, coarse=0.5, balance=1)

    def list_batches(num_ahead: int) -> list[Any]:
        rows = select_trainable(people)
        crops = CropDataset(people, rows, ImageReader(tmp_path), (48, 64), augmentation, 3)
        loader = CropLoader(crops, LoaderOptions(batch_size=4, num_ahead=num_ahead))
        batches = BatchPrefetcher(loader)
        taken = train_steps(batches, 2, 3 * loader.steps_per_epoch)
        batches.close()
        return taken

    single = list_batches(0)
    for num_ahead in (1, 3):
        for ours, theirs in zip(single, list_batches(num_ahead), strict=True):
            assert (ours.rows == theirs.rows).all()
            assert torch.equal(ours.crops, theirs.crops)
            assert torch.equal(ours.keypoints, theirs.keypoints)


def test_a_thread_is_used_where_a_core_is_left(monkeypatch):
    monkeypatch.setattr(prefetch, "count_cores", lambda limit: min(4, limit))
    assert [choose_num_ahead(n) for n in (1, 3, 4, 8)] == [2, 2, 0, 0]
    assert [choose_num_ahead(1, n) for n in (1, 2, 3)] == [2, 2, 0]
