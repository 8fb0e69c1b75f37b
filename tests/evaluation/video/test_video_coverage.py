"""How often intervals over videos contain the true number, on sets drawn from known populations.

A population is 1,500 simulated videos, whose number of all together is the true one. A set is some
of them, drawn at random; its interval is computed as `evaluate --video --intervals` does.
"""

import math

import numpy as np
import pytest

from smallpose.core.interval import Interval
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS
from smallpose.evaluation.video.hota import TrackedFrame, compute_hota, sum_hota
from smallpose.evaluation.video.joint_metrics import average_mota
from smallpose.evaluation.video.steadiness import (
    SIZE_NAMES,
    Differences,
    measure_steadiness,
)
from smallpose.evaluation.video.video_intervals import interval_of_share

POPULATION = 1500
NUM_DRAWS = 200
NUM_JOINTS = 3


def draw_sets(num_sets, num_videos, seed=1):
    """Yield the videos of each set, and how often each of these is in each resample."""
    rng = np.random.default_rng(seed)
    for _ in range(num_sets):
        videos = rng.integers(0, POPULATION, num_videos)
        draws = rng.integers(0, num_videos, (NUM_DRAWS, num_videos))
        weights = np.stack([np.bincount(row, minlength=num_videos) for row in draws])
        yield videos, weights.astype(np.float64)


@pytest.fixture(scope="module")
def tracked():
    """Return the HOTA sums of videos that differ in length, people, precision and exchanges."""
    rng = np.random.default_rng(0)
    sums = []
    for _ in range(POPULATION):
        quality, recall = rng.beta(8, 3), rng.beta(9, 2)
        num_people, tracks = int(rng.integers(1, 4)), np.arange(3)
        frames = []
        for _ in range(int(rng.integers(4, 10))):
            if rng.random() < 0.1:
                tracks = rng.permutation(tracks)
            people = np.arange(num_people)
            detected = people[rng.random(num_people) < recall]
            oks = np.zeros((num_people, len(detected)))
            oks[detected, np.arange(len(detected))] = rng.beta(8 * quality, 2, len(detected))
            frames.append(TrackedFrame(people, tracks[detected], oks))
        sums.append(sum_hota(frames))
    names = ("counts", "parts", "identity")
    return tuple(np.stack([getattr(one, name) for one in sums]) for name in names)


def cover_hota(tracked, num_sets, num_videos):
    """Return by metric whether each set's interval contains the true number."""
    truth = compute_hota(*(column.sum(axis=0) for column in tracked))
    covered = {name: [] for name in ("HOTA", "DetA", "AssA", "LocA", "IDF1")}
    for videos, weights in draw_sets(num_sets, num_videos):
        columns = [column[videos] for column in tracked]
        value = compute_hota(*(column.sum(axis=0) for column in columns))
        drawn = compute_hota(*(np.tensordot(weights, column, axes=1) for column in columns))
        for name, inside in covered.items():
            interval = interval_of_share(float(value[name]), drawn[name], num_videos)
            inside.append(interval.low <= truth[name] <= interval.high)
    return covered


def cover_mota(num_sets, num_videos):
    rng = np.random.default_rng(2)
    labelled = rng.integers(10, 80, POPULATION)[:, None] * np.ones(NUM_JOINTS)
    shares = rng.beta(2, 10, (POPULATION, 1)), rng.beta(2, 12, (POPULATION, 1)), 0.02
    counts = np.stack([*(rng.binomial(labelled.astype(int), s) for s in shares), labelled], axis=2)
    truth = average_mota(counts.astype(float), ())
    inside = []
    for videos, weights in draw_sets(num_sets, num_videos):
        interval = average_mota(counts[videos].astype(float), (weights,))
        inside.append(interval.low <= truth <= interval.high)
    return {"MOTA": inside}


def make_differences(second, third, heights, video):
    """Make differences of one size from arrays per video."""
    has_size = np.zeros((len(SIZE_NAMES), second.size), dtype=bool)
    has_size[0] = True
    rows = np.repeat(video, second.shape[1])
    height = np.repeat(heights, second.shape[1])
    return Differences(
        second=second.ravel(),
        third=third.ravel(),
        second_height=height,
        third_height=height,
        second_video=rows,
        third_video=rows,
        second_size=has_size,
        third_size=has_size,
        num_windows=has_size.sum(axis=1),
        num_tracks=has_size.any(axis=1).astype(int),
    )


def cover_steadiness(num_sets, num_videos):
    rng = np.random.default_rng(3)
    noise = np.exp(rng.normal(1, 0.4, (POPULATION, 1)))
    heights = np.exp(rng.normal(4.5, 0.5, POPULATION))
    second = np.abs(rng.normal(0, noise * math.sqrt(6), (POPULATION, 12)))
    third = np.abs(rng.normal(0, noise * math.sqrt(20), (POPULATION, 12)))
    everything = make_differences(second, third, heights, np.arange(POPULATION))
    truth = measure_steadiness(everything)["all"]
    names = ("acceleration", "acceleration_of_height", "jitter", "jitter_of_height")
    covered = {name: [] for name in names}
    for videos, weights in draw_sets(num_sets, num_videos):
        some = make_differences(
            second[videos], third[videos], heights[videos], np.arange(num_videos)
        )
        row = measure_steadiness(some, (weights,))["all"]
        for name, inside in covered.items():
            inside.append(row[name].low <= truth[name] <= row[name].high)
    return covered


def is_covered(inside):
    """Return whether the 95 % binomial interval of the rate meets 93.5 to 96.5 %."""
    rate = float(np.mean(inside))
    error = 1.96 * math.sqrt(rate * (1 - rate) / len(inside))
    return rate + error >= 0.935 and rate - error <= 0.965


@pytest.mark.long
@pytest.mark.parametrize("num_videos", [MIN_CLUSTERS, 25, 60])
def test_intervals_contain_the_true_number_in_95_of_100_sets(tracked, num_videos):
    covered = cover_hota(tracked, 2000, num_videos)
    covered |= cover_mota(2000, num_videos) | cover_steadiness(2000, num_videos)
    rates = {name: round(float(np.mean(inside)), 4) for name, inside in covered.items()}
    print(num_videos, rates)
    assert [name for name, inside in covered.items() if not is_covered(inside)] == [], rates


def test_intervals_of_few_sets_contain_the_true_number_about_as_often(tracked):
    covered = cover_hota(tracked, 150, 25) | cover_mota(150, 25)
    assert all(0.89 <= np.mean(inside) <= 0.995 for inside in covered.values())


def test_fewer_videos_than_the_minimum_have_no_interval(tracked):
    rng = np.random.default_rng(0)
    counts = np.stack([*rng.integers(0, 9, (3, 40, 2)), np.full((40, 2), 60)], axis=2).astype(float)
    for num_videos in (MIN_CLUSTERS - 1, MIN_CLUSTERS):
        weights = next(draw_sets(1, num_videos))[1]
        has_interval = num_videos == MIN_CLUSTERS
        columns = [column[:num_videos] for column in tracked]
        drawn = compute_hota(*(np.tensordot(weights, column, axes=1) for column in columns))
        numbers = [
            interval_of_share(0.6, drawn["HOTA"], num_videos),
            average_mota(counts[:num_videos], (weights,)),
        ]
        values = np.abs(rng.normal(0, 1, (num_videos, 12)))
        some = make_differences(values, values, np.full(num_videos, 90.0), np.arange(num_videos))
        row = measure_steadiness(some, (weights,))["all"]
        numbers += [row["jitter"], row["acceleration"]]
        assert [isinstance(number, Interval) for number in numbers] == [has_interval] * 4
