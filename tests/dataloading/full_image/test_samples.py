"""Samples of full images: labels move with the pixels, and augmentation is reproducible."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.full_image.batches import FullImageLoader
from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.dataloading.full_image.samples import FullImageDataset

SIZE = (96, 64)
MOSAIC = FullImageAugmentation(
    pad=114, only_labelled=True, fit="long", mosaic=True, hsv=(5, 30, 30)
)


class MemoryReader:
    """A reader of images with a white block of pixels on the first joint of each person."""

    def __init__(self, people: Instances) -> None:
        self.images = {}
        for row, name in enumerate(people.images.file_names):
            image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
            for x, y in people.keypoints[people.image_rows == row, 0, :2].astype(int):
                image[y - 2 : y + 3, x - 2 : x + 3] = 255
            self.images[name] = image

    def read(self, name: str) -> np.ndarray:
        if name not in self.images:
            raise InputError(name, "no such image", "check --images")
        return self.images[name]


def make_people(num_images: int = 4) -> Instances:
    rng = np.random.default_rng(3)
    names = [f"{n}.png" for n in range(num_images)]
    table = make_images(
        range(1, num_images + 1), names, [SIZE[0]] * num_images, [SIZE[1]] * num_images
    )
    center = rng.uniform([35, 25], [60, 40], (num_images, 1, 2))
    xy = center + rng.uniform(-12, 12, (num_images, 17, 2))
    keypoints = np.concatenate([np.round(xy), np.full((num_images, 17, 1), 2.0)], axis=2)
    low = keypoints[..., :2].min(axis=1)
    high = keypoints[..., :2].max(axis=1)
    return make_instances(
        COCO17, table, list(range(num_images)), np.concatenate([low, high - low], axis=1), keypoints
    )


def make_dataset(
    augmentation: FullImageAugmentation | None, people: Instances, epochs: int = 0
) -> FullImageDataset:
    return FullImageDataset(
        people, np.arange(len(people.images)), MemoryReader(people), SIZE, augmentation, 7, epochs
    )


def make_loader(
    dataset: FullImageDataset,
    batch_size: int,
    *,
    sizes: tuple[int, int] | None = None,
    **options: Any,
) -> FullImageLoader:
    return FullImageLoader(dataset, LoaderOptions(batch_size=batch_size, **options), sizes)


@pytest.mark.parametrize(
    "augmentation",
    [
        None,
        FullImageAugmentation(),
        FullImageAugmentation(flip=1, rotate_deg=0),
        replace(MOSAIC, hsv=(0,) * 3),
    ],
)
def test_labels_stay_on_the_pixels_they_were_on(augmentation):
    people = make_people()
    dataset = make_dataset(augmentation, people)
    num_seen = 0
    for epoch in range(6):
        for index in range(4):
            image, labels, problem = dataset[(epoch, index)]
            assert problem == ""
            assert image.shape == (SIZE[1], SIZE[0], 3)
            for joints in labels.keypoints.numpy():
                # Mirroring keeps the first joint: COCO's nose has no partner.
                x, y, v = joints[0]
                if v and 1 < x < SIZE[0] - 2 and 1 < y < SIZE[1] - 2:
                    # Black is 0, the padding is 114, and mixing halves both.
                    bright = image[round(float(y)), round(float(x))].min()
                    assert bright > (
                        45 if augmentation is not None and augmentation.mosaic else 150
                    )
                    num_seen += 1
    assert num_seen > 10


def test_boxes_and_areas_follow_their_people():
    dataset = make_dataset(FullImageAugmentation(), make_people())
    for index in range(4):
        _, labels, _ = dataset[(0, index)]
        joints = labels.keypoints[0, :, :2]
        boxes = labels.boxes_xyxy[0]
        assert (joints >= boxes[:2] - 1e-3).all() and (joints <= boxes[2:] + 1e-3).all()
        height = (labels.corners[0, 1] - labels.corners[0, 0]).norm()
        width = (labels.corners[0, 2] - labels.corners[0, 0]).norm()
        assert float(labels.area[0]) == pytest.approx(0.53 * float(height * width), rel=1e-3)


def test_a_sample_is_a_function_of_seed_epoch_and_image():
    one = make_dataset(MOSAIC, make_people())
    other = make_dataset(MOSAIC, make_people())
    for key in ((0, 1), (3, 1), (0, 2)):
        np.testing.assert_array_equal(one[key][0], other[key][0])
    assert (one[(0, 1)][0] != one[(1, 1)][0]).any()


def test_an_epoch_has_every_image_once_and_resumes_at_any_step():
    loader = make_loader(make_dataset(FullImageAugmentation(), make_people(5)), 2)
    assert loader.steps_per_epoch == 3
    batches = list(loader.batches(1))
    assert sorted(np.concatenate([b.rows for b in batches]).tolist()) == [0, 1, 2, 3, 4]
    (last,) = loader.batches(1, first_step=2)
    np.testing.assert_array_equal(last.images.numpy(), batches[2].images.numpy())
    assert batches[0].people.image_index.tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_neither_workers_nor_ranks_change_a_step():
    people = make_people(9)
    single = list(make_loader(make_dataset(MOSAIC, people), 4, sizes=(64, 128)).batches(1))
    in_workers = list(
        make_loader(make_dataset(MOSAIC, people), 4, num_workers=2, sizes=(64, 128)).batches(1)
    )
    ranks = [
        list(
            make_loader(
                make_dataset(MOSAIC, people), 4, sizes=(64, 128), rank=rank, world_size=2
            ).batches(1)
        )
        for rank in (0, 1)
    ]
    for full, same, *parts in zip(single, in_workers, *ranks, strict=True):
        assert full.images.equal(same.images)
        for a, b in zip(full.people, same.people, strict=True):
            assert a.equal(b)
        shown = sorted(p.sum().item() for part in parts for p in part.images.long())
        assert shown == sorted(p.sum().item() for p in full.images.long())
        assert sum(len(p.people.keypoints) for p in parts) == len(full.people.keypoints)
        assert sum(p.weight for p in parts) == pytest.approx(2)


def test_labels_are_resized_with_their_batch():
    people = make_people()
    plain = next(make_loader(make_dataset(None, people), 4).batches(0))
    large = next(make_loader(make_dataset(None, people), 4, sizes=(160, 160)).batches(0))
    assert large.images.shape[1:3] == (160, 160)
    factor = np.array([160 / 96, 160 / 64], np.float32)
    np.testing.assert_allclose(
        large.people.keypoints[..., :2].numpy(),
        plain.people.keypoints.numpy()[..., :2] * factor,
        rtol=1e-5,
    )
    area = plain.people.area.numpy() * factor.prod()
    np.testing.assert_allclose(large.people.area.numpy(), area, rtol=1e-5)
    assert large.people.heatmap_mask.shape == (4, 40, 40)


def test_the_heatmap_mask_is_zero_where_people_are_not_labelled():
    people = make_people(1)
    crowd = make_instances(
        COCO17,
        people.images,
        [0, 0],
        [people.boxes_xywh[0], [8, 8, 40, 24]],
        [people.keypoints[0], np.zeros((17, 3))],
    )
    _, labels, _ = make_dataset(None, crowd)[(0, 0)]
    assert len(labels.keypoints) == 1
    mask = labels.heatmap_mask[0].numpy()
    assert (mask[3:7, 3:11] == 0).all()
    assert mask.sum() > mask.size / 2


def test_an_unreadable_image_is_an_empty_sample_and_too_many_stop_the_run():
    people = make_people()
    dataset = make_dataset(FullImageAugmentation(pad=9), people)
    del dataset.reader.images["2.png"]
    image, labels, problem = dataset[(0, 2)]
    assert (image == 9).all() and len(labels.keypoints) == 0 and "2.png" in problem
    batches = make_loader(dataset, 2, max_unreadable=0.5).batches(0)
    assert sum(len(b.images) for b in batches) == 4
    with pytest.raises(InputError, match=r"1 of 4 images"):
        list(make_loader(dataset, 2).batches(0))


def test_augmentation_for_crops_is_refused():
    with pytest.raises(InputError, match="these augment crops of people"):
        make_dataset(FullImageAugmentation(balance=0.5), make_people())


def test_the_closing_epochs_have_no_mosaic_and_may_be_letterboxed_only():
    people = make_people()
    letterboxed = replace(MOSAIC, closing=2, closing_still=True, hsv=(0, 0, 0), flip=0)
    dataset = make_dataset(letterboxed, people, epochs=5)
    image, labels, _ = dataset[(4, 0)]
    np.testing.assert_array_equal(image, dataset.reader.images["0.png"])
    np.testing.assert_allclose(labels.keypoints[0].numpy(), people.keypoints[0])
    assert (dataset[(2, 0)][0] != image).any()


def test_workers_live_from_one_epoch_to_the_next():
    loader = make_loader(make_dataset(FullImageAugmentation(), make_people()), 2, num_workers=1)
    pids = []
    for epoch in range(2):
        assert len(list(loader.batches(epoch))) == 2
        pids.append([worker.process.pid for worker in loader._pool._workers])
    loader.close()
    assert len(pids[0]) == 1 and pids[0] == pids[1]
