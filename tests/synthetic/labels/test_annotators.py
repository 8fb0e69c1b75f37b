"""Annotators: declared noise, gaps, each source's own habits."""

import numpy as np
import pytest

from smallpose.core.skeleton import SMALLPOSE
from smallpose.synthetic.labels.annotators import (
    ANNOTATORS,
    SWAP_SHARE,
    annotate_people,
    encode_run_lengths,
)
from smallpose.synthetic.people.body import JOINT
from smallpose.synthetic.scenes.render import RenderedImage


def drawn_people(n=4000, area=2500.0, v=2.0):
    """Many people in one image whose joints are all seen, 40 px apart."""
    keypoints = np.zeros((n, 21, 3))
    keypoints[:, :, 0] = 500 + 40.0 * np.arange(21)
    keypoints[:, :, 1] = 500.0
    keypoints[:, :, 2] = v
    boxes = np.tile([480.0, 400.0, 860.0, 300.0], (n, 1))
    heads = np.tile([490.0, 480.0, 530.0, 520.0], (n, 1))
    return RenderedImage(
        np.zeros((1000, 2000, 3), np.uint8),
        keypoints,
        np.ones((1000, 2000), np.int16),
        boxes,
        np.full(n, area),
        boxes,
        heads,
        np.full(n, 100.0),
    )


def labels(source, seed=0, **how):
    drawn = drawn_people(**how)
    people = annotate_people(drawn, source, np.random.default_rng(seed))
    return np.stack([p.keypoints for p in people if not p.iscrowd]), drawn.keypoints[0]


def test_the_noise_measured_is_the_noise_declared():
    keypoints, exact = labels("mpii", v=1.0)
    for name in ("left_hip", "left_wrist", "right_knee"):
        row = JOINT[name]
        own = keypoints[keypoints[:, row, 2] > 0, row, :2] - exact[row, :2]
        own = own[np.abs(own).max(axis=1) < 20]  # swapped ones are 40 px off
        sigma = np.sqrt((own**2).sum(axis=1).mean()) / 50
        assert sigma == pytest.approx(SMALLPOSE.sigmas[row], rel=0.05)


def test_two_in_a_thousand_pairs_are_swapped():
    keypoints, exact = labels("posetrack", n=20_000)
    left = keypoints[:, JOINT["left_shoulder"]]
    off = np.abs(left[:, 0] - exact[JOINT["left_shoulder"], 0]) > 20
    share = (off & (left[:, 2] > 0)).sum() / (left[:, 2] > 0).sum()
    assert share == pytest.approx(SWAP_SHARE, rel=0.4)


@pytest.mark.parametrize("source", ANNOTATORS)
def test_joints_a_source_lacks_are_never_labelled(source):
    keypoints, _ = labels(source, n=300)
    how = ANNOTATORS[source]
    for row, joint in enumerate(SMALLPOSE.joints):
        lacks = joint not in how.skeleton.joints or joint in how.never
        assert (keypoints[:, row] == 0).all() if lacks else (keypoints[:, row, 2] > 0).any()


def test_people_with_masks_below_32_by_32_have_no_keypoints_in_coco():
    for area, some in ((1023.0, False), (1024.0, True)):
        people = annotate_people(drawn_people(9, area), "coco", np.random.default_rng(1))
        assert any((p.keypoints[:, 2] > 0).any() for p in people) == some
        assert all(p.segmentation_area == area for p in people)


def test_posetrack_does_not_tell_hidden_from_seen_and_hieve_does_in_one_of_its_forms():
    assert set(np.unique(labels("posetrack", n=300, v=1.0)[0][:, :, 2])) <= {0.0, 2.0}
    drawn = drawn_people(300, v=1.0)
    for tells in (True, False):
        people = annotate_people(drawn, "hieve", np.random.default_rng(2), says_hidden=tells)
        found = {v for p in people for v in p.keypoints[:, 2].tolist()}
        assert found == ({0.0, 1.0} if tells else {0.0, 2.0})


def test_the_neck_of_ai_challenger_lies_higher_than_that_of_others():
    shift = {}
    for source in ("aic", "mpii"):
        keypoints, exact = labels(source, n=3000)
        row = JOINT["head_bottom"]
        own = keypoints[keypoints[:, row, 2] > 0, row, 0]
        up = exact[JOINT["head_top"], 0] - exact[row, 0]
        shift[source] = (np.median(own) - exact[row, 0]) / up
    assert shift["mpii"] == pytest.approx(0.0, abs=0.005)
    assert shift["aic"] == pytest.approx(0.045, abs=0.01)


def test_run_lengths_go_down_the_columns_and_start_outside():
    mask = np.array([[0, 1], [1, 1]], dtype=bool)
    assert encode_run_lengths(mask) == [1, 3]
    assert encode_run_lengths(~mask) == [0, 1, 3]
