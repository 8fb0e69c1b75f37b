"""HOTA, PoseTrack's AP and MOTA, and steadiness, equal to plain loops over the records."""

import statistics

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from video_references import (
    assert_equal,
    compute_hota,
    compute_mota,
    compute_posetrack_ap,
    list_accelerations,
)

from smallpose.core.skeleton import POSETRACK17
from smallpose.evaluation.video.assignment import assign_pairs

JOINTS = POSETRACK17.joints
SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_hota_with_oks_is_that_of_trackeval(evaluate_records, make_videos, seed):
    data = make_videos(seed)
    ours = evaluate_records(data)["identity"]
    reference = compute_hota(data.truth, data.results, JOINTS)
    assert 0.2 < reference["AssA"] < 0.95
    assert ours == pytest.approx(reference, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_ap_is_that_of_poseval(evaluate_records, make_videos, seed):
    data = make_videos(seed)
    ours = evaluate_records(data)
    reference = compute_posetrack_ap(data.truth, data.results, JOINTS)
    assert {k: row["AP"] for k, row in ours["joints"].items()} == pytest.approx(reference, abs=1e-9)
    assert ours["posetrack"]["AP"] == pytest.approx(statistics.fmean(reference.values()), abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_mota_is_that_of_poseval(evaluate_records, make_videos, seed):
    data = make_videos(seed)
    ours = evaluate_records(data)
    for name, like_poseval in (("MOTA", True), ("MOTA_all_frames", False)):
        reference = compute_mota(data.truth, data.results, JOINTS, like_poseval)
        reference = {k: v for k, v in reference.items() if not k.endswith("_ear")}
        mean = statistics.fmean(reference.values())
        assert ours["posetrack"][name] == pytest.approx(mean, abs=1e-9)
        if like_poseval:
            own = {k: row["MOTA"] for k, row in ours["joints"].items()}
            assert own == pytest.approx(reference, abs=1e-9)
    assert sum(row["switches"] for row in ours["joints"].values()) > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_acceleration_and_jitter_equal_plain_loops_over_tracks(evaluate_records, make_videos, seed):
    data = make_videos(seed)
    ours = evaluate_records(data)["steadiness"]["tracks"]["all"]
    second, third = list_accelerations(data.truth, data.results, JOINTS)
    jitter = statistics.median(third) / 0.6744897501960817 / 20**0.5
    assert ours["acceleration"] == pytest.approx(statistics.fmean(second), rel=1e-9)
    assert ours["jitter"] == pytest.approx(jitter, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_frames_and_records_in_the_file_does_not_matter(
    evaluate_records, make_videos, shuffle_records, seed
):
    data = make_videos(seed)
    one, other = evaluate_records(data), evaluate_records(shuffle_records(data, seed))
    assert_equal(one, other)


def test_perfect_tracks_score_one(evaluate_records, make_videos):
    data = make_videos(0)
    data.results = [
        {k: a[k] for k in ("image_id", "category_id", "keypoints", "track_id")} | {"score": 1.0}
        for a in data.truth["annotations"]
        if not a["iscrowd"]
    ]
    ours = evaluate_records(data)
    for name, value in (ours["identity"] | ours["posetrack"]).items():
        assert value == pytest.approx(1.0, abs=1e-9), name
    assert ours["steadiness"]["people"]["all"]["acceleration_error"] == 0


def test_renamed_identities_change_nothing(evaluate_records, make_videos):
    data = make_videos(1)
    renamed = data.copy()
    for result in renamed.results:
        result["track_id"] = f"person {result['track_id']}"
    for person in renamed.truth["annotations"]:
        if "track_id" in person:
            person["track_id"] += 500.0
    assert_equal(evaluate_records(data), evaluate_records(renamed))


def test_one_exchange_of_identities_costs_hota_and_one_switch_of_each_joint(
    evaluate_records, make_videos
):
    data = make_videos(2, videos=1)
    people = [a for a in data.truth["annotations"] if not a["iscrowd"]]
    last = max(a["image_id"] for a in people)
    data.results = []
    for a in people:
        track = a["track_id"] if a["image_id"] < 1004 else a["track_id"] ^ 1
        result = {k: a[k] for k in ("image_id", "category_id", "keypoints")}
        data.results.append(result | {"score": 1.0, "track_id": track})
    ours = evaluate_records(data)
    assert last > 1004
    assert ours["posetrack"]["AP"] == pytest.approx(1)
    assert ours["identity"]["DetA"] == pytest.approx(1)
    assert ours["identity"]["HOTA"] < 0.9
    assert {row["switches"] for row in ours["joints"].values()} <= {2, 3, 4}


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_planted_noise_returns_as_jitter(evaluate_records, make_videos, noise):
    data = make_videos(3, videos=6, frames=30, noise=noise)
    data.truth["annotations"] = [a for a in data.truth["annotations"] if not a["iscrowd"]]
    for result in data.results:
        if result["track_id"] in (20, 21):
            result["track_id"] = 500 + len(data.results)
    data.results = [r for r in data.results if r["track_id"] in (22, 23)]
    ours = evaluate_records(data)["steadiness"]["tracks"]["all"]
    assert ours["jitter"] == pytest.approx(noise, rel=0.1)


def test_assignments_are_as_good_as_scipys():
    rng = np.random.default_rng(0)
    for _ in range(300):
        shape = rng.integers(1, 9, 2)
        score = rng.random(shape) * (rng.random(shape) < 0.6)
        rows, columns = assign_pairs(score)
        other = linear_sum_assignment(-score)
        assert len(set(rows.tolist())) == len(set(columns.tolist())) == min(shape)
        assert score[rows, columns].sum() == pytest.approx(score[other].sum(), abs=1e-12)
