"""Compare the builder's work on annotations with two other programs, at COCO's size and above.

    python bench/build.py [--people 160000] [--repeats 3] [--source coco|aic]

The lower bound decodes the annotation files with msgspec, a fast maintained JSON library, into
plain objects and encodes them again: no checks, no columns, no selection. The script is a short one
with pycocotools and json: load, keep images with a small person and a random tenth of the others,
map keypoints to the 21 joints, clip boxes, assign ids, dump; no checks, no manifest. smallpose
reads, checks, maps, clips, splits, selects until the mix is the paper's, and writes train.json,
test.json, manifest and card. Images are left out of all (`--missing-images keep`). Each runs in a
separate process, one after the other. Ratios are of CPU seconds, which other work on the machine
disturbs less than the clock.
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

LOWER_BOUND = """
import msgspec, sys
from pathlib import Path
for path in Path(sys.argv[1]).rglob("*.json"):
    data = msgspec.json.decode(path.read_bytes())
    (Path(sys.argv[2]) / path.name).write_bytes(msgspec.json.encode(data))
"""
SMALLPOSE = """
import sys
from pathlib import Path
from smallpose.dataset.builder.build import BuildOptions, build_dataset
options = BuildOptions(missing_images="keep", images="none", leaks="off", overwrite=True)
build_dataset({sys.argv[3]: Path(sys.argv[1])}, Path(sys.argv[2]) / "set", options)
"""
SCRIPT = """
import json, random, sys
from pathlib import Path
from pycocotools.coco import COCO
TO = [0, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20]
random.seed(0)
image_id = ann_id = 1
for name, split in (("train", "train"), ("val", "test")):
    coco = COCO(str(Path(sys.argv[1]) / "annotations" / f"person_keypoints_{name}2017.json"))
    images, annotations = [], []
    for old in coco.getImgIds():
        image = coco.imgs[old]
        people = coco.imgToAnns[old]
        labelled = [a for a in people if a["num_keypoints"] > 0 and not a["iscrowd"]]
        small = any(a["bbox"][2] * a["bbox"][3] < 128 * 96 for a in labelled)
        if not labelled or (not small and random.random() > 0.1):
            continue
        images.append({"id": image_id, "file_name": f"coco/{name}2017/" + image["file_name"],
                       "width": image["width"], "height": image["height"], "source": "coco"})
        for a in people:
            x, y, w, h = a["bbox"]
            x2, y2 = min(x + w, image["width"]), min(y + h, image["height"])
            x, y = max(x, 0), max(y, 0)
            keypoints = [0] * 63
            for i, j in enumerate(TO):
                keypoints[3 * j : 3 * j + 3] = a["keypoints"][3 * i : 3 * i + 3]
            annotations.append({"id": ann_id, "image_id": image_id, "category_id": 1,
                "bbox": [x, y, x2 - x, y2 - y], "area": (x2 - x) * (y2 - y),
                "iscrowd": a["iscrowd"], "keypoints": keypoints, "source": "coco",
                "num_keypoints": sum(v > 0 for v in keypoints[2::3])})
            ann_id += 1
        image_id += 1
    with open(Path(sys.argv[2]) / f"{split}.json", "w") as file:
        json.dump({"images": images, "annotations": annotations, "categories": []}, file)
"""
USAGE = "\nimport resource; u = resource.getrusage(resource.RUSAGE_SELF)"
USAGE += "\nprint(u.ru_utime + u.ru_stime, u.ru_maxrss)"


def make_coco(root: Path, people: int) -> int:
    """Write COCO-like annotation files with so many labelled people; return the bytes written."""
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
        path = root / "annotations" / f"person_keypoints_{name}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.write(f'{{"images": {json.dumps(images)}, "annotations": [')
            for i, b in enumerate(boxes):
                record = {
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
                file.write((", " if i else "") + json.dumps(record))
            file.write("]}")
        total += path.stat().st_size
    return total


def make_aic(root: Path, people: int) -> int:
    """Write an AI Challenger file with 1.8 people per image; return the bytes written."""
    import numpy as np

    rng = np.random.default_rng(0)
    m = max(round(people * 210_000 / 378_352), 1)
    count = 1 + np.bincount(rng.integers(0, m, people - m), minlength=m)
    folder = root / "keypoint_train_20170909"
    folder.mkdir(parents=True)
    path = folder / "keypoint_train_annotations_20170909.json"
    with path.open("w") as file:
        for i in range(m):
            corner = rng.integers(0, 400, (count[i], 1, 2))
            sides = rng.integers(60, 500, (count[i], 1, 2))
            xy = corner + (rng.random((count[i], 14, 2)) * sides).astype(int)
            v = rng.integers(1, 4, (count[i], 14, 1))
            points = np.concatenate([xy * (v < 3), v], axis=2).reshape(-1, 42).tolist()
            boxes = np.concatenate([corner, corner + sides], axis=2).reshape(-1, 4).tolist()
            record = {
                "url": f"http://www.example.org/slides/2013_{i}.jpg",
                "image_id": f"{i:040x}",
                "keypoint_annotations": {f"human{n}": p for n, p in enumerate(points, 1)},
                "human_annotations": {f"human{n}": b for n, b in enumerate(boxes, 1)},
            }
            file.write(("," if i else "[") + json.dumps(record))
        file.write("]")
    return path.stat().st_size


def measure_process(code: str, *arguments: Path | str) -> tuple[float, float, float]:
    """Run code in a process; return wall-clock seconds, CPU seconds and peak MB."""
    start = time.perf_counter()
    command = [sys.executable, "-c", code + USAGE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu, memory = done.stdout.split()[-2:]
    return time.perf_counter() - start, float(cpu), int(memory) / 1024


def main() -> None:
    """Measure each program and print its ratio to the lower bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=160_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--source", choices=("coco", "aic"), default="coco")
    args = parser.parse_args()
    tasks = {
        "parse and write (msgspec)": LOWER_BOUND,
        "pycocotools and json": SCRIPT,
        "smallpose": SMALLPOSE,
    }
    if args.source != "coco":
        del tasks["pycocotools and json"]  # it reads only COCO
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in tasks}
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "coco", Path(folder) / "out"
        out.mkdir()
        # In a separate process, because the peak memory of a child begins at that of its parent.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            make = make_coco if args.source == "coco" else make_aic
            size = pool.apply(make, (root, args.people))
        print(f"{args.people:,} people, {size / 1e6:.0f} MB of JSON", flush=True)
        for _ in range(args.repeats):
            for name, code in tasks.items():
                rows[name].append(measure_process(code, root, out, args.source))
    lower_bound = next(iter(rows.values()))
    print(f"{'':<28}{'clock':>9}{'CPU':>9}{'peak':>10}{'CPU ratio':>12}")
    for name, runs in rows.items():
        clock, cpu = (statistics.median(r[i] for r in runs) for i in (0, 1))
        ratio = statistics.median(r[1] / f[1] for r, f in zip(runs, lower_bound, strict=True))
        memory = max(r[2] for r in runs)
        print(f"{name:<28}{clock:8.2f}s{cpu:8.2f}s{memory:7.0f} MB{ratio:12.2f}")


if __name__ == "__main__":
    main()
