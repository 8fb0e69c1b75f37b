"""Ablations: the effect of the order of people and of the size-aware options on AP, with intervals.

    OMP_NUM_THREADS=1 python bench/ablations.py [--arms shuffled,grouped,...] [--seeds 3]
        [--epochs 4] [--out FILE]

A tiny SimpleBaseline is trained on synthetic images once per arm and seed, with the same people,
number of steps and initial weights. Printed are COCO's AP of the 21 joints by size, the mean over
seeds, and the difference to another arm, paired by seed, with its 95 % interval (Student's t).
`shuffled` shows people in a full shuffle; `grouped` is compared with it and shuffles within a
window of a twentieth of all people, as a real run does. The other arms are grouped too, and
compared with `grouped`. With --out, the line of each training goes to a file, and trainings with a
line there are not repeated.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch
from scipy import stats

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable
from smallpose.evaluation.evaluate import evaluate
from smallpose.inference.boxes import select_true_boxes
from smallpose.inference.options import InferenceOptions
from smallpose.inference.top_down import predict_top_down
from smallpose.methods import create_method
from smallpose.synthetic import draw_scene
from smallpose.training.schedule import compute_learning_rate, create_optimizer

METHOD = "simple_baseline_r18_tiny"
KINDS = ("coco", "mpii")  # alternating: many small people, and enough large ones
METRICS = ("AP", "AP_S", "AP_M", "AP_L")
ARMS: dict[str, dict[str, float]] = {
    "shuffled": {},
    "grouped": {},
    "balanced": {"balance": 1.0},
    "half balanced": {"balance": 0.5},
    "coarse": {"coarse": 0.3},
    "pasted": {"paste": 0.3},
}


def make_people(folder: Path, split: str, num_images: int) -> Instances:
    """Write images below `folder` and return their people."""
    rows, boxes, keypoints, sizes = [], [], [], []
    (folder / split).mkdir(parents=True)
    names = [f"{split}/{index:05d}.jpg" for index in range(num_images)]
    for index, name in enumerate(names):
        seed = index + (0 if split == "train" else 10**6)
        image, points, scene_boxes = draw_scene(seed, kind=KINDS[index % 2], split=split)
        cv2.imwrite(str(folder / name), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        rows += [index] * len(scene_boxes)
        boxes += list(scene_boxes)
        keypoints += list(points)
        sizes.append((image.shape[1], image.shape[0]))
    width, height = zip(*sizes, strict=True)
    images = make_images(np.arange(1, num_images + 1), names, width, height)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints)


class CachingReader(ImageReader):
    """A reader that decodes each image once for all trainings."""

    images: ClassVar[dict[str, np.ndarray]] = {}

    def read(self, name: str) -> np.ndarray:
        """Read an image, from memory if it was read before."""
        if name not in self.images:
            self.images[name] = super().read(name)
        return self.images[name]


def train_arm(
    train: Instances, test: Instances, reader: ImageReader, arm: str, seed: int, epochs: int
) -> dict[str, float | None]:
    """Train one arm with one seed and return its metrics."""
    torch.manual_seed(seed)
    method = create_method(METHOD, SMALLPOSE)
    recipe = replace(method.recipes["quick"], epochs=epochs)
    augmentation = replace(recipe.augment, **ARMS[arm])
    dataset = CropDataset(
        train, select_trainable(train), reader, method.input_wh, augmentation, seed, method.udp_warp
    )
    loader = CropLoader(dataset, LoaderOptions(batch_size=recipe.batch_size))
    loader.window = len(dataset.rows) if arm == "shuffled" else len(dataset.rows) // 20
    optimizer = create_optimizer(method, recipe)
    method.train()
    step = 0
    for epoch in range(epochs):
        for batch in loader.batches(epoch):
            rate = compute_learning_rate(step, loader.steps_per_epoch, recipe)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["rate_share"]
            outputs = method(method.prepare(batch.crops))
            loss = sum(method.loss(outputs, method.targets(batch.keypoints)).values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
    boxes = select_true_boxes(test)
    options = InferenceOptions(flip_test=False)
    predictions = predict_top_down(method, test, boxes, reader.read, options)
    scores = evaluate(test, predictions)["coco"]
    return {name: scores[name] for name in METRICS}


def print_table(results: list[dict], arms: list[str]) -> None:
    """Print means and differences with intervals, over the seeds that all arms have."""
    result_of = {(r["arm"], r["seed"]): r for r in results}
    all_seeds = sorted({r["seed"] for r in results})
    seeds = [s for s in all_seeds if all((arm, s) in result_of for arm in arms)]
    print(f"\n{len(seeds)} seeds".ljust(20) + "".join(f"{name:>24}" for name in METRICS))
    for arm in arms:
        line = arm.ljust(19)
        baseline = "shuffled" if arm == "grouped" else "grouped"
        for name in METRICS:
            values = np.array([100 * result_of[arm, s][name] for s in seeds])
            if arm == "shuffled" or baseline not in arms or len(seeds) < 2:
                line += f"{values.mean():>24.1f}"
                continue
            difference = values - [100 * result_of[baseline, s][name] for s in seeds]
            mean = difference.mean()
            standard_error = difference.std(ddof=1) / len(seeds) ** 0.5
            half_width = stats.t.ppf(0.975, len(seeds) - 1) * standard_error
            interval = f"({mean - half_width:+.1f} {mean + half_width:+.1f})"
            line += f"{values.mean():>6.1f} {mean:>+5.1f} {interval}".rjust(24)
        print(line)


def main() -> None:
    """Train all arms and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--arms", default=",".join(ARMS), metavar="LIST", help="Arms to train (default: all)."
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="Number of seeds (default: 3)."
    )
    parser.add_argument(
        "--epochs", type=int, default=4, metavar="N", help="Number of epochs (default: 4)."
    )
    parser.add_argument(
        "--images", type=int, default=280, metavar="N", help="Training images (default: 280)."
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="File for a line per training.")
    args = parser.parse_args()
    arms = args.arms.split(",")
    torch.set_num_threads(1)
    results = []
    if args.out and args.out.exists():
        results = [json.loads(line) for line in args.out.read_text().splitlines()]
    is_done = {(r["arm"], r["seed"]) for r in results}
    with tempfile.TemporaryDirectory() as folder:
        train = make_people(Path(folder), "train", args.images)
        test = make_people(Path(folder), "test", args.images * 2 // 3)
        reader = CachingReader(Path(folder))
        for people, purpose in ((train, "train on"), (test, "test on")):
            classes = people.size_class[select_trainable(people)]
            small, medium, large = np.bincount(classes, minlength=3)
            print(f"{small:,} small, {medium:,} medium, {large:,} large people to {purpose}")
        for seed in range(args.seeds):
            for arm in arms:
                if (arm, seed) in is_done:
                    continue
                start = time.process_time()
                metrics = train_arm(train, test, reader, arm, seed, args.epochs)
                cpu_s = round(time.process_time() - start, 1)
                results.append({"arm": arm, "seed": seed, **metrics, "cpu_s": cpu_s})
                print(json.dumps(results[-1]), flush=True)
                if args.out:
                    with args.out.open("a") as file:
                        file.write(json.dumps(results[-1]) + "\n")
    print_table(results, arms)


if __name__ == "__main__":
    main()
