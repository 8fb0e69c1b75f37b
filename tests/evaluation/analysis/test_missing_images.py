"""Images that one of two results lacks are counted, and told from those of a weaker model."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.test_undetected_images import NUM_IMAGES, detect, make_truth, miss

from smallpose import compare, evaluate
from smallpose.evaluation.analysis.missing_images import (
    ImageFacts,
    collect_image_facts,
    count_missing_images,
    describe_missing_images,
)
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results

CLAUSE = "images seem not to have been predicted for part (see the notes)"


def collect(truth, predictions):
    return collect_image_facts(evaluate(truth, predictions))


@pytest.mark.parametrize("num_left_out", [8, 10, 20])
def test_a_model_against_a_part_of_its_own_results_is_doubted(num_left_out):
    truth = make_truth((1, 1, 1, 2, 3))
    is_found = miss(truth, 0.5, 0.2)
    part = detect(truth, is_found & (truth.image_rows >= num_left_out))
    assert "no detection" not in str(evaluate(truth, part).notes)  # nothing is known of it alone
    result = compare(truth, {"full": detect(truth, is_found), "part": part})
    assert CLAUSE in result.verdicts["part"]
    (note,) = [note for note in result.notes if note.startswith("part has no detection in ")]
    assert "images in which full detects people" in note
    (counts,) = [note for note in result.notes if "these have no detection" in note]
    without = (np.bincount(truth.image_rows, is_found) == 0).sum()
    missing = without + len(set(truth.image_rows[is_found & (truth.image_rows < num_left_out)]))
    assert f"of {NUM_IMAGES} images with scored people" in counts
    assert f": {without} of full, {missing} of part;" in counts


def test_images_that_are_known_to_have_been_predicted_are_counted_alone():
    truth = make_truth()
    full = detect(truth, miss(truth, 0.3, 0.1))
    part = full.take(full.image_ids > 5)
    result = compare(truth, {"full": full, "part": replace(part, covers_images=True)})
    assert CLAUSE not in result.verdicts["part"]
    assert any("these have no detection" in note for note in result.notes)
    assert not count_missing_images({"a": collect(truth, full), "b": collect(truth, full)})


@pytest.mark.parametrize("people_per_image", [(1,), (1, 2), (1, 1, 1, 1, 8)])
@pytest.mark.parametrize("rates", [(0.9, 0.1), (0.6, 0.3), (0.5, 0.5), (0.99, 0.5)])
def test_a_weaker_model_is_not_doubted_beside_a_strong_one(people_per_image, rates):
    for seed in range(8):
        truth = make_truth(people_per_image, seed)
        strong = collect(truth, detect(truth, miss(truth, 0.2, 0.02, seed + 50)))
        weak = collect(truth, detect(truth, miss(truth, *rates, seed=seed + 10)))
        assert not describe_missing_images({"strong": strong, "weak": weak}), seed


def test_real_results_above_any_score_are_not_doubted_beside_all_of_them(real):
    folder = real / "coco" / "val_subset250"
    truth = read_coco(folder / "val_subset.json.gz")
    results = read_results(folder / "detections_C.json.gz", truth)
    facts = {
        share: collect(truth, results.take(results.scores >= np.quantile(results.scores, share)))
        for share in (0, 0.1, 0.3, 0.5, 0.7, 0.9)
    }
    for share, one in facts.items():
        assert not describe_missing_images({"all": facts[0], "above": one}), share


def test_stored_facts_are_read_as_they_were():
    truth = make_truth()
    facts = collect(truth, detect(truth, miss(truth, 0.3, 0.1)))
    stored = {key: value.astype(np.float64) for key, value in facts.to_arrays().items()}
    again = ImageFacts.from_arrays(stored)
    assert again is not None
    for key, value in again.to_arrays().items():
        assert np.array_equal(value, facts.to_arrays()[key]), key
    assert ImageFacts.from_arrays({}) is None
