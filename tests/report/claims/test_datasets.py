"""Claims about data sets, on sets whose statistics are known."""

from pathlib import Path

import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_annotations import read_coco
from smallpose.report.claims.check import check_claims
from smallpose.report.claims.datasets import DatasetSource
from smallpose.stats.scene_entropy import summarize_scenes


def crowd(each: int, apart: float, images: int = 60, spread: int = 0) -> Instances:
    """Images of people `apart` px from each other, each with 17 points in a box of 20 × 20."""
    rng = np.random.default_rng(each)
    number = each + (rng.integers(-spread, spread + 1, images) if spread else 0) * np.ones(
        images, dtype=int
    )
    rows = np.repeat(np.arange(images), number)
    place = np.concatenate([np.arange(n) for n in number]) * apart
    place = place + rng.uniform(0, 3, len(rows))
    boxes = np.full((len(rows), 4), 20.0)
    boxes[:, 0], boxes[:, 1] = place, 0.0
    keypoints = np.full((len(rows), 17, 3), 2.0)
    keypoints[:, :, 0] = place[:, None] + rng.uniform(0, 20, (len(rows), 17))
    keypoints[:, :, 1] = rng.uniform(0, 20, (len(rows), 17))
    table = make_images(range(images), [f"{i}.jpg" for i in range(images)])
    return make_instances(COCO17, table, rows, boxes, keypoints)


def verdict(datasets: DatasetSource, key: str) -> str | None:
    finding = check_claims(datasets=datasets)[key].owned
    return None if finding is None else finding.verdict


def test_crowding_between_the_others_supports_the_claim_and_crowding_beyond_breaks_it():
    loose, middle, tight = crowd(3, 200), crowd(3, 15), crowd(3, 4)
    between = {"smallpose": middle, "coco": loose, "crowdpose": tight}
    assert verdict(DatasetSource(between), "C15") == "supported"
    beyond = {"smallpose": tight, "coco": loose, "crowdpose": middle}
    assert verdict(DatasetSource(beyond), "C15") == "not supported"
    alike = {"smallpose": middle, "coco": loose, "crowdpose": crowd(3, 15, 59)}
    assert verdict(DatasetSource(alike), "C15") == "cannot tell"


def test_a_missing_set_leaves_the_claim_open():
    some = DatasetSource({"smallpose": crowd(3, 15), "coco": crowd(3, 200)})
    assert verdict(some, "C15") == "cannot tell"
    assert verdict(DatasetSource(), "C15") is None


def test_the_largest_variance_of_people_per_image_supports_the_claim():
    datasets = DatasetSource(
        {
            "smallpose": crowd(9, 30, spread=7),
            "coco": crowd(3, 30, spread=1),
            "crowdpose": crowd(4, 30, spread=1),
        }
    )
    assert verdict(datasets, "C15P") == "supported"


def test_scene_entropies_decide_the_claim_of_table_4():
    rng = np.random.default_rng(0)

    def probabilities(sharp: float) -> np.ndarray:
        scores = np.exp(sharp * rng.normal(0, 1, (300, 365)))
        return scores / scores.sum(axis=1, keepdims=True)

    sharp = {"smallpose": 1.0, "coco": 2.0, "crowdpose": 1.5}
    datasets = DatasetSource(
        {}, {name: summarize_scenes(probabilities(s)) for name, s in sharp.items()}
    )
    assert verdict(datasets, "C15E") == "supported"


def test_the_totals_of_the_abstract_are_compared_with_the_built_set():
    assert verdict(DatasetSource({"smallpose": crowd(3, 30)}), "D19") == "not supported"


def test_real_crowdpose_and_coco_have_the_known_verdicts(real: Path):
    datasets = DatasetSource(
        {
            "crowdpose": read_coco(real / "other/crowdpose/crowdpose_val.json.gz"),
            "coco": read_coco(real / "coco/annotations/person_keypoints_val2017.subset538.json.gz"),
        }
    )
    claims = check_claims(datasets=datasets)
    tiny, small = claims["S6"].owned, claims["E8"].owned
    assert tiny is not None
    assert small is not None
    assert tiny.verdict == "supported"
    assert small.verdict == "not supported"
    assert "by box 45.3 %; by mask 62.6 %, of 1,354 people" in small.why


@pytest.mark.parametrize("key", ["C15", "C15P", "S6", "S7"])
def test_figures_without_printed_numbers_have_no_verdict_on_the_paper(key: str):
    assert check_claims()[key].paper is None
