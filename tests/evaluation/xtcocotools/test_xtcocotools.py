"""Parts of COCO-WholeBody and CrowdPose's rules equal xtcocotools 1.14.3, number by number.

Its numbers are stored, because it needs NumPy 1: `xtcocotools_numbers.py` writes them.
"""

import copy
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from xtcocotools_numbers import CROWD_SIGMAS, OUT, PARTS, SEEDS, make_crowd, make_wholebody

from smallpose import COCOeval
from smallpose.core.errors import InputError
from smallpose.evaluation.wholebody import get_part_sigmas

NUMBERS = json.loads(OUT.read_text())


def score(truth, results, *arguments, **options):
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    scorer = COCOeval(coco, copy.deepcopy(results), *arguments, **options)
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    return list(scorer.stats)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_equals_xtcocotools(seed, part):
    assert (
        score(*make_wholebody(seed), f"keypoints_{part}") == NUMBERS["wholebody"][str(seed)][part]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_crowdpose_equals_xtcocotools(seed):
    """Areas are .53 of the box, and the field `num_keypoints` decides who is counted."""
    sigmas = np.array(CROWD_SIGMAS) / 10
    stats = score(*make_crowd(seed), "keypoints_crowd", sigmas, use_area=False)
    assert stats == NUMBERS["crowd"][str(seed)]


def test_the_sigmas_are_those_that_the_numbers_were_computed_with():
    for part in PARTS:
        assert get_part_sigmas(f"keypoints_{part}").tolist() == NUMBERS["sigmas"][part]


def test_a_missing_field_is_named():
    truth, results = make_wholebody(0)
    del results[0]["foot_kpts"]
    with pytest.raises(InputError, match="result 1: has no foot_kpts"):
        score(truth, results, "keypoints_foot")
    assert score(truth, results, "keypoints_face")


def test_a_pose_with_nan_never_matches():
    truth, results = make_wholebody(0)
    results[0]["keypoints"][0] = float("nan")
    labelled = [a | {"iscrowd": 0} for a in truth["annotations"] if a["keypoints"][2]]
    truth["annotations"] = [a | {"image_id": 1} for a in labelled]
    results = [results[0] | {"image_id": 1}]
    assert score(truth, results, "keypoints")[0] == 0
