"""Memory of a table of 627,125 people in 68,311 pictures: ours, and MMPose's data set.

    python bench/loader_memory.py [--mmpose ENV] [--people 627125] [--starts fork,spawn]

Two workers go once through everybody in random order, without opening a picture. MiB, of memory
that no other process shares:

- `table`: what the training process takes for it;
- `grown`: by how much a worker grows over the epoch;
- `its share`: by how much a worker is larger at the end than one that went through 2,000 people,
  which is what the table costs each worker, whether it was copied when the worker began or later.
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
from smallpose.dataloading.top_down.batches import ImageOfPeople, trainable
from smallpose.dataloading.worker_pool import Pool
from smallpose.io.coco_annotations import read_coco, write_coco

SIDE = Path(__file__).parent / "loader" / "mmpose_side.py"
PEOPLE, PICTURES = 627_125, 68_311
FEW = 2_000


def write_people(file: Path, count: int) -> None:
    """Random people, with COCO's 17 joints so that MMPose's own data set reads them."""
    pictures = max(count * PICTURES // PEOPLE, 1)
    rng = np.random.default_rng(0)
    keypoints = np.round(rng.uniform(0, 400, (count, 17, 3)), 1)
    keypoints[..., 2] = 2
    boxes = np.round(rng.uniform(1, 200, (count, 4)), 1)
    names = [f"coco/train2017/{number:012d}.jpg" for number in range(pictures)]
    images = make_images(np.arange(1, pictures + 1), names, [640] * pictures, [480] * pictures)
    write_coco(
        make_instances(COCO17, images, rng.integers(pictures, size=count), boxes, keypoints), file
    )


class Unopened:
    """Pictures that are not opened, so that the table's memory is all there is."""

    black = np.zeros((480, 640, 3), np.uint8)

    def read(self, name: str) -> np.ndarray:
        return self.black


class Measured(ImageOfPeople):
    """Tells its own memory beside the keypoints, every now and then."""

    calls = 0

    def fill(self, task, out):
        self.calls += 1
        told = super().fill(task, out)
        return os.getpid(), own_mib() if self.calls % 100 == 5 else 0.0, told


def own_mib() -> float:
    """MiB of this process that no other one shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def ours(file: Path) -> dict[str, float]:
    """As the peer's half prints it."""
    before = own_mib()
    people = read_coco(file)
    dataset = Measured(people, trainable(people), Unopened(), (24, 32), None, 0)
    loaded = own_mib() - before
    of_image = [dataset.columns.people_of(i) for i in range(len(people.images))]
    tasks = [(0, rows, np.zeros_like(rows)) for rows in of_image if len(rows)]
    np.random.default_rng(0).shuffle(tasks)
    grown: dict[int, list[float]] = {}
    for (pid, mib, _), _ in Pool(dataset, 2).run(tasks):
        if mib:
            grown.setdefault(pid, []).append(mib)
    spread = float(np.mean([values[-1] - values[0] for values in grown.values()]))
    end = float(np.mean([values[-1] for values in grown.values()]))
    return {"people": len(people.ids), "loaded": loaded, "grown": spread, "end": end}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mmpose", type=Path, metavar="ENV")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--starts", default="fork,spawn", help="how workers start (fork,spawn)")
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--start", default="fork", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.of:
        multiprocessing.set_start_method(asked.start)
        print(json.dumps(ours(asked.of)))
        return
    sides: dict[str, tuple[list[object], dict[str, str]]] = {
        "smallpose": ([sys.executable, __file__, "--of"], {})
    }
    if asked.mmpose:
        peer = [asked.mmpose / "bin" / "python", "-W", "ignore", SIDE, "memory"]
        sides["MMPose"] = (peer, {"PYTHONPATH": str(asked.mmpose / "stubs")})
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few.json", Path(folder) / "many.json"
        write_people(few, FEW)
        write_people(many, asked.people)
        for start in asked.starts.split(","):
            for who, (call, env) in sides.items():
                less, told = (measure([*call, f, "--start", start], env) for f in (few, many))
                share = told["end"] - less["end"]
                print(
                    f"{start:<6} {who:<10} {told['people']:>9,} people   "
                    f"table {told['loaded']:>6,.0f}   grown {told['grown']:>6.1f}   "
                    f"its share {share:>7.1f}",
                    flush=True,
                )


def measure(call: list[object], env: dict[str, str]) -> dict[str, float]:
    """What one half prints."""
    done = subprocess.run(
        [str(part) for part in call],
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    main()
