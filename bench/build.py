"""The builder's annotation work against parsing and writing the same JSON, at COCO's size and up.

    python bench/build.py [--people 160000] [--repeats 3]

The floor decodes the annotation files with msgspec, a fast maintained JSON library, into plain
objects and encodes them again: no checks, no columns, no selection. Ours reads, checks, maps to 21
joints, clips, splits, selects and writes train.json and test.json; pictures are left out of both
(`--missing-images keep`). Each runs in a process of its own, one after the other.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FLOOR = """
import msgspec, sys
from pathlib import Path
for name in ("train", "val"):
    path = Path(sys.argv[1]) / "annotations" / f"person_keypoints_{name}2017.json"
    data = msgspec.json.decode(path.read_bytes())
    (Path(sys.argv[2]) / f"{name}.json").write_bytes(msgspec.json.encode(data))
"""
OURS = """
import sys
from pathlib import Path
from smallpose.dataset.build import Options, build_dataset
options = Options(missing_images="keep", images="none", overwrite=True)
build_dataset({"coco": Path(sys.argv[1])}, Path(sys.argv[2]) / "set", options)
"""
MEMORY = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def make_coco(root: Path, people: int) -> int:
    """COCO-like annotation files with so many labelled people; the bytes written."""
    import numpy as np

    rng = np.random.default_rng(0)
    total = 0
    for name, share in (("train", 0.96), ("val", 0.04)):
        n = int(people * share)
        per_image = rng.geometric(1 / 2.5, n)
        image = np.repeat(np.arange(n), per_image)[:n]
        m = int(image[-1]) + 1
        images = [
            {"id": i, "file_name": f"{i:012d}.jpg", "width": 640, "height": 480} for i in range(m)
        ]
        sides = np.exp(rng.normal(4.5, 0.8, (n, 2))).clip(12, 470)
        corner = rng.random((n, 2)) * (np.array([640, 480]) - sides.clip(max=470)).clip(1)
        boxes = np.concatenate([corner, sides], axis=1).round(2).tolist()
        points = (corner[:, None] + rng.random((n, 17, 2)) * sides[:, None]).astype(int)
        v = rng.integers(0, 3, (n, 17, 1))
        keypoints = np.concatenate([points * (v > 0), v], axis=2).reshape(n, 51).tolist()
        count = (v[:, :, 0] > 0).sum(axis=1).tolist()
        polygon = rng.random((n, 24)).round(2).tolist()
        annotations = [
            {
                "segmentation": [polygon[i]],
                "num_keypoints": count[i],
                "area": 0.53 * b[2] * b[3],
                "iscrowd": 0,
                "keypoints": keypoints[i],
                "image_id": int(image[i]),
                "bbox": b,
                "category_id": 1,
                "id": i + 1,
            }
            for i, b in enumerate(boxes)
        ]
        path = root / "annotations" / f"person_keypoints_{name}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": annotations}))
        total += path.stat().st_size
    return total


def timed(code: str, *arguments: Path) -> tuple[float, float]:
    """Seconds and peak MB of one process."""
    start = time.perf_counter()
    command = [sys.executable, "-c", code + MEMORY, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, int(done.stdout.split()[-1]) / 1024


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=160_000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "coco", Path(folder) / "out"
        out.mkdir()
        # Made in a process of its own: a child's peak memory begins at its parent's.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            size = pool.apply(make_coco, (root, args.people))
        print(f"{args.people:,} people, {size / 1e6:.0f} MB of JSON")
        rows = [(timed(FLOOR, root, out), timed(OURS, root, out)) for _ in range(args.repeats)]
    for name, which in (("parse and write (msgspec)", 0), ("smallpose build", 1)):
        seconds = statistics.median(r[which][0] for r in rows)
        print(f"{name:<28}{seconds:7.2f} s {max(r[which][1] for r in rows):8.0f} MB")
    ratio = statistics.median(ours[0] / floor[0] for floor, ours in rows)
    print(f"{'ratio (paired median)':<28}{ratio:7.2f}")


if __name__ == "__main__":
    main()
