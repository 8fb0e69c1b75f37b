"""Who is chosen: the same people at every height, tall and labelled enough, never enlarged."""

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.resolution.people import HEIGHTS, MIN_PEOPLE, choose_people
from smallpose.resolution.reduced_labels import compute_reduced_sizes, reduce_labels


def get_sizes(people):
    images, rows = people.truth.images, people.truth.image_rows[people.rows]
    return np.stack([images.width[rows], images.height[rows]], axis=1)


def test_all_are_as_tall_as_the_tallest_height(scenes):
    people = choose_people(scenes.truth, (16, 64, 128), max_people=0)
    heights = scenes.truth.boxes_xywh[:, 3]
    assert (heights[people.rows] >= 128).all()
    assert len(people) == len(people.rows) == people.num_eligible


def test_a_person_is_never_enlarged(scenes):
    people = choose_people(scenes.truth, (16, 100), max_people=0)
    sizes = get_sizes(people)
    for px in people.heights:
        reduced = compute_reduced_sizes(people, sizes, px)
        assert (reduced <= sizes).all() and (reduced >= 1).all()
        truth = reduce_labels(people, sizes, reduced, ".png")
        seen = truth.boxes_xywh[~truth.iscrowd, 3]
        original = scenes.truth.boxes_xywh[people.rows, 3]
        assert (seen <= original + 1e-9).all()
        # Stored sizes are whole px, so the height may differ by half a px of the whole image.
        limit = 0.5 * original / sizes[:, 1]
        assert (np.abs(seen - px) <= limit + 1e-9).all()


def test_default_heights_end_where_fifty_people_end_or_half_of_fewer(scenes):
    heights = choose_people(scenes.truth, max_people=0).heights
    everyone = choose_people(scenes.truth, (16,), max_people=0)
    own_height = scenes.truth.boxes_xywh[everyone.rows, 3]
    num_needed = min(MIN_PEOPLE, (len(everyone) + 1) // 2)
    assert (own_height >= heights[-1]).sum() >= num_needed
    assert all((own_height >= px).sum() < num_needed for px in HEIGHTS if px > heights[-1])


def test_thirty_photographs_of_tall_people_are_not_reduced_from_32_px():
    """41 of 42 people reach 48 px and 26 reach 128; all 42 only 32 px, where the heights ended."""
    own_height = np.repeat([40.0, 60, 100, 200], [1, 3, 12, 26])
    truth = make_instances(
        COCO17,
        make_images(range(42), [f"{i}.jpg" for i in range(42)]),
        np.arange(42),
        np.stack([own_height] * 4, axis=1),
        np.full((42, 17, 3), 2.0),
    )
    assert choose_people(truth).heights == (16, 24, 32, 48, 64, 96, 128, 192)


def test_a_sample_depends_on_the_seed_alone_and_images_without_a_file_are_left_out(scenes):
    samples = [choose_people(scenes.truth, (64,), 8, seed).rows.tolist() for seed in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]
    has_image = np.zeros(len(scenes.truth.images), dtype=bool)
    has_image[:10] = True
    people = choose_people(scenes.truth, (32,), 0, has_image=has_image)
    assert scenes.truth.image_rows[people.rows].max() < 10


def test_heights_that_no_person_reaches_are_refused_with_the_tallest_person(scenes):
    with pytest.raises(InputError, match=r"5000 px tall; the tallest: \d+ px"):
        choose_people(scenes.truth, (32, 5000))


def test_labels_follow_the_pixels(scenes):
    """A cross drawn on each joint is found again at the reduced label."""
    from smallpose.resolution.sensor import CLEAN

    people = choose_people(scenes.truth, (64,), 12)
    sizes = get_sizes(people)
    reduced_wh = compute_reduced_sizes(people, sizes, 64)
    truth = reduce_labels(people, sizes, reduced_wh, ".png")
    for index, row in enumerate(people.rows.tolist()):
        keypoints = scenes.truth.keypoints[row]
        joint = int(np.argmax(keypoints[:, 2]))
        x, y = np.round(keypoints[joint, :2]).astype(int)
        w, h = sizes[index]
        image = np.zeros((h, w, 3), np.uint8)
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
        small = CLEAN.reduce(image, tuple(reduced_wh[index].tolist()), [0])[:, :, 0].astype(float)
        rows, columns = np.indices(small.shape)
        center = np.array([(columns * small).sum(), (rows * small).sum()]) / small.sum()
        offset = keypoints[joint, :2] - (x, y)
        chosen = np.flatnonzero((truth.image_rows == index) & ~truth.iscrowd)[0]
        expected = truth.keypoints[chosen, joint, :2] - offset * reduced_wh[index] / sizes[index]
        assert np.abs(center - expected).max() < 0.08


def test_neighbours_are_ignored_regions(scenes):
    people = choose_people(scenes.truth, (32,), 0)
    sizes = get_sizes(people)
    truth = reduce_labels(people, sizes, compute_reduced_sizes(people, sizes, 32), ".png")
    assert (~truth.iscrowd).sum() == len(people)
    num_people = np.bincount(scenes.truth.image_rows, minlength=len(scenes.truth.images))
    expected = num_people[scenes.truth.image_rows[people.rows]]
    assert np.bincount(truth.image_rows).tolist() == expected.tolist()
