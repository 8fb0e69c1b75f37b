"""CrowdIndex: cases known by hand, and CrowdPose's own published values."""

import gzip
import json

import numpy as np
import pytest

from smallpose import crowd_index, read_coco
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import CROWDPOSE14 as K14


def image(*people, **over):
    """People of one image: (box, points inside it, points at the origin of nowhere)."""
    keypoints = np.zeros((len(people), 14, 3))
    for i, (_, points) in enumerate(people):
        for j, (x, y) in enumerate(points):
            keypoints[i, j] = x, y, 1
    boxes = np.array([box for box, _ in people], dtype=float).reshape(-1, 4)
    rows = np.zeros(len(people), dtype=int)
    images = make_images([5, 9], ["a.jpg", "b.jpg"])
    return make_instances(K14, images, rows, boxes, keypoints, **over)


ALONE = ((0, 0, 10, 10), [(5, 5)] * 10)


def test_two_people_wholly_in_each_others_boxes_have_1():
    assert crowd_index(image(ALONE, ALONE))[0] == 1.0


def test_a_lone_person_has_0_and_an_empty_image_nan():
    index = crowd_index(image(ALONE))
    assert index[0] == 0.0
    assert np.isnan(index[1])


def test_the_edges_of_a_box_are_inside():
    other = ((50, 50, 1, 1), [(0, 0), (10, 10), (0, 10), (10.01, 5)])
    # Three of the other's points in a box of somebody with ten: (3/10 + 0) / 2.
    assert crowd_index(image(ALONE, other))[0] == pytest.approx(0.15)


def test_it_is_not_bounded_by_1():
    few = ((0, 0, 10, 10), [(5, 5)])
    assert crowd_index(image(few, ALONE))[0] == pytest.approx((10 + 0.1) / 2)


def test_crowds_and_people_without_keypoints_count_on_neither_side():
    both = image(ALONE, ALONE, ALONE, iscrowd=[False, False, True])
    assert crowd_index(both)[0] == 1.0
    none = image(ALONE, ALONE, ALONE, num_keypoints=[10, 10, 0])
    assert crowd_index(none)[0] == 1.0


def test_the_value_of_an_image_does_not_depend_on_how_pairs_are_cut_into_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    people = [
        ((*rng.uniform(0, 50, 2), *rng.uniform(5, 60, 2)), list(rng.uniform(0, 90, (7, 2))))
        for _ in range(12)
    ]
    whole = crowd_index(image(*people))
    monkeypatch.setattr("smallpose.stats.crowding._PAIRS_PER_BATCH", 5)
    assert crowd_index(image(*people))[0] == whole[0] > 0


def test_crowdpose_val_gets_its_published_values_to_two_decimals_in_1590_images(real):
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
