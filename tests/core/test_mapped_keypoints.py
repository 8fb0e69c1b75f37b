"""Mapped keypoints are the array of all tables' joints, however they are looked at."""

import numpy as np
import pytest

from smallpose.core.mapped_keypoints import MappedKeypoints, chain_keypoints
from smallpose.core.packed_keypoints import PackedKeypoints, pack_keypoints


def make_keypoints(n, k, seed, decimals=1):
    rng = np.random.default_rng(seed)
    keypoints = (rng.random((n, k, 3)) * 500).round(decimals)
    keypoints[:, :, 2] = rng.integers(0, 3, (n, k))
    return keypoints


@pytest.fixture
def tables():
    """Three tables in 4 common joints, of which one is packed and none has all of them."""
    first, second, third = (make_keypoints(n, 3, n) for n in (5, 4, 2))
    return [
        (pack_keypoints(first), np.array([2, -1, 0, 1])),
        (second, np.array([-1, 0, 1, -1])),
        (third, np.array([1, -1, 1, -1])),
    ]


@pytest.fixture
def expected(tables):
    arrays = []
    for keypoints, indices in tables:
        array = np.zeros((len(keypoints), 4, 3))
        for joint, index in enumerate(indices.tolist()):
            if index >= 0:
                array[:, joint] = np.asarray(keypoints)[:, index]
        arrays.append(array)
    return np.concatenate(arrays)


@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        slice(1, 7),
        slice(6, 1, -1),
        np.array([9, 0, 3, 0]),
        (slice(None), slice(None), 2),
        (slice(2, None), [0, 2]),
        (slice(None), 1, np.array([0, 1])),
        (np.array([1, 8]), np.array([0, 3])),
        (1, 2, 0),
        (Ellipsis, 2),
        (slice(1, 3), Ellipsis, 0),
        (None, 1),
    ],
)
def test_an_index_gives_what_it_gives_of_an_array(tables, expected, key):
    mapped = chain_keypoints(tables)
    assert mapped.shape == expected.shape
    assert np.array_equal(mapped[key], expected[key])
    assert np.shape(mapped[key]) == expected[key].shape


def test_people_are_taken_and_cleared_without_their_keypoints(tables, expected):
    mapped = chain_keypoints(tables)
    order = np.array([10, 3, 3, 7, 0])
    is_cleared = np.array([False, True, False, False, True])
    taken = mapped.take(order).clear(is_cleared)
    expected = expected[order]
    expected[is_cleared] = 0
    assert isinstance(taken, MappedKeypoints)
    assert len(taken) == 5
    assert np.array_equal(np.asarray(taken), expected)
    assert np.array_equal(taken.count_labelled(), np.count_nonzero(expected[:, :, 2], axis=1))
    assert np.array_equal(mapped.take(slice(0, 0)), np.zeros((0, 4, 3)))


def test_mapped_keypoints_can_be_mapped_again(tables, expected):
    inner = chain_keypoints(tables).clear(np.arange(11) == 2)
    expected[2] = 0
    other = make_keypoints(2, 2, 7)
    outer = chain_keypoints([(inner, np.array([3, -1, 0])), (other, np.array([1, 0, -1]))])
    below = np.zeros((2, 3, 3))
    below[:, 0], below[:, 1] = other[:, 1], other[:, 0]
    above = expected[:, [3, 0, 0]]
    above[:, 1] = 0
    assert np.array_equal(outer, np.concatenate([above, below]))


def test_people_of_packed_tables_are_packed(tables, expected):
    mapped = chain_keypoints(tables)
    packed = mapped.take(np.array([4, 1])).clear(np.array([True, False])).pack()
    expected[4] = 0
    assert isinstance(packed, PackedKeypoints)
    assert np.array_equal(packed, expected[[4, 1]])
    assert mapped.pack() is None


def test_keypoints_are_packed_where_no_bit_is_lost():
    keypoints = make_keypoints(20_000, 2, 0, decimals=4)
    keypoints[7, 1, 0] = -0.25
    packed = pack_keypoints(keypoints)
    assert packed is not None
    assert np.asarray(packed).tobytes() == keypoints.tobytes()
    for wrong in (0.00001, 1 / 3, -0.0, 1e6, np.nan, -np.inf):
        changed = keypoints.copy()
        changed[19_000, 1, 1] = wrong
        assert pack_keypoints(changed) is None
    for wrong in (0.5, 3.0, -1.0, np.nan):
        changed = keypoints.copy()
        changed[3, 0, 2] = wrong
        assert pack_keypoints(changed) is None
    assert pack_keypoints(np.zeros((0, 17, 3))).shape == (0, 17, 3)
