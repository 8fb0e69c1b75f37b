"""Joints of lists are read together, three numbers at a time: each is the double of its text."""

import random
import struct
from fractions import Fraction

import numpy as np
import pytest

from smallpose.io import json_text

pytestmark = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")
NUM_JOINTS = 21
SEPARATORS = [", ", ",", ",  ", " ,", ",\n ", ", \t"]


def scan(text, num_records=1, positions_only=True):
    """Scan a file of results; return the number of records, -1 where it is not plain, and poses."""
    columns = (
        np.zeros(num_records, np.int64),
        np.zeros(num_records, np.int64),
        np.zeros(num_records),
        np.full((num_records, 3 * NUM_JOINTS), 7.0),
        np.zeros((num_records, 4)),
        np.zeros(num_records, np.bool_),
    )
    data = text.encode()
    arguments = (data, 1, len(data), 0, 3 * NUM_JOINTS, positions_only)
    num_read = json_text.EXTENSION.scan_results(
        *arguments, json_text.compute_reciprocals(), *columns
    )
    return num_read, columns[3]


def scan_pose(pose, separator=", ", positions_only=True):
    """Scan a pose of number texts; None where one of them is not plain."""
    text = f'[{{"image_id": 1, "keypoints": [{separator.join(pose)}], "score": 1}}]'
    num_read, keypoints = scan(text, positions_only=positions_only)
    return None if num_read < 0 else keypoints[0]


def draw_number(rng):
    """Draw the text of a number as programs write them, of at most 19 digits."""
    kind = rng.randrange(6)
    x = rng.uniform(-20, 2000)
    if kind == 0:
        return repr(struct.unpack("f", struct.pack("f", x))[0])
    if kind == 1:
        return repr(x)
    if kind == 2:
        return f"{x:.{rng.randrange(0, 15)}f}"
    if kind == 3:
        return str(rng.choice([0.0, -0.0, 0, 1, 2, 1e-7, 12.5, 99999999.5, 123456789.25]))
    if kind == 4:
        whole = str(rng.randrange(10 ** rng.randrange(1, 9)))
        decimals = rng.randrange(1, 20 - len(whole))
        return f"{whole}.{rng.randrange(10**decimals):0{decimals}d}"
    return repr(10 ** rng.uniform(-12, 7))


def draw_middle(rng):
    """Draw the text of a number that is, or is next to, the middle of two doubles."""
    if rng.randrange(2):
        decimals = rng.randrange(1, 5)
        numerator = (2 * rng.randrange(2**52, 2**53) + 1) * 5**decimals
    else:
        low = Fraction(rng.uniform(0, 2000))
        middle = (low + Fraction(np.nextafter(float(low), np.inf))) / 2
        decimals = 19 - len(str(int(low)))
        numerator = int(middle * 10**decimals) + rng.randrange(-2, 3)
    text = str(numerator).rjust(decimals + 1, "0")
    return f"{text[:-decimals]}.{text[-decimals:]}"


def assert_exact(pose, separator):
    """Assert that a pose is read exactly, if it is read; return whether it is."""
    scanned, whole = (scan_pose(pose, separator, positions_only=only) for only in (True, False))
    assert (scanned is None) == (whole is None)
    if scanned is None:
        return False
    is_integer = [text.lstrip("-").isdigit() for text in pose]
    numbers = [int(t) if whole else float(t) for t, whole in zip(pose, is_integer, strict=True)]
    expected = np.array(numbers, dtype=np.float64)
    assert whole.tobytes() == expected.tobytes()
    expected[2::3] = 0
    assert scanned.tobytes() == expected.tobytes()
    return True


def check_random_poses(seed, num_poses):
    rng = random.Random(seed)
    num_read = 0
    for _ in range(num_poses):
        pose = [draw_number(rng) for _ in range(3 * NUM_JOINTS)]
        if rng.randrange(2):
            pose[rng.randrange(len(pose))] = draw_middle(rng)
        num_read += assert_exact(pose, rng.choice(SEPARATORS))
    assert num_read > 0.7 * num_poses


def test_every_coordinate_is_the_double_nearest_to_its_text():
    check_random_poses(0, 600)


@pytest.mark.long
def test_millions_of_coordinates_are_the_doubles_nearest_to_their_texts():
    for seed in range(1, 61):
        check_random_poses(seed, 1000)


def test_a_separator_may_change_within_a_list():
    rng = random.Random(1)
    for _ in range(50):
        texts = [f"{rng.uniform(-9, 1500):.13f}" for _ in range(3 * NUM_JOINTS)]
        joined = "".join(text + rng.choice(SEPARATORS) for text in texts).rstrip(", \n\t")
        num_read, keypoints = scan(f'[{{"image_id": 1, "keypoints": [{joined}], "score": 1}}]')
        expected = np.array([float(text) for text in texts])
        expected[2::3] = 0
        assert num_read == 1
        assert keypoints.tobytes() == expected.tobytes()


BROKEN = [
    "",
    "1.",
    ".5",
    "01.5",
    "-",
    "--1.5",
    "1.5.5",
    "1-5.2",
    "+1.5",
    "1.5e",
    "NaN",
    '"1.5"',
    "1 .5",
    "1. 5",
    "1.5 2.5",
    "0x1.5",
    "1.5f",
    "1,5",
    "00.5",
    "-01.5",
    "1.5;",
]


@pytest.mark.parametrize("position", [0, 1, 2, 3, 31, 61, 62])
@pytest.mark.parametrize("separator", [", ", ","])
@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_number_is_found_at_every_place(text, separator, position):
    pose = ["12.25"] * 63
    assert scan_pose(pose, separator) is not None
    pose[position] = text
    assert scan_pose(pose, separator) is None


@pytest.mark.parametrize("num_values", [60, 66])
def test_lists_of_other_lengths_are_refused(num_values):
    joined = ", ".join(["12.25"] * num_values)
    assert scan(f'[{{"image_id": 1, "keypoints": [{joined}], "score": 1}}]')[0] == -1


def test_a_list_that_ends_at_the_end_of_the_text_is_not_read_beyond_it():
    joined = ", ".join(["12.25"] * 63)
    text = f'[{{"image_id": 1, "score": 1, "keypoints": [{joined}]}}]'
    assert scan(text)[0] == 1
    for cut in range(2, 140):
        assert scan(text[:-cut] + "]")[0] == -1
