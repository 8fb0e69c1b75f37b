"""What tiles cost is said beforehand, and is what the network is given."""

import re

import numpy as np
import pytest
import torch

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.tile_cost import count_views, describe_time_left
from smallpose.methods.full_image import Detections, FullImageMethod

SIZES = [(1024, 768), (1024, 768), (300, 200), (100, 90)]


class CountingMethod(FullImageMethod):
    """Detects nobody, and counts the views that it is given."""

    name, fit_mode, size_divisor = "counting", "inside", 32
    default_flip_test = False

    def __init__(self) -> None:
        super().__init__(COCO17, (128, 128))
        self.num_views = 0

    def prepare(self, crops):
        return crops.float().permute(0, 3, 1, 2)

    def targets(self, keypoints):
        return keypoints

    def loss(self, outputs, targets):
        return {}

    def detect(self, images, flip_test):
        self.num_views += len(images)
        empty = torch.zeros(0, 17, 2), torch.zeros(0, 17), torch.zeros(0), torch.zeros(0, 4)
        return [Detections(*empty)] * len(images)


def make_table(sizes):
    width, height = np.array(sizes).T
    images = make_images(range(1, len(sizes) + 1), [f"{i}" for i in range(len(sizes))])
    images = make_images(images.ids, images.file_names, width, height)
    return make_instances(COCO17, images, [], np.zeros((0, 4)), [])


def predict(sizes, **options):
    method = CountingMethod()
    options = InferenceOptions(**options)

    def read(name):
        width, height = SIZES[int(name)]
        return np.zeros((height, width, 3), np.uint8)

    people = make_table(sizes)
    expected = count_views(method, people.images, options)
    predict_people(method, people, None, read, options, "counting")
    return method, expected


@pytest.mark.parametrize(
    "options",
    [
        {"tile": 128},
        {"tile": 256, "tile_overlap": 0},
        {"smallest": 16},
        {"tile": 128, "tile_to": 64},
    ],
)
def test_the_views_that_are_announced_are_those_that_the_network_is_given(options, capsys):
    method, expected = predict(SIZES, **options)
    assert expected.sum() == method.num_views > len(SIZES)
    lines = capsys.readouterr().err.splitlines()
    views = {
        line.split(" px")[0]: int(re.search(r"([\d,]+) views?", line)[1].replace(",", ""))
        for line in lines
        if " × " in line
    }
    assert views == {
        "1,024 × 768": expected[0],
        "300 × 200": expected[2],
        "100 × 90": expected[3],
    }
    (timed,) = [line for line in lines if line.startswith("the first image took")]
    assert f" for {expected[0]:,} views; about " in timed and timed.endswith("for the other 3")


def test_nothing_is_said_without_tiles_and_no_time_after_the_only_image(capsys):
    predict(SIZES)
    assert capsys.readouterr().err == ""
    predict(SIZES[:1], tile=128)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_time_left_follows_the_views_of_the_images_that_are_left():
    views = np.array([10, 40, 1])
    assert describe_time_left(2.0, 0, views).endswith("about 8.2 s for the other 2")
    assert describe_time_left(2.0, 1, views).endswith("40 views; about 0.1 s for the other 1")
    assert describe_time_left(2.0, 2, views) == ""


def test_an_image_of_unknown_size_has_the_views_of_the_others():
    images = make_table([(1024, 768), (0, 0)]).images
    views = count_views(CountingMethod(), images, InferenceOptions(tile=128))
    assert views[0] == views[1] > 1
