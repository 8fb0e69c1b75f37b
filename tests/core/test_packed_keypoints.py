"""Packed keypoints are the doubles that were packed, however they are looked at."""

import pickle

import numpy as np
import pytest

from smallpose.core.mapped_keypoints import chain_keypoints
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


def test_methods_and_arithmetic_are_those_of_the_array(packed):
    array = np.asarray(packed)
    assert (packed.ndim, packed.size, packed.dtype) == (3, 60, np.float64)
    assert packed.mean() == array.mean()
    assert np.array_equal(packed.reshape(-1, 3), array.reshape(-1, 3))
    assert np.array_equal(packed.astype(np.float32), array.astype(np.float32))
    assert np.array_equal(packed * 2 - packed, array)
    assert np.array_equal(packed > 0, array > 0)
    assert np.array_equal(np.isfinite(packed), np.ones((5, 4, 3), bool))
    assert repr(packed) == "PackedKeypoints(5 × 4 × 3, see numpy.asarray)"
    with pytest.raises(AttributeError, match="'PackedKeypoints' object has no attribute 'points'"):
        _ = packed.points
    assert np.array_equal(pickle.loads(pickle.dumps(packed)), array)


def test_keypoints_of_sources_are_used_as_arrays(packed):
    mapped = chain_keypoints([(packed, np.array([2, 0])), (packed, np.array([-1, 1]))])
    array = np.asarray(mapped)
    assert mapped.max() == array.max()
    assert np.array_equal(mapped + 1, array + 1)
    assert repr(mapped) == "MappedKeypoints(10 × 2 × 3, see numpy.asarray)"
