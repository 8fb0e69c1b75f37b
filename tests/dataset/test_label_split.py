"""Labels are split so that no frame of a test is a neighbour of one that is trained on."""

from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.dataset.label_split import SplitRules, split_images


def make_images(names, groups=None) -> Images:
    count = len(names)
    images = smallpose.make_images(range(1, count + 1), names, [640] * count, [360] * count)
    return images if groups is None else replace(images, groups=tuple(groups))


def check_parts(split, images):
    rows = np.concatenate([split.train, split.test, split.left_out])
    assert sorted(rows.tolist()) == list(range(len(images)))
    assert len(split.train) and len(split.test)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_share_is_kept_and_the_seed_decides(share):
    images = make_images([f"{chr(97 + i % 26)}{chr(97 + i // 26)}.jpg" for i in range(60)])
    split = split_images(images, SplitRules(test_share=share))
    check_parts(split, images)
    assert len(split.test) == 60 * share
    assert not len(split.left_out)
    again, other = (split_images(images, SplitRules(test_share=share, seed=s)) for s in (0, 1))
    assert again.test.tolist() == split.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_whole_videos_go_to_one_part(seed):
    groups = [f"v{i // 7}" for i in range(70)] + [""] * 30
    images = make_images([f"{i}x.jpg" for i in range(100)], groups)
    split = split_images(images, SplitRules(seed=seed))
    check_parts(split, images)
    assert len(split.test) == 20
    names = [{groups[row] for row in part} - {""} for part in (split.train, split.test)]
    assert not names[0] & names[1]


def test_videos_of_folders_are_known_by_their_names():
    names = [f"cam{v}/{10 * i:06d}.jpg" for v in range(10) for i in range(12)]
    split = split_images(make_images(names), SplitRules())
    folders = [{names[row][:4] for row in part} for part in (split.train, split.test)]
    assert (len(folders[0]), len(folders[1])) == (8, 2)
    assert not folders[0] & folders[1]
    assert split.reason.startswith("120 images are numbered as frames of 10 videos (cam0/0000")


@pytest.mark.parametrize("unit", ["auto", "time"])
def test_one_video_is_cut_in_time_and_neighbours_of_the_cut_are_left_out(unit):
    numbers = np.random.default_rng(0).permutation(100)  # the file is in any order
    images = make_images([f"{number}.jpg" for number in numbers])
    split = split_images(images, SplitRules(unit=unit))
    check_parts(split, images)
    assert sorted(numbers[split.test]) == list(range(80, 100))
    assert sorted(numbers[split.left_out]) == list(range(75, 80))
    assert "cut in time" in split.reason
    assert not len(split_images(images, SplitRules(unit=unit, gap=0)).left_out)


def test_two_videos_are_cut_where_a_whole_one_is_far_from_the_share():
    groups = ["a"] * 50 + ["b"] * 50
    images = make_images([f"{i}x.jpg" for i in range(100)], groups)
    split = split_images(images, SplitRules())
    assert len(split.test) == 20
    assert {groups[row] for row in split.test} == {"a", "b"}
    whole = split_images(images, SplitRules(unit="video", test_share=0.4))
    assert len({groups[row] for row in whole.test}) == 1


def test_short_videos_and_single_images_are_assigned_whole():
    groups = [f"v{i // 2}" for i in range(40)] + ["long"] * 50 + [""] * 10
    images = make_images([f"{i}x.jpg" for i in range(100)], groups)
    split = split_images(images, SplitRules(unit="time"))
    check_parts(split, images)
    assert abs(len(split.test) - 20) <= 1
    parts = [{groups[row] for row in part} - {"", "long"} for part in (split.train, split.test)]
    assert not parts[0] & parts[1]


def test_numbered_photographs_of_different_sizes_are_no_video():
    images = make_images([f"im{i:05d}.jpg" for i in range(1, 61)])
    assert "frames of 1 video" in split_images(images, SplitRules()).reason
    upright = replace(images, width=np.where(np.arange(60) % 3, images.width, images.height))
    split = split_images(upright, SplitRules())
    assert split.reason == "no images are frames of a video by their names and sizes"
    assert len(split.test) == 12
    # What the labels say holds for any sizes.
    named = replace(upright, groups=tuple(f"v{i // 6}" for i in range(60)))
    assert "the labels name 10 videos" in split_images(named, SplitRules()).reason


def test_numbered_photographs_are_split_one_by_one_on_demand():
    images = make_images([f"IMG_{i:04d}.jpg" for i in range(30)])
    split = split_images(images, SplitRules(unit="image", test_share=0.3))
    assert len(split.test) == 9
    assert not len(split.left_out)
    coco = make_images([f"{i:012d}.jpg" for i in range(1, 31)])
    assert "no images are frames" in split_images(coco, SplitRules()).reason


@pytest.mark.parametrize(
    ("rules", "count", "message"),
    [
        (SplitRules(test_share=1.0), 5, "--test 1: is no share of the images; use 0.2"),
        (SplitRules(), 1, "the labels: have 1 image; give two or more"),
        (SplitRules(unit="time"), 5, "no images are known to be frames of a video"),
        (SplitRules(unit="video"), 12, "--by video: .* use --by time"),
    ],
)
def test_what_cannot_be_split_is_refused(rules, count, message):
    with pytest.raises(InputError, match=message):
        split_images(make_images([f"{i}.jpg" for i in range(count)]), rules)
