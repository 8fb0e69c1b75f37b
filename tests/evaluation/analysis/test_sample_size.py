"""What a test part is too small for is said before, by the rules of those who refuse it later."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate, make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.analysis.half_detected_fit import find_half_detected_height
from smallpose.evaluation.analysis.sample_size import (
    SampleSize,
    choose_test_share,
    describe_shortage,
    measure_sample,
)
from smallpose.evaluation.scoring.cluster_units import GROUP


def make_people(num_images: int, per_image: int, groups: int = 0):
    """Make small people, one beside the other."""
    ids = np.arange(1, num_images + 1)
    images = make_images(ids, [f"{i}.jpg" for i in ids], [4000] * num_images, [100] * num_images)
    if groups:
        images = replace(images, groups=tuple(f"v{i % groups}" for i in range(num_images)))
    count = num_images * per_image
    rng = np.random.default_rng(0)
    boxes = np.tile([0.0, 10.0, 30.0, 60.0], (count, 1))
    boxes[:, 0] = np.arange(count) % per_image * 40
    boxes[:, 3] += np.arange(count) % 20
    keypoints = np.full((count, 17, 3), 2.0)
    keypoints[..., :2] = boxes[:, None, :2] + rng.uniform(2, 28, (count, 17, 2))
    return make_instances(
        COCO17,
        images,
        image_rows=np.repeat(np.arange(num_images), per_image),
        boxes_xywh=boxes,
        keypoints=keypoints,
        area=boxes[:, 2] * boxes[:, 3],
    )


def predict(people, offset):
    keypoints = people.keypoints.copy()
    keypoints[::2, :, 0] += offset
    return make_predictions(
        COCO17,
        image_ids=people.images.ids[people.image_rows],
        keypoints=keypoints,
        scores=np.linspace(0.2, 0.9, len(people)),
    )


@pytest.mark.parametrize(
    ("num_images", "per_image", "groups"),
    [(12, 1, 0), (14, 2, 0), (15, 1, 0), (15, 2, 0), (9, 3, 0), (40, 1, 12), (40, 1, 16)],
)
def test_it_says_so_where_compare_and_evaluate_refuse(num_images, per_image, groups):
    people = make_people(num_images, per_image, groups)
    test = measure_sample(people)
    results = {name: predict(people, offset) for name, offset in (("a", 3.0), ("b", 6.0))}
    differences = compare(people, results, num_resamples=50).differences
    assert test.allows_comparison == any(one.p is not None for one in differences)
    limit = find_half_detected_height(evaluate(people, results["a"]))
    assert test.allows_height == (not np.isnan(limit.height))
    text = describe_shortage(test)
    assert ("compare needs 15" in text) == (not test.allows_comparison)
    assert ("height from which" in text) == (not test.allows_height)
    assert bool(groups) == (test.unit == GROUP)


def test_the_larger_share_has_enough_and_none_is_advised_in_vain():
    everyone, test = SampleSize(60, 60, 16, "image"), SampleSize(12, 12, 3, "image")
    share = choose_test_share(test, everyone, 0.2)
    assert share == 0.35
    assert 60 * share >= 20
    frames = SampleSize(40, 10, 10, "image")
    assert choose_test_share(SampleSize(8, 2, 2, "image"), frames, 0.2) is None
    few = SampleSize(20, 20, 20, "image")
    assert choose_test_share(SampleSize(4, 4, 4, "image"), few, 0.2) is None
    # Small people in 16 images: no share leaves any to train on, and everyone else suffices.
    assert choose_test_share(SampleSize(40, 20, 4, "image"), everyone, 0.3) is None
    assert "AP_S" in describe_shortage(SampleSize(40, 20, 4, "image"))
    assert not describe_shortage(SampleSize(40, 20, 0, "image"))
    assert not describe_shortage(SampleSize(20, 15, 15, GROUP))


def test_the_first_advice_also_has_the_small_people_that_the_next_note_would_miss():
    """Of 60 photographs --test .2 was advised .35, and --test .35 then .5, because of AP_S."""
    everyone, test = SampleSize(60, 60, 34, "image"), SampleSize(12, 12, 7, "image")
    assert "15, and as many with small people (here: 7) for AP_S" in describe_shortage(test)
    share = choose_test_share(test, everyone, 0.2)
    assert share == 0.45
    after = SampleSize(*(round(share * n) for n in (60, 60, 34)), "image")
    assert not describe_shortage(after)
