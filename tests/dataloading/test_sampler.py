"""The order of an epoch: everybody once, pictures near together, batches of many pictures."""

import numpy as np
import pytest

from smallpose.dataloading.sampler import epoch_order, lanes_for

RNG = np.random.default_rng


def pictures_of(sizes: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize("window", [1, 7, 300, 10**6])
@pytest.mark.parametrize("pictures", [1, 40, 2000])
def test_everybody_comes_once(pictures, window):
    sizes = RNG(0).integers(1, 20, pictures)
    order = epoch_order(sizes, window, RNG(1))
    assert sorted(order.tolist()) == list(range(sizes.sum()))


def test_people_of_a_image_come_within_the_window():
    sizes = RNG(0).integers(1, 20, 4000)
    order = epoch_order(sizes, 2000, RNG(1))
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    first = np.cumsum(sizes) - sizes
    spread = np.maximum.reduceat(place, first) - np.minimum.reduceat(place, first)
    lanes = lanes_for(len(sizes))
    assert lanes == 48
    # Pictures at the beginning of a lane, whose other part ends another one, are the exception.
    assert (spread > 2000 + 20 * lanes).sum() <= lanes
    waiting = np.zeros(len(order) + 1, int)
    np.add.at(waiting, np.repeat(np.minimum.reduceat(place, first), sizes), 1)
    np.add.at(waiting, place, -1)
    assert np.cumsum(waiting)[len(order) // 10 : -len(order) // 10].max() < 0.75 * 2000


@pytest.mark.parametrize("world", [2, 3, 4, 8])
def test_hardly_a_image_is_decoded_by_two_ranks(world):
    sizes = RNG(0).integers(1, 20, 4000)
    pictures = pictures_of(sizes)[epoch_order(sizes, 2000, RNG(1))]
    decoded = sum(len(np.unique(pictures[rank::world])) for rank in range(world))
    assert decoded <= 4000 + 48


def test_a_batch_shows_hardly_fewer_images_than_a_full_shuffle():
    """Measured as pairs of one picture in batches of 64, for ten people in each of 7,000."""
    sizes = np.full(7000, 10)
    pictures = pictures_of(sizes)

    def pairs(order: np.ndarray) -> float:
        batches = np.sort(pictures[order][: len(order) // 64 * 64].reshape(-1, 64), axis=1)
        return float((np.diff(batches, axis=1) == 0).sum(axis=1).mean())

    ours, by_picture = pairs(epoch_order(sizes, 4096, RNG(1))), pairs(np.arange(70_000))
    assert pairs(RNG(1).permutation(70_000)) < 0.5 and by_picture > 50
    assert ours < 4  # of 64 people, four share their picture with one more


def test_the_order_is_the_same_again_and_another_with_another_generator():
    sizes = np.full(500, 9)
    first = epoch_order(sizes, 600, RNG(1))
    assert (first == epoch_order(sizes, 600, RNG(1))).all()
    assert (first != epoch_order(sizes, 600, RNG(2))).mean() > 0.99
