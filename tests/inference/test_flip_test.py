"""The flip test exchanges left and right in any spelling, and is left out if they are unknown."""

import numpy as np
import pytest
import torch

from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.joint_pairs import set_pairs
from smallpose.methods import METHODS
from smallpose.methods.checkpoints.read import skeleton_from_json, skeleton_to_json

IMAGE = np.random.default_rng(5).integers(0, 255, (96, 128, 3), dtype=np.uint8)
BOXES = np.array([[4.0, 3, 60, 80], [30, 20, 50, 60]])
PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee")
SIGMAS = tuple(COCO17.sigmas.tolist())


def spell(name: str) -> str:
    side, _, part = name.partition("_")
    return side[0].upper() + part.title() if part else name.title()


WORDS = Skeleton("words", COCO17.joints, custom_sigmas=SIGMAS)
LETTERS = Skeleton("letters", tuple(map(spell, COCO17.joints)), custom_sigmas=SIGMAS)
NUMBERS = Skeleton("numbers", tuple(map(str, range(1, 18))), custom_sigmas=SIGMAS)


def create(name: str, skeleton: Skeleton):
    torch.manual_seed(0)
    method = METHODS[name](skeleton).eval()
    if name == "simple_baseline_r18_tiny":
        torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    else:
        method.score_threshold, method.max_people = -1.0, 3
    return method


@pytest.mark.parametrize("name", ["simple_baseline_r18_tiny", "cid_hrnet_w8_tiny"])
def test_pairs_are_found_in_any_spelling_and_unknown_ones_leave_the_flip_test_out(name, capsys):
    words = create(name, WORDS).predict(IMAGE, BOXES, flip_test=True).keypoints
    unflipped = create(name, WORDS).predict(IMAGE, BOXES, flip_test=False).keypoints
    assert not np.array_equal(words, unflipped)
    letters = create(name, LETTERS).predict(IMAGE, BOXES, flip_test=True).keypoints
    assert np.array_equal(letters, words)
    assert capsys.readouterr().err == ""
    method = create(name, NUMBERS)
    for _ in range(2):
        numbers = method.predict(IMAGE, BOXES, flip_test=True).keypoints
        assert np.array_equal(numbers, unflipped)
    (line,) = capsys.readouterr().err.splitlines()
    assert "the flip test is left out: no left and right joints are recognized in numbers" in line
    assert '"swap"' in line


def test_pairs_that_are_given_let_numbered_joints_be_flipped(capsys):
    pairs = tuple((a, b) for a, b in enumerate(COCO17.flip_indices.tolist()) if a < b)
    given = Skeleton("given", NUMBERS.joints, custom_sigmas=SIGMAS, custom_pairs=pairs)
    name = "simple_baseline_r18_tiny"
    words = create(name, WORDS).predict(IMAGE, BOXES).keypoints
    assert np.array_equal(create(name, given).predict(IMAGE, BOXES).keypoints, words)
    assert skeleton_from_json(skeleton_to_json(given)) == given
    assert capsys.readouterr().err == ""


def test_joints_without_a_side_are_named_once_and_pairs_can_be_declared(capsys):
    names = (*COCO17.joints[:-2], "near_ankle", "far_ankle")
    own = Skeleton("own", names, custom_sigmas=SIGMAS)
    name = "simple_baseline_r18_tiny"
    method = create(name, own)
    for _ in range(2):
        method.predict(IMAGE, BOXES, flip_test=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert "these joints stay in place" in line and ": near_ankle, far_ankle;" in line
    method.predict(IMAGE, BOXES, flip_test=False)
    declared = set_pairs(own, [(f"left_{n}", f"right_{n}") for n in PARTS] + [names[-2:]])
    words = create(name, WORDS).predict(IMAGE, BOXES).keypoints
    assert np.array_equal(create(name, declared).predict(IMAGE, BOXES).keypoints, words)
    assert capsys.readouterr().err == ""
