"""Statistics of a data set as large as the paper's, against a plain script person by person.

    python bench/stats.py [--scale 0.1] [--peer-scale 0.02] [--runs 3]

Ours counts 769,444 people in 78,607 images (at scale 1): sizes, densities, areas, people per image
and CrowdIndex with the interval of its mean. The peer is what one writes first: a loop over
annotations as COCO's JSON gives them, pure Python. It runs at a smaller scale, where both must come
to the same numbers; times are per person.
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
from smallpose.stats.dataset_counts import tally_of
from smallpose.stats.mean_interval import mean_of

PEOPLE, IMAGES = 769_444, 78_607
K = (21, 17, 16, 14, 14, 17)  # of each source, as Instances count them


def world(scale: float) -> Instances:
    """People scattered over images; crowds as large as 80."""
    rng = np.random.default_rng(0)
    images, people = int(IMAGES * scale), int(PEOPLE * scale)
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


def annotations(people: Instances) -> list[dict[str, Any]]:
    """The same as COCO's JSON has them, read already."""
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


def plainly(people: list[dict[str, Any]]) -> tuple[Counter[str], float]:
    """Sizes, densities and the mean CrowdIndex, one person after the other."""
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
        filled = area / 12288 * K[person["source"]] / len(labelled)
        density = 2 - 2 / (1 + 2.718281828459045**-filled)
        counts["sparse" if density < 0.35 else "moderate" if density < 0.95 else "dense"] += 1
    sums = []
    for group in by_image.values():
        total = 0.0
        for one in group:
            x, y, w, h = one["bbox"]
            inside = sum(
                x <= px <= x + w and y <= py <= y + h
                for other in group
                if other is not one
                for px, py in other["labelled"]
            )
            total += inside / len(one["labelled"])
        sums.append(total / len(group))
    return counts, statistics.fmean(sums)


def ours(people: Instances) -> tuple[Counter[str], float]:
    """The same and more: everything `smallpose stats` counts."""
    tally = tally_of(people)
    mean = mean_of(crowd_index(people), people.images.groups)
    c = tally.counts
    names = ("small", "medium", "large", "sparse", "moderate", "dense")
    return Counter(dict(zip(names, (*c.sizes, *c.densities), strict=True))), mean.value


def fresh(people: Instances) -> Instances:
    """Without what was counted before."""
    return people.take(np.arange(len(people)))


def main() -> int:
    """Time both, compare their numbers, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--peer-scale", type=float, default=0.05)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    small = world(args.peer_scale)
    plain = annotations(small)
    began = time.process_time()
    theirs = plainly(plain)
    peer = (time.process_time() - began) / len(small)
    same = ours(fresh(small))
    if same[0] != theirs[0] or abs(same[1] - theirs[1]) > 1e-9:
        print(f"the numbers differ: {same} and {theirs}")
        return 1
    large = world(args.scale)
    took = []
    for _ in range(args.runs):
        people = fresh(large)
        began = time.process_time()
        ours(people)
        took.append(time.process_time() - began)
    mine = statistics.median(took)
    print(
        f"smallpose: {len(large):,} people in {mine:.2f} CPU s, "
        f"{1e6 * mine / len(large):.2f} µs each"
    )
    print(f"plain Python: {len(small):,} people, {1e6 * peer:.1f} µs each; the same numbers")
    print(f"ratio {mine / len(large) / peer:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
