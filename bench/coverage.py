"""Measure how often intervals contain the true value, and how often equal models differ.

    OMP_NUM_THREADS=1 python bench/coverage.py [--sets 2000] [--pairs 4000] [--skill 1]

Data sets are drawn from a population of 20,000 images whose metrics are known exactly, because it
is evaluated as a whole. A rate passes when its 95 % binomial interval meets 93.5 to 96.5 %, or for
p-values below .05 reaches 5.5 % or less. Only classes that get an interval or a p-value count.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose import (
    Instances,
    Predictions,
    compare,
    evaluate,
    make_images,
    make_instances,
    make_predictions,
)
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.protocols import CLASSES

IMAGES = 20_000
PROTOCOLS = ("coco", "owned")
METRICS = [f"{kind}{one.suffix}" for kind in ("AP", "AR") for one in CLASSES]
METRICS += ["AP50", "AP75"]
K = len(COCO17)
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Size:
    """How data sets are drawn: `count` images, or `count` videos of `images_per_video` images."""

    count: int
    images_per_video: int = 1


SIZES = {
    "images20": Size(20),
    "images60": Size(60),
    "images120": Size(120),
    "images400": Size(400),
    "videos25": Size(25, 8),
    "videos15": Size(15, 8),
    "videos20": Size(20, 8),
    "videos40": Size(40, 8),
}
INTERVAL_SIZES = "images120,images400,videos25"
TEST_SIZES = "videos15,videos20,videos40"


@dataclass(frozen=True)
class Population:
    """Images with people and predictions, sorted by image so that samples are cut out fast."""

    truth: Instances
    predictions: Predictions
    people_start: Ints
    detections_start: Ints


def draw_truth(seed: int, images_per_video: int) -> tuple[Instances, NDArray[np.float64]]:
    """Draw people of all sizes and densities, and how difficult each of them is."""
    rng = np.random.default_rng(seed)
    num_people = rng.integers(1, 7, IMAGES)
    rows = np.repeat(np.arange(IMAGES), num_people)
    n = len(rows)
    log_height = np.log(95) + rng.normal(0, 0.5, IMAGES)[rows] + rng.normal(0, 0.55, n)
    height = np.clip(np.exp(log_height), 14, 600)
    width = height * rng.uniform(0.35, 0.7, n)
    x = 700 * np.concatenate([np.arange(count) for count in num_people])
    boxes_xywh = np.stack([x, np.zeros(n), width, height], axis=1)
    keypoints = np.zeros((n, K, 3))
    keypoints[:, :, :2] = boxes_xywh[:, None, :2] + boxes_xywh[:, None, 2:] * rng.random((n, K, 2))
    is_labelled = rng.random((n, K)) > rng.beta(0.6, 1.4, n)[:, None]
    is_labelled[:, 0] = True
    keypoints[:, :, 2] = 2 * is_labelled
    videos = np.arange(IMAGES) // images_per_video
    difficulty = rng.normal(0, 0.5, IMAGES) + rng.normal(0, 0.4, videos.max() + 1)[videos]
    groups = [f"video{v}" if images_per_video > 1 else "" for v in videos]
    names = [f"{i}.jpg" for i in range(IMAGES)]
    images = make_images(np.arange(1, IMAGES + 1), names, groups=groups)
    truth = make_instances(COCO17, images, rows, boxes_xywh, keypoints)
    return truth, -0.75 + difficulty[rows] + 0.25 * (height < 60)


def draw_predictions(
    truth: Instances, difficulty: NDArray[np.float64], seed: int, skill: float = 1.0
) -> Predictions:
    """Draw a model's predictions: noise by difficulty, missed people, false positives."""
    rng = np.random.default_rng(seed)
    n = len(truth)
    error = np.exp(difficulty + rng.normal(0, 0.5, n)) / skill
    spread = 2 * COCO17.sigmas * np.sqrt(truth.area)[:, None] * error[:, None]
    poses = truth.keypoints.copy()
    poses[:, :, :2] += rng.normal(0, 1, (n, K, 2)) * spread[:, :, None]
    scores = 1 / (1 + error) + rng.normal(0, 0.12, n)
    is_detected = rng.random(n) > 0.06
    is_false = rng.random(n) < 0.25
    false_poses = poses[is_false].copy()
    false_poses[:, :, 1] += 900
    rows = np.concatenate([truth.image_rows[is_detected], truth.image_rows[is_false]])
    order = np.argsort(rows, kind="stable")
    return make_predictions(
        COCO17,
        truth.images.ids[rows][order],
        np.concatenate([poses[is_detected], false_poses])[order],
        np.concatenate([scores[is_detected], rng.uniform(0, 0.75, int(is_false.sum()))])[order],
    )


def index_images(truth: Instances, predictions: Predictions) -> Population:
    """Find where the people and detections of each image begin."""
    image = np.arange(IMAGES + 1)
    return Population(
        truth,
        predictions,
        np.searchsorted(truth.image_rows, image),
        np.searchsorted(predictions.image_ids - 1, image),
    )


def sample_images(
    population: Population, chosen: Ints, groups: list[str]
) -> tuple[Instances, Predictions]:
    """Copy the chosen images, which may repeat, into a data set of their own."""
    people, people_image = _gather(population.people_start, chosen)
    detections, detection_image = _gather(population.detections_start, chosen)
    images = make_images(
        np.arange(1, len(chosen) + 1), [f"{i}.jpg" for i in range(len(chosen))], groups=groups
    )
    truth, predictions = population.truth, population.predictions
    return (
        make_instances(
            COCO17, images, people_image, truth.boxes_xywh[people], truth.keypoints[people]
        ),
        make_predictions(
            COCO17,
            detection_image + 1,
            predictions.keypoints[detections],
            predictions.scores[detections],
        ),
    )


def _gather(start: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    counts = start[chosen + 1] - start[chosen]
    offsets = np.repeat(start[chosen] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return offsets + np.arange(counts.sum()), np.repeat(np.arange(len(chosen)), counts)


def choose_images(size: Size, rng: np.random.Generator, replace_: bool) -> tuple[Ints, list[str]]:
    """Draw clusters of the population: images, or videos with all their images."""
    num_clusters = IMAGES // size.images_per_video
    clusters = rng.choice(num_clusters, size.count, replace=replace_)
    chosen = clusters[:, None] * size.images_per_video + np.arange(size.images_per_video)
    if size.images_per_video == 1:
        return chosen.ravel(), [""] * size.count
    groups = [f"video{i}" for i in range(size.count) for _ in range(size.images_per_video)]
    return chosen.ravel(), groups


def measure_coverage(
    name: str, num_sets: int, num_resamples: int, skill: float
) -> dict[str, list[int]]:
    """Count, by protocol and metric, the intervals that contain the true value."""
    size = SIZES[name]
    truth, difficulty = draw_truth(1, size.images_per_video)
    population = index_images(truth, draw_predictions(truth, difficulty, 2, skill))
    exact = evaluate(population.truth, population.predictions, protocols=PROTOCOLS)
    rng = np.random.default_rng(3)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for number in range(num_sets):
        sample = sample_images(population, *choose_images(size, rng, replace_=True))
        result = evaluate(*sample, protocols=PROTOCOLS, intervals=num_resamples, seed=number)
        for protocol in PROTOCOLS:
            for metric in METRICS:
                interval, value = result.intervals[protocol][metric], exact[protocol][metric]
                if interval is not None and value is not None:
                    cell = counts[f"{protocol} {metric}"]
                    cell[0] += interval.low <= value <= interval.high
                    cell[1] += 1
    return counts


def measure_false_alarms(name: str, num_pairs: int, num_resamples: int) -> dict[str, list[int]]:
    """Count, by protocol and metric, the p-values below .05 of equally good models."""
    size = SIZES[name]
    truth, difficulty = draw_truth(1, size.images_per_video)
    models = [index_images(truth, draw_predictions(truth, difficulty, seed)) for seed in (2, 3)]
    rng = np.random.default_rng(4)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for number in range(num_pairs):
        chosen, groups = choose_images(size, rng, replace_=False)
        (sample, one), (_, other) = (sample_images(model, chosen, groups) for model in models)
        # Which of the two is the base is drawn, so that on average neither is better.
        base, rival = (one, other) if rng.random() < 0.5 else (other, one)
        result = compare(
            sample,
            {"base": base, "rival": rival},
            protocols=PROTOCOLS,
            num_resamples=num_resamples,
            seed=number,
        )
        for difference in result.differences:
            if difference.p is not None:
                cell = counts[f"{difference.protocol} {difference.name}"]
                cell[0] += difference.p < 0.05
                cell[1] += 1
    return counts


def bound_rate(count: int, total: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % interval of a rate."""
    z = 1.959964
    rate, scale = count / total, 1 + z * z / total
    centre = rate + z * z / (2 * total)
    half_width = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return (centre - half_width) / scale, (centre + half_width) / scale


def print_rates(
    title: str, counts: dict[str, list[int]], passes: Callable[[float, float], bool]
) -> bool:
    """Print one row per metric; return whether all of them pass."""
    print(f"\n{title}\n")
    print("| protocol | metric | sets | rate | 95 % of the rate | |")
    print("|---|---|---:|---:|---:|---|")
    all_pass = True
    for name, (count, total) in counts.items():
        low, high = bound_rate(count, total)
        is_good = passes(low, high)
        all_pass &= is_good
        protocol, metric = name.split()
        verdict = "passes" if is_good else "FAILS"
        print(
            f"| {protocol} | {metric} | {total:,} | {count / total:.3f} | {low:.3f}–{high:.3f} "
            f"| {verdict} |"
        )
    sys.stdout.flush()
    return all_pass


def main() -> None:
    """Run the simulations that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=2_000, metavar="N", help="Sets per size.")
    parser.add_argument("--pairs", type=int, default=4_000, metavar="N", help="Pairs per size.")
    parser.add_argument("--resamples", type=int, default=200, metavar="N", help="Resamples each.")
    parser.add_argument("--skill", type=float, default=1.0, help="Of the models; 0.2 has AP 3.")
    parser.add_argument("--sizes", default=INTERVAL_SIZES, metavar="LIST", help="For intervals.")
    parser.add_argument("--test-sizes", default=TEST_SIZES, metavar="LIST", help="For p-values.")
    args = parser.parse_args()
    all_pass = True
    for name in filter(None, args.sizes.split(",")):
        counts = measure_coverage(name, args.sets, args.resamples, args.skill)
        title = f"Intervals that contain the true value, {name}"
        all_pass &= print_rates(title, counts, lambda low, high: low <= 0.965 and high >= 0.935)
    for name in filter(None, args.test_sizes.split(",")):
        counts = measure_false_alarms(name, args.pairs, args.resamples)
        title = f"p-values below .05 of equal models, {name}"
        all_pass &= print_rates(title, counts, lambda low, _: low <= 0.055)
    print("\nall pass" if all_pass else "\nnot all pass")


if __name__ == "__main__":
    main()
