import gzip
import json

import numpy as np
import pytest

from smallpose import crowd_index, read_coco
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import CROWDPOSE14 as K14


def make_image(*people, **columns):
    """People of one image, each (box, labelled keypoints), and a second image without people."""
    keypoints = np.zeros((len(people), 14, 3))
    for i, (_, points) in enumerate(people):
        for j, (x, y) in enumerate(points):
            keypoints[i, j] = x, y, 1
    boxes = np.array([box for box, _ in people], dtype=float).reshape(-1, 4)
    rows = np.zeros(len(people), dtype=int)
    images = make_images([5, 9], ["a.jpg", "b.jpg"])
    return make_instances(K14, images, rows, boxes, keypoints, **columns)


ALONE = ((0, 0, 10, 10), [(5, 5)] * 10)


def test_two_people_inside_each_others_boxes_have_1():
    assert crowd_index(make_image(ALONE, ALONE))[0] == 1.0


def test_one_person_alone_has_0_and_an_image_without_people_nan():
    index = crowd_index(make_image(ALONE))
    assert index[0] == 0.0
    assert np.isnan(index[1])


def test_the_edges_of_a_box_are_inside():
    other = ((50, 50, 1, 1), [(0, 0), (10, 10), (0, 10), (10.01, 5)])
    # Three keypoints of the other in the box of a person with ten: (3/10 + 0) / 2.
    assert crowd_index(make_image(ALONE, other))[0] == pytest.approx(0.15)


def test_the_index_is_not_bounded_by_1():
    few = ((0, 0, 10, 10), [(5, 5)])
    assert crowd_index(make_image(few, ALONE))[0] == pytest.approx((10 + 0.1) / 2)


def test_crowd_regions_and_people_without_keypoints_do_not_count():
    both = make_image(ALONE, ALONE, ALONE, iscrowd=[False, False, True])
    assert crowd_index(both)[0] == 1.0
    unlabelled = make_image(ALONE, ALONE, ALONE, num_keypoints=[10, 10, 0])
    assert crowd_index(unlabelled)[0] == 1.0


def test_the_index_does_not_depend_on_the_batches_of_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    people = [
        ((*rng.uniform(0, 50, 2), *rng.uniform(5, 60, 2)), list(rng.uniform(0, 90, (7, 2))))
        for _ in range(12)
    ]
    expected = crowd_index(make_image(*people))
    monkeypatch.setattr("smallpose.stats.crowding._PAIRS_PER_BATCH", 5)
    assert crowd_index(make_image(*people))[0] == expected[0] > 0


def test_crowdpose_val_has_its_published_values_to_two_decimals_in_1590_images(real):
    path = real / "other" / "crowdpose" / "crowdpose_val.json.gz"
    published = {
        i["id"]: i["crowdIndex"] for i in json.loads(gzip.decompress(path.read_bytes()))["images"]
    }
    truth = read_coco(path)
    index = crowd_index(truth)
    official = np.array([published[i] for i in truth.images.ids.tolist()])
    assert len(index) == 2000
    assert int((np.round(index, 2) == official).sum()) >= 1590
    assert abs(float(np.nanmean(index - official))) < 0.01
