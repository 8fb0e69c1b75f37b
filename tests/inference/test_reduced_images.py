"""The hint at people who are too small in the input of a full-image method."""

import re

import pytest

from smallpose.core.instances import make_images
from smallpose.inference.reduced_images import ImageSizeCounter
from smallpose.inference.tile_plan import choose_tile_levels
from smallpose.methods import create_method


@pytest.fixture(scope="module")
def method():
    return create_method("rtmo_tiny")


def describe(method, *sizes):
    counter = ImageSizeCounter()
    for number, (width, height) in enumerate(sizes):
        counter.add_images(make_images([number], ["a.jpg"], [width], [height]))
    return counter.describe_reduction(method)


def test_the_named_height_is_what_the_network_needs_times_the_reduction(method):
    side = max(method.input_wh)
    text = describe(method, (4 * side, 2 * side), (side, side), (3 * side, side))
    assert text.startswith("2 of 3 images are reduced for ")
    assert f", the largest from {4 * side:,} × {2 * side:,} to {side} px: " in text
    height = int(re.search(r"people below (\d+) px are seen at less than 32 px", text)[1])
    assert height == 4 * method.needed_px
    # A person of that height in the image has the height needed in the network's input.
    letterbox = method.fit_image((4 * side, 2 * side))
    assert height * letterbox.size_wh[0] / letterbox.scale[0] == pytest.approx(
        method.needed_px, rel=0.02
    )
    assert "--tile auto --smallest PX" in text


def test_the_remedy_shows_such_people_larger(method):
    from smallpose.inference.options import InferenceOptions

    side = max(method.input_wh)
    options = InferenceOptions(smallest=2 * method.needed_px)
    assert choose_tile_levels(method, (4 * side, 4 * side), options)


def test_images_that_are_hardly_reduced_or_of_unknown_size_get_no_hint(method):
    side = max(method.input_wh)
    assert describe(method, (side, side), (int(1.8 * side), side), (0, 0)) == ""
    assert describe(method) == ""
    assert describe(method, (4 * side, side)).startswith("1 of 1 image is reduced")


def test_the_remedy_takes_the_place_of_an_option_that_excludes_tiles(method):
    counter = ImageSizeCounter()
    counter.add_images(make_images([1], ["a"], [4000], [3000]))
    assert "; --tile auto --smallest PX shows people" in counter.describe_reduction(method)
    text = counter.describe_reduction(method, "--zoom auto")
    assert text.endswith("shows people from PX on larger, in place of --zoom auto")
