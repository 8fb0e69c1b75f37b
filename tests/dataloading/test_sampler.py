"""The order of an epoch: everyone once, people of an image close together, batches mixed."""

import numpy as np
import pytest

from smallpose.dataloading.sampler import choose_num_lanes, shuffle_by_image

RNG = np.random.default_rng


def image_of_each_person(sizes: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize("window", [1, 7, 300, 10**6])
@pytest.mark.parametrize("num_images", [1, 40, 2000])
def test_everyone_comes_once(num_images, window):
    sizes = RNG(0).integers(1, 20, num_images)
    order = shuffle_by_image(sizes, window, RNG(1))
    assert sorted(order.tolist()) == list(range(sizes.sum()))


def test_people_of_an_image_come_within_the_window():
    sizes = RNG(0).integers(1, 20, 4000)
    order = shuffle_by_image(sizes, 2000, RNG(1))
    position = np.empty(len(order), int)
    position[order] = np.arange(len(order))
    first = np.cumsum(sizes) - sizes
    spread = np.maximum.reduceat(position, first) - np.minimum.reduceat(position, first)
    num_lanes = choose_num_lanes(len(sizes))
    assert num_lanes == 48
    # Except images at the beginning of a lane, whose other people are at the end of another lane.
    assert (spread > 2000 + 20 * num_lanes).sum() <= num_lanes
    num_waiting = np.zeros(len(order) + 1, int)
    np.add.at(num_waiting, np.repeat(np.minimum.reduceat(position, first), sizes), 1)
    np.add.at(num_waiting, position, -1)
    assert np.cumsum(num_waiting)[len(order) // 10 : -len(order) // 10].max() < 0.75 * 2000


@pytest.mark.parametrize("world_size", [2, 3, 4, 8])
def test_few_images_are_decoded_by_two_ranks(world_size):
    sizes = RNG(0).integers(1, 20, 4000)
    images = image_of_each_person(sizes)[shuffle_by_image(sizes, 2000, RNG(1))]
    num_decoded = sum(len(np.unique(images[rank::world_size])) for rank in range(world_size))
    assert num_decoded <= 4000 + 48


def test_a_batch_shows_almost_as_many_images_as_a_full_shuffle():
    """Count pairs from one image in batches of 64, for 7,000 images with ten people each."""
    sizes = np.full(7000, 10)
    images = image_of_each_person(sizes)

    def count_pairs(order: np.ndarray) -> float:
        batches = np.sort(images[order][: len(order) // 64 * 64].reshape(-1, 64), axis=1)
        return float((np.diff(batches, axis=1) == 0).sum(axis=1).mean())

    ours = count_pairs(shuffle_by_image(sizes, 4096, RNG(1)))
    by_image = count_pairs(np.arange(70_000))
    assert count_pairs(RNG(1).permutation(70_000)) < 0.5 and by_image > 50
    assert ours < 4  # of 64 people, four share their image with another


def test_the_order_depends_on_the_generator_alone():
    sizes = np.full(500, 9)
    first = shuffle_by_image(sizes, 600, RNG(1))
    assert (first == shuffle_by_image(sizes, 600, RNG(1))).all()
    assert (first != shuffle_by_image(sizes, 600, RNG(2))).mean() > 0.99
