"""Reading ahead changes when pictures are read, and nothing else."""

import threading

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference.prefetch import AHEAD, read_ahead


def images_of(n):
    images = make_images(range(1, n + 1), [f"{i}.png" for i in range(n)], [0] * n, [0] * n)
    return make_instances(COCO17, images, [], [], [])


def picture_of(name):
    return np.full((2, 2, 3), int(name.split(".")[0]), np.uint8)


def test_images_come_in_the_order_they_were_asked_for():
    rows = [5, 0, 31, 7, *range(8, 30)]
    got = list(read_ahead(images_of(40), rows, picture_of, 0, [], ""))
    assert [row for row, _ in got] == rows
    assert [picture[0, 0, 0] for _, picture in got] == rows


def test_the_next_image_is_read_while_one_is_looked_at():
    read_second = threading.Event()

    def read(name):
        if name == "1.png":
            read_second.set()
        return picture_of(name)

    for row, _ in read_ahead(images_of(2), [0, 1], read, 0, [], ""):
        # Read one after the other, the second would be asked for after this.
        assert row == 1 or read_second.wait(20)


def test_no_more_is_held_than_is_said():
    asked = []

    def read(name):
        asked.append(name)
        return picture_of(name)

    pictures = read_ahead(images_of(200), range(200), read, 0, [], "")
    next(pictures)
    pictures.close()
    assert 1 <= len(asked) <= AHEAD + 1


def test_unreadable_images_are_left_out_until_they_are_too_many():
    def read(name):
        if name in ("3.png", "4.png"):
            raise InputError(name, "not an image", "fetch it again")
        return picture_of(name)

    why = []
    got = [row for row, _ in read_ahead(images_of(10), range(10), read, 0.2, why, "")]
    assert got == [0, 1, 2, 5, 6, 7, 8, 9] and len(why) == 2
    with pytest.raises(InputError, match=r"2 of 10 pictures cannot be read, more than 10\.0%"):
        list(read_ahead(images_of(10), range(10), read, 0.1, [], ""))
