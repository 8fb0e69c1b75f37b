"""Memory of a table of 627,125 people in 68,311 images: smallpose's, and MMPose's data set.

    python bench/loader_memory.py [--mmpose ENV] [--people 627125] [--starts fork,spawn]

Two workers process all people once in random order, without opening an image. MiB of memory that
no other process shares:

- `table`: of the training process;
- `growth`: of a worker over the epoch;
- `per worker`: how much larger a worker is at the end than one that processed 2,000 people, which
  is the cost of the table for each worker, whether it was copied at the start or later.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.top_down.batches import CropDataset, select_trainable
from smallpose.dataloading.worker_pool import WorkerPool
from smallpose.io.coco_annotations import read_coco, write_coco

SIDE = Path(__file__).parent / "loader" / "mmpose_side.py"
NUM_PEOPLE, NUM_IMAGES = 627_125, 68_311
NUM_FEW = 2_000


def write_people(file: Path, count: int) -> None:
    """Write random people with COCO's 17 joints, so that MMPose's own data set reads them."""
    num_images = max(count * NUM_IMAGES // NUM_PEOPLE, 1)
    rng = np.random.default_rng(0)
    keypoints = np.round(rng.uniform(0, 400, (count, 17, 3)), 1)
    keypoints[..., 2] = 2
    boxes = np.round(rng.uniform(1, 200, (count, 4)), 1)
    names = [f"coco/train2017/{number:012d}.jpg" for number in range(num_images)]
    images = make_images(
        np.arange(1, num_images + 1), names, [640] * num_images, [480] * num_images
    )
    rows = rng.integers(num_images, size=count)
    write_coco(make_instances(COCO17, images, rows, boxes, keypoints), file)


class BlackReader:
    """A reader that opens no file, so that only the memory of the table is measured."""

    black = np.zeros((480, 640, 3), np.uint8)

    def read(self, name: str) -> np.ndarray:
        """Return a black image."""
        return self.black


class MeasuredDataset(CropDataset):
    """A data set that reports the memory of its process for every hundredth task."""

    num_calls = 0

    def fill(self, task, out):
        """Return the process id, its MiB or 0, and the keypoints."""
        self.num_calls += 1
        keypoints = super().fill(task, out)
        mib = measure_private_mib() if self.num_calls % 100 == 5 else 0.0
        return os.getpid(), mib, keypoints


def measure_private_mib() -> float:
    """Return the MiB of this process that no other one shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def measure_smallpose(file: Path) -> dict[str, float]:
    """Measure smallpose's table; return what mmpose_side.py prints for MMPose."""
    before = measure_private_mib()
    people = read_coco(file)
    dataset = MeasuredDataset(people, select_trainable(people), BlackReader(), (24, 32), None, 0)
    loaded = measure_private_mib() - before
    rows_of_images = [dataset.table.rows_of_image(i) for i in range(len(people.images))]
    tasks = [(0, rows, np.zeros_like(rows)) for rows in rows_of_images if len(rows)]
    np.random.default_rng(0).shuffle(tasks)
    mib_of_worker: dict[int, list[float]] = {}
    for (pid, mib, _), _ in WorkerPool(dataset, 2).run(tasks):
        if mib:
            mib_of_worker.setdefault(pid, []).append(mib)
    growth = float(np.mean([values[-1] - values[0] for values in mib_of_worker.values()]))
    end = float(np.mean([values[-1] for values in mib_of_worker.values()]))
    return {"people": len(people.ids), "loaded": loaded, "growth": growth, "end": end}


def main() -> None:
    """Print a line for each way to start workers, and each library."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mmpose", type=Path, metavar="ENV", help="Environment of MMPose (default: none)."
    )
    parser.add_argument(
        "--people",
        type=int,
        default=NUM_PEOPLE,
        metavar="N",
        help=f"Number of people (default: {NUM_PEOPLE}).",
    )
    parser.add_argument(
        "--starts",
        default="fork,spawn",
        metavar="LIST",
        help="Ways to start workers (default: fork,spawn).",
    )
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--start", default="fork", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.of:
        multiprocessing.set_start_method(args.start)
        print(json.dumps(measure_smallpose(args.of)))
        return
    commands: dict[str, tuple[list[object], dict[str, str]]] = {
        "smallpose": ([sys.executable, __file__, "--of"], {})
    }
    if args.mmpose:
        peer = [args.mmpose / "bin" / "python", "-W", "ignore", SIDE, "memory"]
        commands["MMPose"] = (peer, {"PYTHONPATH": str(args.mmpose / "stubs")})
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.json"
        many = Path(folder) / "many.json"
        write_people(few, NUM_FEW)
        write_people(many, args.people)
        for start in args.starts.split(","):
            for library, (command, env) in commands.items():
                of_few = run_measurement([*command, few, "--start", start], env)
                of_many = run_measurement([*command, many, "--start", start], env)
                print(
                    f"{start:<6} {library:<10} {of_many['people']:>9,} people   "
                    f"table {of_many['loaded']:>6,.0f}   growth {of_many['growth']:>6.1f}   "
                    f"per worker {of_many['end'] - of_few['end']:>7.1f}",
                    flush=True,
                )


def run_measurement(command: list[object], env: dict[str, str]) -> dict[str, float]:
    """Run a measurement in a process of its own and return what it prints."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
