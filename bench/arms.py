"""What the order of people and the size-aware options do to what is learned, with intervals.

    OMP_NUM_THREADS=1 python bench/arms.py [--arms shuffled,grouped,…] [--seeds 5] [--epochs 6]

A tiny SimpleBaseline learns the synthetic world once per arm and seed, everything else alike: the
same people, number of steps, weights to begin with. Printed: COCO's AP of the 21 joints by size,
the mean over seeds, and the difference to the first arm, paired by seed, with its 95 % interval
(Student's t). `shuffled` shows people in a full shuffle, `grouped` within a window of a twentieth
of them, pictures decoded once; the other arms are grouped too.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy import stats

from smallpose.core.skeleton import SMALLPOSE
from smallpose.evaluation.metrics import evaluate
from smallpose.inference.boxes import true_boxes
from smallpose.inference.options import Options
from smallpose.inference.top_down import find_people
from smallpose.methods import create_method
from smallpose.samples.crops import Crops, ImageOfPeople, trainable
from smallpose.samples.images import Pictures
from smallpose.synthetic import draw_scene
from smallpose.table.instances import Instances, make_images, make_instances
from smallpose.training.schedule import learning_rate, make_optimizer

METHOD = "simple_baseline_r18_tiny"
NUMBERS = ("AP", "AP_S", "AP_M", "AP_L")
ARMS: dict[str, dict[str, float]] = {
    "shuffled": {},
    "grouped": {},
    "balanced": {"balance": 1.0},
    "half balanced": {"balance": 0.5},
    "coarse": {"coarse": 0.3},
    "balanced, coarse": {"balance": 0.5, "coarse": 0.3},
}


def world(folder: Path, split: str, pictures: int) -> Instances:
    """Pictures of COCO's kind below `folder`, and their people."""
    rows, boxes, keypoints, sizes = [], [], [], []
    (folder / split).mkdir(parents=True)
    names = [f"{split}/{number:05d}.jpg" for number in range(pictures)]
    for number, name in enumerate(names):
        seed = number + (0 if split == "train" else 10**6)
        picture, points, found = draw_scene(seed, kind="coco", split=split)
        cv2.imwrite(str(folder / name), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        rows += [number] * len(found)
        boxes += list(found)
        keypoints += list(points)
        sizes.append((picture.shape[1], picture.shape[0]))
    width, height = zip(*sizes, strict=True)
    images = make_images(np.arange(1, pictures + 1), names, width, height)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints)


def learned(
    train: Instances, test: Instances, pictures: Pictures, arm: str, seed: int, epochs: int
) -> dict[str, float | None]:
    """The numbers of one training."""
    torch.manual_seed(seed)
    method = create_method(METHOD, SMALLPOSE)
    recipe = replace(method.recipes["quick"], epochs=epochs)
    augment = replace(recipe.augment, **ARMS[arm])
    dataset = ImageOfPeople(
        *(train, trainable(train), pictures, method.input_wh, augment, seed, method.udp_warp)
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
    found = find_people(*(method, test, true_boxes(test), pictures.read, Options(flip_test=False)))
    result = evaluate(test, found)["coco"]
    return {name: result[name] for name in NUMBERS}


def table(results: list[dict], arms: list[str]) -> None:
    """Means by arm, and differences to the first with intervals."""
    seeds = sorted({r["seed"] for r in results})
    value = {(r["arm"], r["seed"]): r for r in results}
    print(f"\n{len(seeds)} seeds".ljust(20) + "".join(f"{name:>24}" for name in NUMBERS))
    for arm in arms:
        line = arm.ljust(19)
        for name in NUMBERS:
            own = np.array([100 * value[arm, s][name] for s in seeds])
            if arm == arms[0]:
                line += f"{own.mean():>24.1f}"
                continue
            apart = own - [100 * value[arms[0], s][name] for s in seeds]
            wide = stats.t.ppf(0.975, len(seeds) - 1) * apart.std(ddof=1) / len(seeds) ** 0.5
            low, high = apart.mean() - wide, apart.mean() + wide
            line += f"{own.mean():>6.1f} {apart.mean():>+5.1f} ({low:+.1f} {high:+.1f})".rjust(24)
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arms", default=",".join(a for a in ARMS if "," not in a))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pictures", type=int, default=400)
    asked = parser.parse_args()
    arms = asked.arms.split(",")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        train = world(Path(folder), "train", asked.pictures)
        test = world(Path(folder), "test", asked.pictures // 2)
        pictures, results = Pictures(Path(folder)), []
        print(f"{len(trainable(train)):,} people to learn from, {len(trainable(test)):,} to find")
        for seed in range(asked.seeds):
            for arm in arms:
                numbers = learned(train, test, pictures, arm, seed, asked.epochs)
                results.append({"arm": arm, "seed": seed} | numbers)
                print(json.dumps(results[-1]), flush=True)
        table(results, arms)


if __name__ == "__main__":
    main()
