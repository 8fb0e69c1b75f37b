"""Batches: each picture opened once, the same samples for any number of workers and any start."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.augmentation import Augment
from smallpose.dataloading.images import Pictures
from smallpose.dataloading.top_down.batches import Crops, ImageOfPeople, trainable

WH = (48, 64)


class Counting(Pictures):
    """Pictures that note what was opened."""

    opened: list[str]

    def read(self, name: str) -> np.ndarray:
        self.opened.append(name)
        return super().read(name)


def world(folder: Path, images: int = 6, each: int = 3) -> tuple[Instances, Counting]:
    rng = np.random.default_rng(0)
    for i in range(images):
        picture = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    n = images * each
    keypoints = rng.uniform(5, 55, (n, 17, 3))
    keypoints[:, :, 2] = 2
    boxes = np.concatenate([rng.uniform(0, 20, (n, 2)), rng.uniform(10, 40, (n, 2))], axis=1)
    table = make_images(
        range(images), [f"{i}.png" for i in range(images)], [80] * images, [60] * images
    )
    people = make_instances(COCO17, table, np.arange(n) % images, boxes, keypoints)
    pictures = Counting(folder)
    object.__setattr__(pictures, "opened", [])
    return people, pictures


def crops_of(people, pictures, batch_size=4, jobs=0, seed=0, **more) -> Crops:
    rows = trainable(people)
    return Crops(
        ImageOfPeople(people, rows, pictures, WH, Augment(), seed), batch_size, jobs, **more
    )


def equal(a, b) -> bool:
    return all(
        (x.rows == y.rows).all()
        and torch.equal(x.crops, y.crops)
        and torch.equal(x.keypoints, y.keypoints)
        for x, y in zip(a, b, strict=True)
    )


def test_who_is_trained_on(tmp_path):
    people, _ = world(tmp_path)
    people.iscrowd[0] = True
    people.keypoints[1, :, 2] = 0
    people.boxes_xywh[2, 2] = 0
    people.num_keypoints[3] = 0
    assert trainable(people).tolist() == list(range(4, 18))


def test_an_epoch_has_everyone_once_and_opens_each_image_once(tmp_path):
    people, pictures = world(tmp_path)
    batches = list(crops_of(people, pictures).batches(0))
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(18))
    assert [len(b.rows) for b in batches] == [4, 4, 3, 4, 3]
    assert sorted(pictures.opened) == [f"{i}.png" for i in range(6)]


def test_a_small_window_still_has_everyone_once(tmp_path):
    people, pictures = world(tmp_path)
    crops = crops_of(people, pictures)
    crops.window = 5
    batches = list(crops.batches(0))
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(18))
    assert [len(b.rows) for b in batches] == [4, 4, 3, 4, 3]


@pytest.mark.parametrize("window", [5, 4096])
@pytest.mark.parametrize("first", [1, 3, 4])
def test_from_any_step_on_the_batches_are_the_same(tmp_path, window, first):
    people, pictures = world(tmp_path)
    crops = crops_of(people, pictures)
    crops.window = window
    assert equal(list(crops.batches(2))[first:], list(crops.batches(2, first)))


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_number_of_workers_changes_no_sample(tmp_path, jobs):
    people, pictures = world(tmp_path)
    alone = list(crops_of(people, pictures).batches(1))
    assert equal(alone, list(crops_of(people, pictures, jobs=jobs).batches(1)))


@pytest.mark.parametrize("window", [5, 4096])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_steps_of_one_process(tmp_path, window, world_size):
    people, pictures = world(tmp_path)

    def batches(**more):
        crops = crops_of(people, pictures, **more)
        crops.window = window
        return list(crops.batches(1, 1))

    alone = batches()
    shares = [batches(rank=rank, world=world_size) for rank in range(world_size)]
    for whole, *parts in zip(alone, *shares, strict=True):
        got = {int(r): c for p in parts for r, c in zip(p.rows, p.crops, strict=True)}
        assert sorted(got) == sorted(whole.rows.tolist())
        assert all(
            torch.equal(got[int(r)], c) for r, c in zip(whole.rows, whole.crops, strict=True)
        )
        assert max(len(p.rows) for p in parts) - min(len(p.rows) for p in parts) <= 1
        # A mean over ranks of weighted means is the mean over everybody.
        means = [p.weight * float(p.keypoints.mean()) for p in parts]
        assert np.mean(means) == pytest.approx(float(whole.keypoints.mean()), rel=1e-5)


def test_epochs_and_seeds_differ_and_repeat(tmp_path):
    people, pictures = world(tmp_path)
    first = list(crops_of(people, pictures).batches(0))
    assert equal(first, list(crops_of(people, pictures).batches(0)))
    assert not equal(first, list(crops_of(people, pictures).batches(1)))
    assert not equal(first, list(crops_of(people, pictures, seed=1).batches(0)))


def test_a_sample_does_not_depend_on_the_batch_size(tmp_path):
    people, pictures = world(tmp_path)

    def by_person(size):
        batches = crops_of(people, pictures, batch_size=size).batches(3)
        return {int(r): c for b in batches for r, c in zip(b.rows, b.crops, strict=True)}

    one, other = by_person(3), by_person(7)
    assert all(torch.equal(one[row], other[row]) for row in range(18))


def test_keypoints_lie_on_the_same_spot_of_the_crop(tmp_path):
    people, pictures = world(tmp_path, images=1, each=1)
    # A white dot on each of two joints, far from the others.
    picture = np.zeros((60, 80, 3), np.uint8)
    people.boxes_xywh[0] = [10, 5, 40, 50]
    people.keypoints[0, :, 2] = 0
    people.keypoints[0, 5] = [22, 20, 2]
    cv2.circle(picture, (22, 20), 2, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    for epoch in range(20):
        batch = next(crops_of(people, pictures).batches(epoch))
        joint = int(batch.keypoints[0, :, 2].argmax())  # mirrored, it is the other shoulder
        crop = batch.crops[0, :, :, 0].numpy().astype(float)
        if (batch.keypoints[0, joint, :2] - torch.tensor([23.5, 31.5])).abs().max() > 18:
            continue  # the jitter has moved the dot to the border or out
        y, x = np.mgrid[:64, :48]
        middle = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
        assert np.abs(middle - batch.keypoints[0, joint, :2].numpy()).max() < 0.6
        assert joint in (5, 6)


def test_a_image_that_cannot_be_read_leaves_black_crops_without_labels(tmp_path):
    people, pictures = world(tmp_path)
    whole = list(crops_of(people, pictures).batches(0))
    (tmp_path / "2.png").write_bytes(b"<html>")
    crops = crops_of(people, pictures, most_bad=0.5)
    batches = list(crops.batches(0))
    for before, after in zip(whole, batches, strict=True):
        bad = people.image_rows[after.rows] == 2
        assert (after.crops[bad] == 0).all() and (after.keypoints[bad] == 0).all()
        assert torch.equal(before.crops[~bad], after.crops[~bad])
    assert len(crops.unreadable) == 1
    assert "not an image" in next(iter(crops.unreadable))


def test_too_many_unreadable_images_stop_the_run(tmp_path):
    people, pictures = world(tmp_path)
    (tmp_path / "2.png").unlink()
    with pytest.raises(InputError, match="1 of 6 pictures cannot be read"):
        list(crops_of(people, pictures).batches(0))


def test_a_image_of_another_size_than_annotated_is_named(tmp_path):
    people, pictures = world(tmp_path)
    cv2.imwrite(str(tmp_path / "2.png"), np.zeros((50, 80, 3), np.uint8))
    with pytest.raises(InputError, match=r"2.png: the picture is 80 × 50, .* say 80 × 60"):
        list(crops_of(people, pictures).batches(0))


def test_a_name_that_leaves_the_root_is_no_unreadable_image(tmp_path):
    people, _ = world(tmp_path)
    outside = tmp_path / "inner"
    outside.mkdir()
    for i in range(6):
        (outside / f"{i}.png").symlink_to(tmp_path / f"{i}.png")
    with pytest.raises(RefusedError):
        list(crops_of(people, Pictures(outside), most_bad=1.0).batches(0))


def test_workers_wait_from_one_epoch_for_the_next(tmp_path):
    people, pictures = world(tmp_path)
    crops = crops_of(people, pictures, jobs=2)
    first = list(crops.batches(0))
    workers = [worker.process.pid for worker in crops._pool._workers]
    second = list(crops.batches(1))
    assert len(workers) == 2
    assert [worker.process.pid for worker in crops._pool._workers] == workers
    assert equal(first, crops_of(people, pictures).batches(0))
    assert equal(second, crops_of(people, pictures).batches(1))
    crops.close()
