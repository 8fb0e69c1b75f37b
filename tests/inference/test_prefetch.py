"""Prefetching changes when images are read, and nothing else."""

import threading

import numpy as np
import pytest

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference.prefetch import NUM_PREFETCHED, prefetch_images


def make_table(n):
    images = make_images(range(1, n + 1), [f"{i}.png" for i in range(n)], [0] * n, [0] * n)
    return make_instances(COCO17, images, [], [], [])


def make_image(name):
    return np.full((2, 2, 3), int(name.split(".")[0]), np.uint8)


def test_images_are_in_the_order_of_their_rows():
    rows = [5, 0, 31, 7, *range(8, 30)]
    yielded = list(prefetch_images(make_table(40), rows, make_image, 0, [], ""))
    assert [row for row, _ in yielded] == rows
    assert [image[0, 0, 0] for _, image in yielded] == rows


def test_the_next_image_is_read_while_one_is_processed():
    read_second = threading.Event()

    def read(name):
        if name == "1.png":
            read_second.set()
        return make_image(name)

    for row, _ in prefetch_images(make_table(2), [0, 1], read, 0, [], ""):
        # Without prefetching, the second image would be read after this.
        assert row == 1 or read_second.wait(20)


def test_the_number_of_prefetched_images_is_limited():
    read_names = []

    def read(name):
        read_names.append(name)
        return make_image(name)

    images = prefetch_images(make_table(200), range(200), read, 0, [], "")
    next(images)
    images.close()
    assert 1 <= len(read_names) <= NUM_PREFETCHED + 1


def test_unreadable_images_are_left_out_until_there_are_too_many():
    def read(name):
        if name in ("3.png", "4.png"):
            raise InputError(name, "not an image", "fetch it again")
        return make_image(name)

    reasons = []
    yielded = [row for row, _ in prefetch_images(make_table(10), range(10), read, 0.2, reasons, "")]
    assert yielded == [0, 1, 2, 5, 6, 7, 8, 9] and len(reasons) == 2
    with pytest.raises(InputError, match=r"2 of 10 images cannot be read, more than 10\.0%"):
        list(prefetch_images(make_table(10), range(10), read, 0.1, [], ""))


def test_an_image_that_is_refused_for_safety_keeps_its_remedy():
    def read(name):
        raise RefusedError(name, "96 MP", "if you trust the file, add --max-pixels 96000000")

    with pytest.raises(RefusedError, match=r"add --max-pixels 96000000, or allow more with --max-"):
        list(prefetch_images(make_table(1), range(1), read, 0, [], ""))
