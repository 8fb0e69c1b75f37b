"""Peak memory of `smallpose train` on 627,125 people, against another version of it.

    OMP_NUM_THREADS=1 python bench/train_memory.py [--before ENV] [--people 627125] [--steps 3]

A set is written with random labels of that many people in 68,311 images, of which each is a link
to one of `--files` small images, and one test image. Both versions train
`simple_baseline_r18_tiny` for `--steps` steps of 32 people. Peak RSS and CPU seconds are those of
the process, once up to the update of the weights in the first step, and once to the end of the
command. 2,000 people are measured, too: the difference is what the people cost.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.io.coco_annotations import write_coco

NUM_PEOPLE, NUM_IMAGES = 627_125, 68_311
NUM_FEW = 2_000
WIDTH, HEIGHT = 320, 240

METER = """
import json, resource, sys, time
from smallpose.cli.main import main
from torch.optim.optimizer import register_optimizer_step_pre_hook
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
steps = []
register_optimizer_step_pre_hook(lambda *_: steps.append((peak(), time.process_time())))
code = main(sys.argv[1:])
print(json.dumps({"code": code, "first": steps[0] if steps else None, "peak": peak(),
                  "cpu": time.process_time()}))
"""


def make_people(num_people: int, names: list[str], first_id: int) -> Instances:
    """Return random people with the 21 joints, spread over images."""
    rng = np.random.default_rng(first_id)
    size = np.array([WIDTH, HEIGHT])
    corner = np.round(rng.uniform(0, 0.6, (num_people, 1, 2)) * size, 1)
    extent = np.round(rng.uniform(0.1, 0.4, (num_people, 1, 2)) * size, 1)
    keypoints = np.full((num_people, len(SMALLPOSE), 3), 2.0)
    share = rng.uniform(0, 1, (num_people, len(SMALLPOSE), 2))
    keypoints[..., :2] = np.round(corner + share * extent, 1)
    boxes = np.concatenate([corner, extent], axis=2)[:, 0]
    n = len(names)
    images = make_images(np.arange(first_id, first_id + n), names, [WIDTH] * n, [HEIGHT] * n)
    rows = rng.integers(n, size=num_people)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints)


def write_set(folder: Path, num_people: int, num_files: int) -> None:
    """Write a set whose many images are links to a few files."""
    rng = np.random.default_rng(0)
    (folder / "images" / "coco").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for number in range(num_files):
        file = folder / "images" / "coco" / f"file{number}.jpg"
        cv2.imwrite(str(file), rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    num_images = max(num_people * NUM_IMAGES // NUM_PEOPLE, num_files)
    names = [f"coco/{number:012d}.jpg" for number in range(num_images)]
    for number, name in enumerate(names):
        os.link(
            folder / "images" / "coco" / f"file{number % num_files}.jpg", folder / "images" / name
        )
    train = make_people(num_people, names, 1)
    test = make_people(4, ["coco/file0.jpg"], num_images + 1)
    write_coco(train, folder / "annotations" / "train.json")
    write_coco(test, folder / "annotations" / "test.json")


def measure(python: Path, data: Path, steps: int, options: list[str]) -> dict[str, Any]:
    """Train in an environment and return what `METER` prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["train", "simple_baseline_r18_tiny", "--data", str(data), "--out"]
        command += [f"{folder}/run", "--recipe", "quick", f"steps={steps}", *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": folder}
        done = subprocess.run(
            [str(python), "-W", "ignore", "-c", METER, *command],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    record = dict(json.loads(done.stdout.splitlines()[-1]))
    if record["code"] or not record["first"]:
        raise SystemExit(f"training ended with code {record['code']}")
    return record


def main() -> None:
    """Print a line for each version and number of people."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--before", type=Path, metavar="ENV", help="Environment to compare with (default: none)."
    )
    parser.add_argument(
        "--people",
        type=int,
        default=NUM_PEOPLE,
        metavar="N",
        help=f"Number of people (default: {NUM_PEOPLE}).",
    )
    parser.add_argument(
        "--files", type=int, default=8, metavar="N", help="Number of image files (default: 8)."
    )
    parser.add_argument(
        "--steps", type=int, default=3, metavar="N", help="Number of steps (default: 3)."
    )
    parser.add_argument(
        "--options", default="", metavar="LIST", help="Options of both trainings (default: none)."
    )
    args = parser.parse_args()
    versions = {"now": Path(sys.executable)}
    if args.before:
        versions = {"before": args.before / "bin" / "python"} | versions
    for num_people in (NUM_FEW, args.people):
        with tempfile.TemporaryDirectory() as folder:
            write_set(Path(folder), num_people, args.files)
            for name, python in versions.items():
                record = measure(python, Path(folder), args.steps, args.options.split())
                mib, cpu_s = record["first"]
                print(
                    f"{name:<8}{num_people:>9,} people: peak {mib:,.0f} MiB and {cpu_s:.1f} CPU s "
                    f"to the first step, {record['peak']:,.0f} MiB and {record['cpu']:.1f} in all",
                    flush=True,
                )


if __name__ == "__main__":
    main()
