"""Compare the statistics of a data set as large as the paper's with a script of one loop.

    python bench/stats.py [--scale 0.1] [--peer-scale 0.02] [--runs 3]

smallpose counts 769,444 people in 78,607 images (at scale 1): sizes, densities, areas, people per
image and CrowdIndex with the interval of its mean. The peer is the obvious script: a loop over the
annotations of COCO's JSON in pure Python. It runs at a smaller scale, where both must give the same
numbers; times are per person.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.stats.crowding import crowd_index
from smallpose.stats.dataset_counts import count_dataset
from smallpose.stats.mean_interval import estimate_mean

NUM_PEOPLE, NUM_IMAGES = 769_444, 78_607
SOURCE_JOINTS = (21, 17, 16, 14, 14, 17)  # number of joints that each source labels


def make_people(scale: float) -> Instances:
    """Make people in images at random, with crowds of up to 80."""
    rng = np.random.default_rng(0)
    images, people = int(NUM_IMAGES * scale), int(NUM_PEOPLE * scale)
    share = np.minimum(rng.gamma(1.2, 1, images), 8)
    rows = np.sort(rng.choice(images, people, p=share / share.sum()))
    height = np.exp(rng.normal(4.8, 0.6, people))
    boxes = np.stack(
        [rng.uniform(0, 1280, people), rng.uniform(0, 720, people), height / 2, height], axis=1
    )
    xy = boxes[:, None, :2] + rng.random((people, 21, 2)) * boxes[:, None, 2:]
    v = np.where(rng.random((people, 21, 1)) < 0.7, 2.0, 0.0)
    keypoints = np.concatenate([xy * (v > 0), v], axis=2)
    source = rng.integers(1, 6, images).astype(np.int8)
    table = make_images(range(images), [f"{i}.jpg" for i in range(images)], source=source)
    return make_instances(SMALLPOSE, table, rows, boxes, keypoints, source=source[rows])


def convert_to_records(people: Instances) -> list[dict[str, Any]]:
    """Convert people to the records of COCO's JSON."""
    return [
        {"image_id": int(i), "bbox": b, "keypoints": k, "source": int(s)}
        for i, b, k, s in zip(
            people.image_rows,
            people.boxes_xywh.tolist(),
            people.keypoints.reshape(len(people), -1).tolist(),
            people.source,
            strict=True,
        )
    ]


def count_in_loop(people: list[dict[str, Any]]) -> tuple[Counter[str], float]:
    """Count sizes, densities and the mean CrowdIndex, one person after the other."""
    counts: Counter[str] = Counter()
    by_image: dict[int, list[dict[str, Any]]] = {}
    for person in people:
        points = person["keypoints"]
        labelled = [
            (points[i], points[i + 1]) for i in range(0, len(points), 3) if points[i + 2] > 0
        ]
        if not labelled:
            continue
        person["labelled"] = labelled
        by_image.setdefault(person["image_id"], []).append(person)
        area = person["bbox"][2] * person["bbox"][3]
        if area >= 12288:
            counts["medium" if area < 49152 else "large"] += 1
            continue
        counts["small"] += 1
        filled = area / 12288 * SOURCE_JOINTS[person["source"]] / len(labelled)
        density = 2 - 2 / (1 + 2.718281828459045**-filled)
        if density < 0.35:
            counts["sparse"] += 1
        elif density < 0.95:
            counts["moderate"] += 1
        else:
            counts["dense"] += 1
    sums = []
    for group in by_image.values():
        total = 0.0
        for one in group:
            x, y, w, h = one["bbox"]
            num_inside = sum(
                x <= px <= x + w and y <= py <= y + h
                for other in group
                if other is not one
                for px, py in other["labelled"]
            )
            total += num_inside / len(one["labelled"])
        sums.append(total / len(group))
    return counts, statistics.fmean(sums)


def count_with_smallpose(people: Instances) -> tuple[Counter[str], float]:
    """Count everything that `smallpose stats` counts, which includes the above."""
    dataset_counts = count_dataset(people)
    mean = estimate_mean(crowd_index(people), people.images.groups)
    counts = dataset_counts.counts
    names = ("small", "medium", "large", "sparse", "moderate", "dense")
    return Counter(dict(zip(names, (*counts.sizes, *counts.densities), strict=True))), mean.value


def copy_uncached(people: Instances) -> Instances:
    """Copy people without cached results."""
    return people.take(np.arange(len(people)))


def main() -> int:
    """Time both, compare their numbers and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--peer-scale", type=float, default=0.05)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    small = make_people(args.peer_scale)
    records = convert_to_records(small)
    start = time.process_time()
    expected = count_in_loop(records)
    peer_s = (time.process_time() - start) / len(small)
    actual = count_with_smallpose(copy_uncached(small))
    if actual[0] != expected[0] or abs(actual[1] - expected[1]) > 1e-9:
        print(f"the numbers differ: {actual} and {expected}")
        return 1
    large = make_people(args.scale)
    times_s = []
    for _ in range(args.runs):
        people = copy_uncached(large)
        start = time.process_time()
        count_with_smallpose(people)
        times_s.append(time.process_time() - start)
    total_s = statistics.median(times_s)
    print(
        f"smallpose: {len(large):,} people in {total_s:.2f} CPU s, "
        f"{1e6 * total_s / len(large):.2f} µs each"
    )
    print(f"plain Python: {len(small):,} people, {1e6 * peer_s:.1f} µs each; the same numbers")
    print(f"ratio {total_s / len(large) / peer_s:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
