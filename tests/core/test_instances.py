import tracemalloc

import numpy as np

from smallpose.core.concat_instances import concat_instances
from smallpose.core.instances import make_images, make_instances
from smallpose.core.mapped_keypoints import MappedKeypoints
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


def test_a_mapped_concatenation_is_the_same_table():
    parts = [make_people(1, COCO17, 6), make_people(2, SMALLPOSE, 5), make_people(3, COCO17, 1)]
    plain, mapped = concat_instances(parts), concat_instances(parts, mapped=True)
    assert isinstance(mapped.keypoints, MappedKeypoints)
    assert np.array_equal(mapped.keypoints, plain.keypoints)
    assert np.array_equal(mapped.num_keypoints, plain.num_keypoints)
    assert np.array_equal(mapped.num_labelled, plain.num_labelled)
    rows = np.array([3, 0])
    taken = mapped.take_images(rows)
    assert isinstance(taken.keypoints, MappedKeypoints)
    assert np.array_equal(taken.keypoints, plain.take_images(rows).keypoints)
    twice = concat_instances([taken, parts[1]], COCO17, mapped=True)
    expected = concat_instances([plain.take_images(rows), parts[1]], COCO17)
    assert np.array_equal(twice.keypoints, expected.keypoints)
    assert np.array_equal(twice.num_keypoints, expected.num_keypoints)
