"""Pairs of left and right joints in one place: planted ones are counted, no others."""

import numpy as np
import pytest
from planted_errors import couples

from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.evaluation.analysis.collapsed_pairs import find_collapsed_pairs
from smallpose.evaluation.analysis.error_diagnosis import diagnose


def collapse(predictions, rows, left, right, share=1.0):
    """Move both joints towards the middle between them."""
    pair = predictions.keypoints[rows][:, [left, right], :2]
    middle = pair.mean(axis=1, keepdims=True)
    predictions.keypoints[np.ix_(rows, [left, right], [0, 1])] = middle + (1 - share) * (
        pair - middle
    )


@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE])
@pytest.mark.parametrize(("share", "expected"), [(1.0, 12), (0.8, 12), (0.7, 0), (0.0, 0)])
def test_planted_pairs_are_counted_and_those_still_apart_are_not(skeleton, share, expected):
    truth, predictions = couples(skeleton=skeleton)
    left, right = skeleton.joint_indices(["left_shoulder", "right_shoulder"])
    rows = np.arange(0, 60, 5)
    collapse(predictions, rows, left, right, share)
    result = diagnose(truth, predictions)
    assert result.collapsed["all"].collapsed == expected
    by_pair = {name: one.collapsed for name, one in result.collapsed_by_pair.items()}
    assert by_pair.pop("shoulder") == expected and not any(by_pair.values())
    assert result.to_dict()["collapsed_pairs"]["all"]["collapsed"] == expected
    assert f"{100 * expected / result.collapsed['all'].judged:.1f} %" in str(result)


def test_labels_in_one_place_and_missing_labels_are_not_judged():
    points = np.zeros((3, 2, 2))
    labels = np.array(
        [
            [[0, 0, 2], [100, 0, 2]],
            [[0, 0, 2], [1, 0, 2]],  # nearer than can be told
            [[0, 0, 2], [100, 0, 0]],
        ],
        dtype=float,
    )
    pair = Skeleton("pair", ("left_hip", "right_hip"))
    states = find_collapsed_pairs(points, labels, np.full(3, 900.0), np.full(2, 0.1), pair)
    assert states.names == ("hip",)
    assert states.is_judged[:, 0].tolist() == [True, False, False]
    assert states.is_collapsed[:, 0].tolist() == [True, False, False]


def test_swapped_sides_are_not_collapsed():
    truth, predictions = couples()
    predictions.keypoints[:] = predictions.keypoints[:, SMALLPOSE.flip_indices]
    assert diagnose(truth, predictions).collapsed["all"].collapsed == 0


def test_without_a_pair_there_is_no_share():
    skeleton = Skeleton("line", ("nose", "neck"))
    labels = np.full((1, 2, 3), 2.0)
    states = find_collapsed_pairs(labels[:, :, :2], labels, np.ones(1), np.ones(2), skeleton)
    assert states.names == () and states.count(np.array([True])).share is None
