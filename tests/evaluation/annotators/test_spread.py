"""Planted spreads come back, and the intervals contain them as often as they promise."""

import math

import numpy as np
import pytest

from smallpose.core.skeleton import COCO17
from smallpose.evaluation.annotators.match_annotators import RepeatedLabels, match_annotators
from smallpose.evaluation.annotators.measure import measure_annotators
from smallpose.evaluation.annotators.outliers import find_outliers
from smallpose.evaluation.annotators.spread import estimate_spread, measure_sigmas


def draw_labels(rng, people, annotators, sigmas, per_image=2, tails=0.0) -> RepeatedLabels:
    """Draw labels around joints at 0, 0; people of one image share how careless labels are."""
    area = rng.uniform(500, 50_000, people)
    cluster = np.arange(people) // per_image
    factor = np.exp(rng.normal(0, tails, cluster[-1] + 1)[cluster])
    spread = np.sqrt(area / 2)[:, None] * factor[:, None] * sigmas
    xy = rng.normal(0, 1, (people, annotators, len(sigmas), 2)) * spread[:, None, :, None]
    return RepeatedLabels(
        skeleton=COCO17,
        annotators=tuple("abc"[:annotators]),
        keypoints=np.concatenate([xy, np.full((*xy.shape[:3], 1), 2.0)], axis=3),
        ids=((None,) * annotators,) * people,
        area=area,
        box_area=area,
        source=np.zeros(people, dtype=np.int8),
        image_names=("",) * people,
        cluster=cluster,
        left_out={},
    )


def measure_coverage(draws: int, people: int, annotators: int, per_image: int) -> np.ndarray:
    """Return (draws, k) whether the interval of each joint contains the planted sigma."""
    rng = np.random.default_rng(people + annotators)
    inside = []
    for _ in range(draws):
        labels = draw_labels(rng, people, annotators, COCO17.sigmas, per_image)
        is_out, _ = find_outliers(labels)
        spreads = measure_sigmas(labels, is_out)
        inside.append(
            [
                one.sigma.low <= sigma <= one.sigma.high
                for one, sigma in zip(spreads, COCO17.sigmas, strict=True)
            ]
        )
    return np.array(inside)


def test_coco_s_spreads_come_back_from_three_annotators_of_200_people(make_people, annotate):
    """Of one joint the estimate has a standard error of 2.5 %; of both sides together 1.8 %."""
    rng = np.random.default_rng(1)
    people = make_people(rng)
    tables = {name: annotate(people, rng, COCO17.sigmas) for name in "abc"}
    separate = measure_annotators(tables)
    ratio = np.array([one.sigma.value for one in separate.joints]) / COCO17.sigmas
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.04
    assert abs(ratio.mean() - 1) < 0.02
    pooled = measure_annotators(tables, pool_sides=True)
    ratio = np.array([one.sigma.value for one in pooled.joints]) / COCO17.sigmas
    assert np.abs(ratio - 1).max() < 0.05
    assert all(one.is_measured for one in pooled.joints)


def test_the_estimate_is_unbiased_for_any_number_of_annotators():
    rng = np.random.default_rng(2)
    for annotators in (2, 3):
        labels = draw_labels(rng, 20_000, annotators, COCO17.sigmas)
        nothing = np.zeros(labels.is_labelled.shape, dtype=bool)
        values = [one.sigma.value for one in measure_sigmas(labels, nothing)]
        assert np.allclose(values, COCO17.sigmas, rtol=0.02)


def test_a_sigma_is_the_root_mean_square_distance_over_the_root_of_the_area():
    """Two labels 2 d apart are each d from their mean: sigma² = 2 d² / area with one degree."""
    labels = draw_labels(np.random.default_rng(3), 40, 2, COCO17.sigmas, per_image=1)
    xy = np.zeros((40, 2, 17, 2))
    xy[:, 0, :, 0], xy[:, 1, :, 0] = -3.0, 3.0
    labels.keypoints[..., :2] = xy
    nothing = np.zeros(labels.is_labelled.shape, dtype=bool)
    (first, *_) = measure_sigmas(labels, nothing)
    assert first.sigma.value == pytest.approx(math.sqrt(np.mean(2 * 3.0**2 / labels.area)))


def test_intervals_contain_the_planted_sigma_as_often_as_they_promise():
    """300 draws of 17 joints; `test_coverage_at_full_count` has 2,000."""
    rate = measure_coverage(300, 200, 3, 2).mean()
    assert 0.93 < rate < 0.97


@pytest.mark.long
@pytest.mark.parametrize(
    ("people", "annotators", "per_image"), [(200, 3, 1), (200, 3, 2), (200, 2, 2), (40, 3, 1)]
)
def test_coverage_at_full_count(people, annotators, per_image):
    inside = measure_coverage(2000, people, annotators, per_image)
    print(f"{people} people, {annotators} annotators: {inside.mean():.4f}", inside.mean(axis=0))
    half = 1.96 * math.sqrt(0.05 * 0.95 / 2000)
    for rate in inside.mean(axis=0):
        assert rate + half >= 0.935
        assert rate - half <= 0.965


def test_people_of_unlike_care_widen_the_interval():
    """The interval of clusters contains the truth where one for equal people would be too short."""
    rng = np.random.default_rng(4)
    truth = 0.08 * math.exp(0.4**2)
    inside = []
    for _ in range(300):
        labels = draw_labels(rng, 200, 3, np.full(17, 0.08), per_image=4, tails=0.4)
        squares = (labels.keypoints[:, :, 0, :2].var(axis=1) * 3).sum(axis=1) / labels.area
        sigma = estimate_spread(squares, np.full(200, 2.0), labels.cluster)
        inside.append(sigma.low <= truth <= sigma.high)
    assert np.mean(inside) > 0.9


def test_few_images_give_a_sigma_without_interval_and_few_people_none(make_people, annotate):
    rng = np.random.default_rng(5)
    people = make_people(rng, 27, per_image=3)
    tables = {name: annotate(people, rng, COCO17.sigmas) for name in "ab"}
    for table in tables.values():
        table.keypoints[9:, 10, 2] = 0  # nine people keep this joint
    report = measure_annotators(tables)
    assert not report.joints[0].sigma.has_ends
    assert report.joints[10].origin == "COCO's"
    assert report.not_measured == {"right_wrist": "COCO's"}
    assert any("right_wrist (9)" in note for note in report.notes)
    assert any("no intervals" in note for note in report.notes)


def test_small_people_labelled_in_whole_pixels_are_seen_to_agree_less(make_people, annotate):
    rng = np.random.default_rng(6)
    people = make_people(rng, 400)
    tables = {name: annotate(people, rng, np.full(17, 0.02)) for name in "ab"}
    for table in tables.values():
        table.keypoints[:, :, :2] = np.round(table.keypoints[:, :, :2] / 4) * 4
    sizes = measure_annotators(tables).agreement["size"]
    assert sizes["small"].relative.low > 1 > sizes["large"].relative.high
    assert sizes["small"].oks < sizes["large"].oks
    assert [sizes[name].people for name in sizes] == [
        int(np.sum(people.size_class == index)) for index in range(3)
    ]


def test_the_scale_is_the_area_that_was_asked_for(make_people, annotate):
    rng = np.random.default_rng(7)
    people = make_people(rng, 60)
    tables = {name: annotate(people, rng, COCO17.sigmas) for name in "ab"}
    by_file = measure_annotators(tables).joints[5].sigma.value
    by_box = measure_annotators(tables, oks_area="box").joints[5].sigma.value
    assert by_box == pytest.approx(by_file * math.sqrt(0.6))


def test_annotators_who_labelled_different_joints_are_counted(make_people, annotate):
    rng = np.random.default_rng(8)
    people = make_people(rng, 50)
    tables = {name: annotate(people, rng, COCO17.sigmas) for name in "ab"}
    tables["b"].keypoints[:, :4, 2] = 0
    labels = match_annotators(tables)
    assert len(labels) == 50
    report = measure_annotators(tables)
    assert report.agreement["all"]["all"].only_some == pytest.approx(4 / 17)
    assert report.joints[0].people == 0
