"""Samples per second of our crops against MMPose's training pipeline.

    OMP_NUM_THREADS=1 python bench/loader.py [--mmpose ENV] [--rounds 3]

ENV is a folder with an environment in which `import mmpose` works, `ENV/stubs` in front of its
path where that exists; without it only ours is measured. Both get the same pictures of the
synthetic world, JPEG of quality 90 in the page cache, with one and with ten people each, and do
the same work in one process on one core: read, centre and scale, mirror, half body, jitter,
affine, heatmap targets. `kept` is ours in later epochs of `--cache`, and in brackets the pictures
that were opened for each person all the same. They take turns, and the ratio is that of each
turn's CPU seconds, which others on the machine change less than the clock.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.augmentation import Augment
from smallpose.dataloading.images import Pictures
from smallpose.dataloading.top_down.batches import Crops, ImageOfPeople, trainable
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.methods import create_method
from smallpose.synthetic import draw_scene

SIDE = Path(__file__).parent / "loader" / "mmpose_side.py"
CASES = (((640, 480), 10, 40), ((1920, 1080), 10, 20), ((640, 480), 1, 150), ((1920, 1080), 1, 40))
AIMS = {(640, 10): 3.0, (1920, 10): 8.0, (640, 1): 1.3, (1920, 1): 1.3}


def make_pictures(folder: Path, size_wh: tuple[int, int], each: int, count: int) -> Path:
    """`count` pictures of at least so many people, of whom `each` are annotated."""
    rows, boxes, keypoints, names, seed = [], [], [], [], 0
    (folder / "images").mkdir()
    while len(names) < count:
        seed += 1
        picture, points, found = draw_scene(seed, size_wh, "hieve" if each > 1 else "coco")
        good = np.flatnonzero((points[:, :, 2] > 0).sum(axis=1) > 3)[:each]
        if len(good) < each:
            continue
        rows += [len(names)] * each
        boxes += list(found[good])
        keypoints += list(points[good])
        names.append(f"{len(names)}.jpg")
        path = folder / "images" / names[-1]
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    images = make_images(np.arange(1, count + 1), names, [size_wh[0]] * count, [size_wh[1]] * count)
    file = folder / "people.json"
    write_coco(make_instances(SMALLPOSE, images, rows, boxes, keypoints), file)
    return file


class Counting(Pictures):
    """Pictures that count what was opened."""

    opened = 0

    def read(self, name: str) -> np.ndarray:
        Counting.opened += 1
        return super().read(name)


def ours(file: Path, samples: int, cache: Path | None = None) -> dict[str, float]:
    """Crops and targets of at least so many people, epoch after epoch."""
    people = read_coco(file)
    method = create_method("simple_baseline_r50", SMALLPOSE)
    dataset = ImageOfPeople(
        people,
        trainable(people),
        Counting(file.parent / "images"),
        (192, 256),
        Augment(),
        0,
        cache=cache,
    )
    crops = Crops(dataset, 64)
    next(crops.batches(0))
    done, epoch, Counting.opened = 0, 0, 0
    wall, cpu = time.perf_counter(), time.process_time()
    while done < samples:
        for batch in crops.batches(epoch):
            method.targets(batch.keypoints)
            done += len(batch.rows)
        epoch += 1
    return {
        "per_second": done / (time.perf_counter() - wall),
        "per_cpu_second": done / (time.process_time() - cpu),
        "opened": Counting.opened / done,
    }


def mmpose(env: Path, *task: object) -> dict[str, float]:
    """What the peer's half prints."""
    stubs = {"PYTHONPATH": str(env / "stubs")} if (env / "stubs").exists() else {}
    done = subprocess.run(
        [str(env / "bin" / "python"), "-W", "ignore", str(SIDE), *map(str, task)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **stubs},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mmpose", type=Path, metavar="ENV")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--cases", default="0,1,2,3", help="numbers of the lines to measure")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    head = "people  picture      ours/s        kept/s (opened)"
    print(head + "   MMPose/s   ratio (CPU; least, median, most)   aim" * bool(asked.mmpose))
    for size_wh, each, count in (CASES[int(number)] for number in asked.cases.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            file = make_pictures(Path(folder), size_wh, each, count)
            turns = []
            samples = asked.samples if size_wh[0] < 1000 else asked.samples // 3
            for _ in range(asked.rounds):
                peer = {}
                if asked.mmpose:
                    peer = mmpose(asked.mmpose, "speed", file, file.parent / "images", samples)
                kept = ours(file, samples, Path(folder) / "windows")
                turns.append((ours(file, samples), kept, peer))
        own, kept_speed = (statistics.median(t[i]["per_cpu_second"] for t in turns) for i in (0, 1))
        line = f"{each:>6}  {size_wh[0]:>4}x{size_wh[1]:<5} {own:>9.0f} {kept_speed:>13.0f}"
        line += f" ({turns[-1][1]['opened']:>5.2f}) "
        if asked.mmpose:
            peer_speed = statistics.median(t[2]["per_cpu_second"] for t in turns)
            ratios = sorted(o["per_cpu_second"] / p["per_cpu_second"] for o, _, p in turns)
            three = f"{ratios[0]:.2f}  {statistics.median(ratios):.2f}  {ratios[-1]:.2f}"
            line += f"  {peer_speed:>9.0f}   {three:<32}  {AIMS[size_wh[0], each]:>4.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
