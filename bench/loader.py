"""Training crops per second, against MMPose's training pipeline.

    OMP_NUM_THREADS=1 python bench/loader.py [--mmpose ENV] [--rounds 3]

ENV is the folder of an environment in which `import mmpose` works; `ENV/stubs` is put in front of
its path if it exists. Without it only smallpose is measured. Both get the same synthetic images,
JPEG of quality 90 in the page cache, with one and with ten people each, and do the same work in
one process on one core: read, centre and scale, flip, half body, shift, scale and rotate, affine
warp, heatmap targets. `cached` is smallpose in later epochs of `--cache`, with the images that were
opened per person all the same in brackets. They take turns, and the ratio is that of the CPU
seconds of each turn, which other work on the machine affects less than wall time.
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
from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.methods import create_method
from smallpose.synthetic import draw_scene

SIDE = Path(__file__).parent / "loader" / "mmpose_side.py"
CASES = (((640, 480), 10, 40), ((1920, 1080), 10, 20), ((640, 480), 1, 150), ((1920, 1080), 1, 40))
GOALS = {(640, 10): 3.0, (1920, 10): 8.0, (640, 1): 1.3, (1920, 1): 1.3}


def make_images_of_people(
    folder: Path, size_wh: tuple[int, int], per_image: int, num_images: int
) -> Path:
    """Write images and annotations of exactly `per_image` people in each; return their file."""
    rows, boxes, keypoints, names = [], [], [], []
    seed = 0
    (folder / "images").mkdir()
    while len(names) < num_images:
        seed += 1
        kind = "hieve" if per_image > 1 else "coco"
        image, points, scene_boxes = draw_scene(seed, size_wh, kind)
        chosen = np.flatnonzero((points[:, :, 2] > 0).sum(axis=1) > 3)[:per_image]
        if len(chosen) < per_image:
            continue
        rows += [len(names)] * per_image
        boxes += list(scene_boxes[chosen])
        keypoints += list(points[chosen])
        names.append(f"{len(names)}.jpg")
        path = folder / "images" / names[-1]
        cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    width, height = ([side] * num_images for side in size_wh)
    images = make_images(np.arange(1, num_images + 1), names, width, height)
    file = folder / "people.json"
    write_coco(make_instances(SMALLPOSE, images, rows, boxes, keypoints), file)
    return file


class CountingReader(ImageReader):
    """A reader that counts the images it reads."""

    num_opened = 0

    def read(self, name: str) -> np.ndarray:
        """Read an image and count it."""
        CountingReader.num_opened += 1
        return super().read(name)


def measure_smallpose(file: Path, samples: int, cache: Path | None = None) -> dict[str, float]:
    """Measure crops and targets of at least so many people, epoch after epoch."""
    people = read_coco(file)
    method = create_method("simple_baseline_r50", SMALLPOSE)
    dataset = CropDataset(
        people,
        select_trainable(people),
        CountingReader(file.parent / "images"),
        (192, 256),
        Augmentation(),
        0,
    )
    if cache is not None:
        dataset.open_cache(cache)
    loader = CropLoader(dataset, LoaderOptions(batch_size=64))
    next(loader.batches(0))
    num_samples = 0
    epoch = 0
    CountingReader.num_opened = 0
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    while num_samples < samples:
        for batch in loader.batches(epoch):
            method.targets(batch.keypoints)
            num_samples += len(batch.rows)
        epoch += 1
    return {
        "per_second": num_samples / (time.perf_counter() - wall_start),
        "per_cpu_second": num_samples / (time.process_time() - cpu_start),
        "opened": CountingReader.num_opened / num_samples,
    }


def measure_mmpose(env: Path, *arguments: object) -> dict[str, float]:
    """Run mmpose_side.py in MMPose's environment and return what it prints."""
    stubs = {"PYTHONPATH": str(env / "stubs")} if (env / "stubs").exists() else {}
    done = subprocess.run(
        [str(env / "bin" / "python"), "-W", "ignore", str(SIDE), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **stubs},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mmpose", type=Path, metavar="ENV", help="Environment of MMPose (default: none)."
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="Number of rounds (default: 3)."
    )
    parser.add_argument(
        "--samples", type=int, default=600, metavar="N", help="Samples per run (default: 600)."
    )
    parser.add_argument(
        "--cases",
        default="0,1,2,3",
        metavar="LIST",
        help="Numbers of the table lines to measure (default: all).",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    header = "people  image     smallpose/s      cached/s (opened)"
    print(header + "   MMPose/s   ratio (CPU; min, median, max)      goal" * bool(args.mmpose))
    for size_wh, per_image, num_images in (CASES[int(number)] for number in args.cases.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            file = make_images_of_people(Path(folder), size_wh, per_image, num_images)
            rounds = []
            samples = args.samples if size_wh[0] < 1000 else args.samples // 3
            for _ in range(args.rounds):
                peer = {}
                if args.mmpose:
                    images = file.parent / "images"
                    peer = measure_mmpose(args.mmpose, "speed", file, images, samples)
                cached = measure_smallpose(file, samples, Path(folder) / "windows")
                rounds.append((measure_smallpose(file, samples), cached, peer))
        plain_speed, cached_speed = (
            statistics.median(results[i]["per_cpu_second"] for results in rounds) for i in (0, 1)
        )
        line = f"{per_image:>6}  {size_wh[0]:>4}x{size_wh[1]:<5} {plain_speed:>9.0f}"
        line += f" {cached_speed:>13.0f} ({rounds[-1][1]['opened']:>5.2f}) "
        if args.mmpose:
            peer_speed = statistics.median(results[2]["per_cpu_second"] for results in rounds)
            ratios = sorted(o["per_cpu_second"] / p["per_cpu_second"] for o, _, p in rounds)
            summary = f"{ratios[0]:.2f}  {statistics.median(ratios):.2f}  {ratios[-1]:.2f}"
            line += f"  {peer_speed:>9.0f}   {summary:<32}  {GOALS[size_wh[0], per_image]:>4.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
