"""What the order of people and the size-aware options do to what is learned, with intervals.

    OMP_NUM_THREADS=1 python bench/arms.py [--arms shuffled,grouped,…] [--seeds 3] [--epochs 4]
        [--out FILE]

A tiny SimpleBaseline learns the synthetic world once per arm and seed, everything else alike: the
same people, number of steps, weights to begin with. Printed: COCO's AP of the 21 joints by size,
the mean over seeds, and the difference to an arm, paired by seed, with its 95 % interval (Student's
t). `shuffled` shows people in a full shuffle and is what `grouped` is compared with: people within
a window of a twentieth of all, as a run shows them. The other arms are grouped too, and compared
with `grouped`. With --out, each training's line goes to a file, and those that stand there are not
run again.
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
from smallpose.dataloading.images import Pictures
from smallpose.dataloading.top_down.batches import Crops, ImageOfPeople, trainable
from smallpose.evaluation.evaluate import evaluate
from smallpose.inference.boxes import true_boxes
from smallpose.inference.options import Options
from smallpose.inference.top_down import find_people
from smallpose.methods import create_method
from smallpose.synthetic import draw_scene
from smallpose.training.schedule import learning_rate, make_optimizer

METHOD = "simple_baseline_r18_tiny"
KINDS = ("coco", "mpii")  # in turn: many small people, and enough large ones
NUMBERS = ("AP", "AP_S", "AP_M", "AP_L")
ARMS: dict[str, dict[str, float]] = {
    "shuffled": {},
    "grouped": {},
    "balanced": {"balance": 1.0},
    "half balanced": {"balance": 0.5},
    "coarse": {"coarse": 0.3},
    "pasted": {"paste": 0.3},
}


def world(folder: Path, split: str, pictures: int) -> Instances:
    """Pictures below `folder`, and their people."""
    rows, boxes, keypoints, sizes = [], [], [], []
    (folder / split).mkdir(parents=True)
    names = [f"{split}/{number:05d}.jpg" for number in range(pictures)]
    for number, name in enumerate(names):
        seed = number + (0 if split == "train" else 10**6)
        picture, points, found = draw_scene(seed, kind=KINDS[number % 2], split=split)
        cv2.imwrite(str(folder / name), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        rows += [number] * len(found)
        boxes += list(found)
        keypoints += list(points)
        sizes.append((picture.shape[1], picture.shape[0]))
    width, height = zip(*sizes, strict=True)
    images = make_images(np.arange(1, pictures + 1), names, width, height)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints)


class Held(Pictures):
    """Pictures decoded once for all trainings."""

    held: ClassVar[dict[str, np.ndarray]] = {}

    def read(self, name: str) -> np.ndarray:
        if name not in self.held:
            self.held[name] = super().read(name)
        return self.held[name]


def learned(
    train: Instances, test: Instances, pictures: Pictures, arm: str, seed: int, epochs: int
) -> dict[str, float | None]:
    """The numbers of one training."""
    torch.manual_seed(seed)
    method = create_method(METHOD, SMALLPOSE)
    recipe = replace(method.recipes["quick"], epochs=epochs)
    augment = replace(recipe.augment, **ARMS[arm])
    dataset = ImageOfPeople(
        train, trainable(train), pictures, method.input_wh, augment, seed, method.udp_warp
    )
    crops = Crops(dataset, recipe.batch_size)
    crops.window = len(dataset.rows) if arm == "shuffled" else len(dataset.rows) // 20
    optimizer = make_optimizer(method, recipe)
    method.train()
    step = 0
    for epoch in range(epochs):
        for batch in crops.batches(epoch):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, crops.steps, recipe) * group["rate_share"]
            outputs = method(method.prepare(batch.crops))
            loss = sum(method.loss(outputs, method.targets(batch.keypoints)).values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
    found = find_people(method, test, true_boxes(test), pictures.read, Options(flip_test=False))
    result = evaluate(test, found)["coco"]
    return {name: result[name] for name in NUMBERS}


def table(results: list[dict], arms: list[str]) -> None:
    """Means by arm, and differences with intervals, over the seeds that all arms have."""
    value = {(r["arm"], r["seed"]): r for r in results}
    seeds = [s for s in sorted({r["seed"] for r in results}) if all((a, s) in value for a in arms)]
    print(f"\n{len(seeds)} seeds".ljust(20) + "".join(f"{name:>24}" for name in NUMBERS))
    for arm in arms:
        line, other = arm.ljust(19), "shuffled" if arm == "grouped" else "grouped"
        for name in NUMBERS:
            own = np.array([100 * value[arm, s][name] for s in seeds])
            if arm == "shuffled" or other not in arms or len(seeds) < 2:
                line += f"{own.mean():>24.1f}"
                continue
            apart = own - [100 * value[other, s][name] for s in seeds]
            wide = stats.t.ppf(0.975, len(seeds) - 1) * apart.std(ddof=1) / len(seeds) ** 0.5
            low, high = apart.mean() - wide, apart.mean() + wide
            line += f"{own.mean():>6.1f} {apart.mean():>+5.1f} ({low:+.1f} {high:+.1f})".rjust(24)
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=280, help="to learn from")
    parser.add_argument("--out", type=Path, metavar="FILE")
    asked = parser.parse_args()
    arms = asked.arms.split(",")
    torch.set_num_threads(1)
    results = []
    if asked.out and asked.out.exists():
        results = [json.loads(line) for line in asked.out.read_text().splitlines()]
    done = {(r["arm"], r["seed"]) for r in results}
    with tempfile.TemporaryDirectory() as folder:
        train = world(Path(folder), "train", asked.pictures)
        test = world(Path(folder), "test", asked.pictures * 2 // 3)
        pictures = Held(Path(folder))
        for people, why in ((train, "learn from"), (test, "find")):
            small, medium, large = np.bincount(people.size_class[trainable(people)], minlength=3)
            print(f"{small:,} small, {medium:,} medium, {large:,} large people to {why}")
        for seed in range(asked.seeds):
            for arm in arms:
                if (arm, seed) in done:
                    continue
                began = time.process_time()
                numbers = learned(train, test, pictures, arm, seed, asked.epochs)
                cpu = {"cpu_s": round(time.process_time() - began, 1)}
                results.append({"arm": arm, "seed": seed} | numbers | cpu)
                print(json.dumps(results[-1]), flush=True)
                if asked.out:
                    with asked.out.open("a") as file:
                        file.write(json.dumps(results[-1]) + "\n")
    table(results, arms)


if __name__ == "__main__":
    main()
