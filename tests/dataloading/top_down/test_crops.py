"""Crop batches: each image is opened once; workers, ranks and the first step change no sample."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable

WH = (48, 64)


class CountingReader(ImageReader):
    """A reader that records the names of the images it reads."""

    opened: list[str]

    def read(self, name: str) -> np.ndarray:
        self.opened.append(name)
        return super().read(name)


def make_data(
    folder: Path, images: int = 6, per_image: int = 3
) -> tuple[Instances, CountingReader]:
    rng = np.random.default_rng(0)
    for i in range(images):
        image = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), image)
    n = images * per_image
    keypoints = rng.uniform(5, 55, (n, 17, 3))
    keypoints[:, :, 2] = 2
    boxes = np.concatenate([rng.uniform(0, 20, (n, 2)), rng.uniform(10, 40, (n, 2))], axis=1)
    table = make_images(
        range(images), [f"{i}.png" for i in range(images)], [80] * images, [60] * images
    )
    people = make_instances(COCO17, table, np.arange(n) % images, boxes, keypoints)
    reader = CountingReader(folder)
    object.__setattr__(reader, "opened", [])
    return people, reader


def make_loader(people, reader, seed=0, **options) -> CropLoader:
    dataset = CropDataset(people, select_trainable(people), reader, WH, Augmentation(), seed)
    return CropLoader(dataset, LoaderOptions(**({"batch_size": 4} | options)))


def are_equal(a, b) -> bool:
    return all(
        (x.rows == y.rows).all()
        and torch.equal(x.crops, y.crops)
        and torch.equal(x.keypoints, y.keypoints)
        for x, y in zip(a, b, strict=True)
    )


def test_trainable_people_are_no_crowd_and_have_a_keypoint_and_a_box(tmp_path):
    people, _ = make_data(tmp_path)
    people.iscrowd[0] = True
    people.keypoints[1, :, 2] = 0
    people.boxes_xywh[2, 2] = 0
    people.num_keypoints[3] = 0
    assert select_trainable(people).tolist() == list(range(4, 18))


def test_an_epoch_has_everyone_once_and_opens_each_image_once(tmp_path):
    people, reader = make_data(tmp_path)
    batches = list(make_loader(people, reader).batches(0))
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(18))
    assert [len(b.rows) for b in batches] == [4, 4, 3, 4, 3]
    assert sorted(reader.opened) == [f"{i}.png" for i in range(6)]


def test_a_small_window_still_has_everyone_once(tmp_path):
    people, reader = make_data(tmp_path)
    crops = make_loader(people, reader)
    crops.window = 5
    batches = list(crops.batches(0))
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(18))
    assert [len(b.rows) for b in batches] == [4, 4, 3, 4, 3]


@pytest.mark.parametrize("window", [5, 4096])
@pytest.mark.parametrize("first", [1, 3, 4])
def test_from_any_step_on_the_batches_are_the_same(tmp_path, window, first):
    people, reader = make_data(tmp_path)
    crops = make_loader(people, reader)
    crops.window = window
    assert are_equal(list(crops.batches(2))[first:], list(crops.batches(2, first)))


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_number_of_workers_changes_no_sample(tmp_path, num_workers):
    people, reader = make_data(tmp_path)
    single = list(make_loader(people, reader).batches(1))
    assert are_equal(single, list(make_loader(people, reader, num_workers=num_workers).batches(1)))


@pytest.mark.parametrize("window", [5, 4096])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_steps_of_one_process(tmp_path, window, world_size):
    people, reader = make_data(tmp_path)

    def batches(**options):
        crops = make_loader(people, reader, **options)
        crops.window = window
        return list(crops.batches(1, 1))

    single = batches()
    shares = [batches(rank=rank, world_size=world_size) for rank in range(world_size)]
    for full, *parts in zip(single, *shares, strict=True):
        crop_of = {int(r): c for p in parts for r, c in zip(p.rows, p.crops, strict=True)}
        assert sorted(crop_of) == sorted(full.rows.tolist())
        assert all(
            torch.equal(crop_of[int(r)], c) for r, c in zip(full.rows, full.crops, strict=True)
        )
        assert max(len(p.rows) for p in parts) - min(len(p.rows) for p in parts) <= 1
        # The mean over ranks of weighted means is the mean over all people.
        means = [p.weight * float(p.keypoints.mean()) for p in parts]
        assert np.mean(means) == pytest.approx(float(full.keypoints.mean()), rel=1e-5)


def test_epochs_and_seeds_differ_and_repeat(tmp_path):
    people, reader = make_data(tmp_path)
    first = list(make_loader(people, reader).batches(0))
    assert are_equal(first, list(make_loader(people, reader).batches(0)))
    assert not are_equal(first, list(make_loader(people, reader).batches(1)))
    assert not are_equal(first, list(make_loader(people, reader, seed=1).batches(0)))


def test_a_sample_does_not_depend_on_the_batch_size(tmp_path):
    people, reader = make_data(tmp_path)

    def by_person(size):
        batches = make_loader(people, reader, batch_size=size).batches(3)
        return {int(r): c for b in batches for r, c in zip(b.rows, b.crops, strict=True)}

    one = by_person(3)
    other = by_person(7)
    assert all(torch.equal(one[row], other[row]) for row in range(18))


def test_keypoints_are_on_the_same_spot_of_the_crop_as_of_the_image(tmp_path):
    people, reader = make_data(tmp_path, images=1, per_image=1)
    # A white dot on per_image of two joints, far from the others.
    image = np.zeros((60, 80, 3), np.uint8)
    people.boxes_xywh[0] = [10, 5, 40, 50]
    people.keypoints[0, :, 2] = 0
    people.keypoints[0, 5] = [22, 20, 2]
    cv2.circle(image, (22, 20), 2, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "0.png"), image)
    for epoch in range(20):
        batch = next(make_loader(people, reader).batches(epoch))
        joint = int(batch.keypoints[0, :, 2].argmax())  # in a mirrored crop, the other shoulder
        crop = batch.crops[0, :, :, 0].numpy().astype(float)
        if (batch.keypoints[0, joint, :2] - torch.tensor([23.5, 31.5])).abs().max() > 18:
            continue  # the augmentation moved the dot to the border or out
        y, x = np.mgrid[:64, :48]
        center = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
        assert np.abs(center - batch.keypoints[0, joint, :2].numpy()).max() < 0.6
        assert joint in (5, 6)


def test_an_image_that_cannot_be_read_leaves_black_crops_without_labels(tmp_path):
    people, reader = make_data(tmp_path)
    full = list(make_loader(people, reader).batches(0))
    (tmp_path / "2.png").write_bytes(b"<html>")
    crops = make_loader(people, reader, max_unreadable=0.5)
    batches = list(crops.batches(0))
    for before, after in zip(full, batches, strict=True):
        is_bad = people.image_rows[after.rows] == 2
        assert (after.crops[is_bad] == 0).all() and (after.keypoints[is_bad] == 0).all()
        assert torch.equal(before.crops[~is_bad], after.crops[~is_bad])
    assert len(crops.unreadable) == 1
    assert "not an image" in next(iter(crops.unreadable))


def test_too_many_unreadable_images_stop_the_run(tmp_path):
    people, reader = make_data(tmp_path)
    (tmp_path / "2.png").unlink()
    with pytest.raises(InputError, match="1 of 6 images cannot be read"):
        list(make_loader(people, reader).batches(0))


def test_an_image_of_another_size_than_annotated_is_named(tmp_path):
    people, reader = make_data(tmp_path)
    cv2.imwrite(str(tmp_path / "2.png"), np.zeros((50, 80, 3), np.uint8))
    with pytest.raises(InputError, match=r"2.png: the image is 80 × 50, .* say 80 × 60"):
        list(make_loader(people, reader).batches(0))


def test_a_name_that_leaves_the_root_is_refused_and_not_counted_as_unreadable(tmp_path):
    people, _ = make_data(tmp_path)
    outside = tmp_path / "inner"
    outside.mkdir()
    for i in range(6):
        (outside / f"{i}.png").symlink_to(tmp_path / f"{i}.png")
    with pytest.raises(RefusedError):
        list(make_loader(people, ImageReader(outside), max_unreadable=1.0).batches(0))


def test_workers_live_from_one_epoch_to_the_next(tmp_path):
    people, reader = make_data(tmp_path)
    crops = make_loader(people, reader, num_workers=2)
    first = list(crops.batches(0))
    workers = [worker.process.pid for worker in crops._pool._workers]
    second = list(crops.batches(1))
    assert len(workers) == 2
    assert [worker.process.pid for worker in crops._pool._workers] == workers
    assert are_equal(first, make_loader(people, reader).batches(0))
    assert are_equal(second, make_loader(people, reader).batches(1))
    crops.close()
