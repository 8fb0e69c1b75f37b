import tracemalloc

import numpy as np

from smallpose.core import instances as module
from smallpose.core.instances import concat_instances, make_images, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE


def make_people(seed, skeleton=SMALLPOSE, n=40):
    rng = np.random.default_rng(seed)
    images = make_images(np.arange(5) + 3, [f"s/{i}.jpg" for i in range(5)])
    keypoints = rng.random((n, len(skeleton), 3)) * 500
    keypoints[:, :, 2] = rng.integers(0, 3, (n, len(skeleton)))
    boxes = rng.random((n, 4)) * 100
    return make_instances(skeleton, images, rng.integers(0, 5, n), boxes, keypoints)


def test_all_people_of_the_paper_fit_into_less_than_0_6_gigabytes():
    n = 769_444
    tracemalloc.start()
    people = make_instances(
        SMALLPOSE,
        make_images([1], ["a.jpg"]),
        np.zeros(n, dtype=np.intp),
        np.zeros((n, 4)),
        np.zeros((n, 21, 3)),
    )
    num_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(people) == n
    assert 0.38e9 < num_bytes < 0.6e9


def test_concatenation_maps_all_joints_to_the_21_and_renumbers_ids():
    a, b = make_people(1, COCO17, 6), make_people(2, SMALLPOSE, 5)
    both = concat_instances([a, b])
    assert both.ids.tolist() == list(range(1, 12))
    assert both.images.ids.tolist() == list(range(1, 11))
    assert np.array_equal(both.keypoints[6:], b.keypoints)
    nose, shoulder = both.keypoints[:6, 0], both.keypoints[:6, 8]
    assert np.array_equal(nose, a.keypoints[:, 0])
    assert np.array_equal(shoulder, a.keypoints[:, 5])
    assert np.array_equal(both.image_rows[6:], b.image_rows + 5)


def test_take_images_keeps_their_people_in_the_order_of_the_images():
    people = make_people(4)
    taken = people.take_images(np.array([3, 0]))
    assert taken.images.file_names == ("s/3.jpg", "s/0.jpg")
    assert set(taken.ids) == set(people.ids[np.isin(people.image_rows, [0, 3])])
    for id_, row in zip(taken.ids, taken.image_rows, strict=True):
        before = people.image_rows[people.ids == id_][0]
        assert people.images.file_names[before] == taken.images.file_names[row]


def test_rows_that_were_copied_are_released_once_each(monkeypatch):
    monkeypatch.setattr(module, "_PEOPLE_PER_BLOCK", 2)
    images = make_images([1], ["a.jpg"])
    rng = np.random.default_rng(0)
    parts = [
        make_instances(COCO17, images, [0] * n, np.ones((n, 4)), rng.random((n, 17, 3)))
        for n in (3, 0, 4)
    ]
    expected = concat_instances(parts)
    released = []

    def release(rows):
        released.append(rows.copy())
        rows[:] = np.nan

    table = concat_instances(parts, release=release)
    assert np.array_equal(table.keypoints, expected.keypoints)
    assert np.array_equal(table.num_keypoints, expected.num_keypoints)
    assert list(map(len, released)) == [2, 1, 2, 2]
    assert all(np.isnan(part.keypoints).all() for part in parts)
