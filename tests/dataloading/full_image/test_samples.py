"""Whole pictures as training samples: people move with their picture, and chance is counted."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.full_image.mosaic import WholeAugment
from smallpose.dataloading.full_image.samples import WholeImages, Wholes

SIZE = (96, 64)
MOSAIC = WholeAugment(pad=114, only_labelled=True, fit="long", mosaic=True, hsv=(5, 30, 30))


class Memory:
    """Pictures with a white pixel block on the first joint of each person."""

    def __init__(self, people: Instances) -> None:
        self.made = {}
        for row, name in enumerate(people.images.file_names):
            picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
            for x, y in people.keypoints[people.image_rows == row, 0, :2].astype(int):
                picture[y - 2 : y + 3, x - 2 : x + 3] = 255
            self.made[name] = picture

    def read(self, name: str) -> np.ndarray:
        if name not in self.made:
            raise InputError(name, "no such picture", "check --images")
        return self.made[name]


def people(images: int = 4) -> Instances:
    rng = np.random.default_rng(3)
    names = [f"{n}.png" for n in range(images)]
    table = make_images(range(1, images + 1), names, [SIZE[0]] * images, [SIZE[1]] * images)
    middle = rng.uniform([35, 25], [60, 40], (images, 1, 2))
    xy = middle + rng.uniform(-12, 12, (images, 17, 2))
    keypoints = np.concatenate([np.round(xy), np.full((images, 17, 1), 2.0)], axis=2)
    low, high = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
    return make_instances(
        COCO17, table, list(range(images)), np.concatenate([low, high - low], axis=1), keypoints
    )


def samples(augment: WholeAugment | None, truth: Instances, **more: int) -> WholeImages:
    return WholeImages(truth, np.arange(len(truth.images)), Memory(truth), SIZE, augment, 7, **more)


@pytest.mark.parametrize(
    "augment",
    [None, WholeAugment(), WholeAugment(flip=1, rotate_deg=0), replace(MOSAIC, hsv=(0,) * 3)],
)
def test_people_stay_on_the_pixels_they_were_labelled_on(augment):
    truth = people()
    dataset = samples(augment, truth)
    seen = 0
    for epoch in range(6):
        for place in range(4):
            picture, found, wrong = dataset[(epoch, place)]
            assert wrong == ""
            assert picture.shape == (SIZE[1], SIZE[0], 3)
            for joints in found.keypoints.numpy():
                # In a mirror the first joint stays the first: COCO's nose is its own partner.
                x, y, v = joints[0]
                if v and 1 < x < SIZE[0] - 2 and 1 < y < SIZE[1] - 2:
                    # Black is 0, beside pictures it is 114, and mixing halves all of that.
                    bright = picture[round(float(y)), round(float(x))].min()
                    assert bright > (45 if augment is not None and augment.mosaic else 150)
                    seen += 1
    assert seen > 10


def test_boxes_and_areas_follow_their_people():
    dataset = samples(WholeAugment(), people())
    for place in range(4):
        _, found, _ = dataset[(0, place)]
        inside = found.keypoints[0, :, :2]
        boxes = found.boxes_xyxy[0]
        assert (inside >= boxes[:2] - 1e-3).all() and (inside <= boxes[2:] + 1e-3).all()
        height = (found.corners[0, 1] - found.corners[0, 0]).norm()
        width = (found.corners[0, 2] - found.corners[0, 0]).norm()
        assert float(found.area[0]) == pytest.approx(0.53 * float(height * width), rel=1e-3)


def test_a_sample_is_a_function_of_seed_epoch_and_image():
    one, other = samples(MOSAIC, people()), samples(MOSAIC, people())
    for which in ((0, 1), (3, 1), (0, 2)):
        np.testing.assert_array_equal(one[which][0], other[which][0])
    assert (one[(0, 1)][0] != one[(1, 1)][0]).any()


def test_an_epoch_is_every_image_once_and_goes_on_where_it_stopped():
    wholes = Wholes(samples(WholeAugment(), people(5)), 2)
    assert wholes.steps == 3
    batches = list(wholes.batches(1))
    assert sorted(np.concatenate([b.rows for b in batches]).tolist()) == [0, 1, 2, 3, 4]
    (last,) = wholes.batches(1, first_step=2)
    np.testing.assert_array_equal(last.pictures.numpy(), batches[2].pictures.numpy())
    assert batches[0].people.picture.tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_neither_workers_nor_ranks_change_a_step():
    truth = people(9)
    alone = list(Wholes(samples(MOSAIC, truth), 4, sizes=(64, 128)).batches(1))
    spread = list(Wholes(samples(MOSAIC, truth), 4, 2, sizes=(64, 128)).batches(1))
    ranks = [
        list(Wholes(samples(MOSAIC, truth), 4, sizes=(64, 128), rank=r, world=2).batches(1))
        for r in (0, 1)
    ]
    for whole, same, *parts in zip(alone, spread, *ranks, strict=True):
        assert whole.pictures.equal(same.pictures)
        for a, b in zip(whole.people, same.people, strict=True):
            assert a.equal(b)
        shown = sorted(p.sum().item() for part in parts for p in part.pictures.long())
        assert shown == sorted(p.sum().item() for p in whole.pictures.long())
        assert sum(len(p.people.keypoints) for p in parts) == len(whole.people.keypoints)
        assert sum(p.weight for p in parts) == pytest.approx(2)


def test_batches_at_other_sizes_carry_their_people_along():
    truth = people()
    plain = next(Wholes(samples(None, truth), 4).batches(0))
    large = next(Wholes(samples(None, truth), 4, sizes=(160, 160)).batches(0))
    assert large.pictures.shape[1:3] == (160, 160)
    factor = np.array([160 / 96, 160 / 64], np.float32)
    np.testing.assert_allclose(
        large.people.keypoints[..., :2].numpy(),
        plain.people.keypoints.numpy()[..., :2] * factor,
        rtol=1e-5,
    )
    area = plain.people.area.numpy() * factor.prod()
    np.testing.assert_allclose(large.people.area.numpy(), area, rtol=1e-5)
    assert large.people.counts.shape == (4, 40, 40)


def test_people_nobody_labelled_are_places_that_do_not_count():
    truth = people(1)
    crowd = make_instances(
        COCO17,
        truth.images,
        [0, 0],
        [truth.boxes_xywh[0], [8, 8, 40, 24]],
        [truth.keypoints[0], np.zeros((17, 3))],
    )
    _, found, _ = samples(None, crowd)[(0, 0)]
    assert len(found.keypoints) == 1
    counts = found.counts[0].numpy()
    assert (counts[3:7, 3:11] == 0).all()
    assert counts.sum() > counts.size / 2


def test_an_unreadable_image_is_an_empty_sample_and_too_many_stop_the_run():
    truth = people()
    dataset = samples(WholeAugment(pad=9), truth)
    del dataset.pictures.made["2.png"]
    picture, found, wrong = dataset[(0, 2)]
    assert (picture == 9).all() and len(found.keypoints) == 0 and "2.png" in wrong
    assert sum(len(b.pictures) for b in Wholes(dataset, 2, most_bad=0.5).batches(0)) == 4
    with pytest.raises(InputError, match=r"1 of 4 pictures"):
        list(Wholes(dataset, 2).batches(0))


def test_options_for_crops_are_refused():
    with pytest.raises(InputError, match="are for people cut out"):
        samples(WholeAugment(balance=0.5), people())


def test_the_last_epochs_have_no_mosaic_and_may_stand_still():
    truth = people()
    still = replace(MOSAIC, closing=2, closing_still=True, hsv=(0, 0, 0), flip=0)
    dataset = samples(still, truth, epochs=5)
    picture, found, _ = dataset[(4, 0)]
    np.testing.assert_array_equal(picture, dataset.pictures.made["0.png"])
    np.testing.assert_allclose(found.keypoints[0].numpy(), truth.keypoints[0])
    assert (dataset[(2, 0)][0] != picture).any()


def test_workers_wait_from_one_epoch_for_the_next():
    feed = Wholes(samples(WholeAugment(), people()), 2, jobs=1)
    pids = []
    for epoch in range(2):
        assert len(list(feed.batches(epoch))) == 2
        pids.append([worker.process.pid for worker in feed._pool._workers])
    feed.close()
    assert len(pids[0]) == 1 and pids[0] == pids[1]
