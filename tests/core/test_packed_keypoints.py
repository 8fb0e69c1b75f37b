"""Packed keypoints are the doubles that were packed, however they are looked at."""

import numpy as np
import pytest

from smallpose.core.packed_keypoints import UNITS_PER_PIXEL, PackedKeypoints


@pytest.fixture
def packed():
    rng = np.random.default_rng(0)
    positions = rng.integers(-(2**31) + 1, 2**31, (5, 4, 2)).astype(np.int32)
    return PackedKeypoints(positions, rng.integers(0, 3, (5, 4)).astype(np.uint8))


def test_positions_are_the_doubles_nearest_to_their_decimals(packed):
    expected = [
        [[float(f"{x}e-4"), float(f"{y}e-4"), float(v)] for (x, y), v in zip(*rows, strict=True)]
        for rows in zip(packed.positions.tolist(), packed.visibility.tolist(), strict=True)
    ]
    assert UNITS_PER_PIXEL == 10**4
    assert np.asarray(packed).tolist() == expected
    assert np.asarray(packed, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        slice(1, 4),
        np.array([3, 0, 3]),
        np.array([True, False, True, True, False]),
        (slice(None), slice(None), 2),
        (slice(None), slice(None), slice(0, 2)),
        (np.array([1, 2]), 3),
        (np.array([1, 2]), np.array([0, 3])),
        (np.array([[1], [2]]), np.array([0, 3])),
        (1, slice(None), 0),
        (1, 2, 0),
        (slice(None), [0, 2]),
        (slice(None), 1, np.array([0, 1])),
        (Ellipsis, 2),
        (None, 1),
    ],
)
def test_an_index_gives_what_it_gives_of_an_array(packed, key):
    of_array = np.asarray(packed)[key]
    assert np.array_equal(packed[key], of_array)
    assert np.shape(packed[key]) == of_array.shape


def test_a_mask_of_joints_gives_their_rows(packed):
    is_chosen = packed.visibility > 0
    assert np.array_equal(packed[is_chosen], np.asarray(packed)[is_chosen])
    assert packed.shape == np.asarray(packed).shape
    assert len(packed) == 5
