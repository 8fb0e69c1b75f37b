"""Time duplicate removal in a crowd: people compared with those near them, and each with each.

Half of the people are a second detection of another. CPU seconds; the results are compared.

    python bench/crowd_nms.py [--people 1000,5000]
"""

import argparse
import time

import numpy as np

from smallpose.core.skeleton import COCO17
from smallpose.models.codecs import nms

CROWDS = {"512 px image, people of 60 px": (512, 15), "4,000 px image": (4000, 15)}


def make_crowd(num_people, side, spread):
    """Return (d, 17, 2) keypoints, px, and (d,) scores."""
    rng = np.random.default_rng(0)
    num_first = num_people - num_people // 2
    centers = rng.uniform(0, side, (num_first, 1, 2))
    first = centers + rng.normal(0, spread, (num_first, 17, 2))
    second = first[: num_people // 2]
    second = second + rng.normal(0, spread / 50, second.shape)
    return np.concatenate([first, second]), rng.uniform(0, 1, num_people)


def remove_by_oks(points, scores):
    """Remove duplicates as CID does."""
    area = np.ptp(points, axis=1).prod(axis=1)
    return nms.oks_nms(points, scores, area, COCO17.sigmas, 0.8)


def remove_by_joints(points, scores):
    """Remove duplicates as DEKR does."""
    return nms.nearby_joints_nms(points.astype(np.float32), scores)


def measure(remove, points, scores, min_searched):
    """Return CPU seconds and the kept rows."""
    nms.MIN_SEARCHED = min_searched
    started_at = time.process_time()
    kept = remove(points, scores)
    return time.process_time() - started_at, kept


def main():
    """Print a row for each crowd, size and kind of NMS."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", default="1000,5000")
    min_searched = nms.MIN_SEARCHED
    print("NMS    people  kept  each with each  near ones  ratio  crowd")
    for name, (side, spread) in CROWDS.items():
        for count in map(int, parser.parse_args().people.split(",")):
            points, scores = make_crowd(count, side, spread)
            for label, remove in (("OKS", remove_by_oks), ("joints", remove_by_joints)):
                slow, expected = measure(remove, points, scores, 10**9)
                fast, kept = measure(remove, points, scores, min_searched)
                assert np.array_equal(kept, expected)
                print(
                    f"{label:6} {count:6,} {len(kept):5,} {slow:12.2f} s {fast:8.2f} s "
                    f"{slow / fast:6.1f}  {name}"
                )


if __name__ == "__main__":
    main()
