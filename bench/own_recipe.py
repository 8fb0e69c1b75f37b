"""Compare `--recipe own` with `quick` and with training from nothing, on a few real images.

    python bench/own_recipe.py --lsp DIR --weights RUN --sizes 40,200 --seeds 3 --out FILE

DIR has `joints.mat` and `images/` of the Leeds Sports Pose Extended Training Dataset (Johnson and
Everingham 2011; 10,000 photographs of 14 joints, labelled by crowd workers; for research). RUN is a
run on the synthetic data. For each size and seed, so many images are drawn to train on; all are
tested on the same others. The arms have the same CPU time in training steps: that of `own`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.io.coco_annotations import write_coco
from smallpose.training.run import TrainingConfig, train
from smallpose.training.trainer import Trainer

METHOD = "simple_baseline_r18_tiny"
# LSP's joints in its order; its neck is the lower end of the head.
JOINTS = [
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow"),
    *("left_wrist", "head_bottom", "head_top"),
]
MIN_JOINTS = 10  # a person with fewer labelled joints is left out
MARGIN = 0.15  # of the box around the joints, at every side
NUM_TEST = 300
NEVER = ("validate_every", "1000000000")
ARMS = {"quick": True, "nothing": False}  # whether they start from the weights


def read_people(folder):
    """Return (n, 14, 3) x, y, v of well labelled people, and the names of their images."""
    joints = scipy.io.loadmat(folder / "joints.mat")["joints"].transpose(2, 0, 1).astype(float)
    rows = np.flatnonzero((joints[:, :, 2] > 0).sum(axis=1) >= MIN_JOINTS)
    joints[joints[:, :, 2] == 0] = 0
    joints[:, :, 2] *= 2
    return joints[rows], [f"im{row + 1:05d}.jpg" for row in rows]


def write_part(folder, part, people, names, source):
    """Write one part of a set in the layout of built sets."""
    sizes = np.array([Image.open(source / name).size for name in names])
    skeleton = Skeleton("lsp14", tuple(JOINTS))
    points = np.where(people[:, :, 2:] > 0, people[:, :, :2], np.nan)
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    low, high = np.clip(low, 0, sizes), np.clip(high, 0, sizes)
    start = 1 if part == "train" else 100_000
    images = make_images(np.arange(start, start + len(names)), names, *sizes.T)
    boxes = np.concatenate([low, high - low], axis=1)
    table = make_instances(skeleton, images, np.arange(len(names)), boxes, people)
    write_coco(table, folder / "annotations" / f"{part}.json")


class StepClock:
    """Measures CPU seconds in training steps."""

    def __init__(self):
        self.seconds = 0.0
        run_epoch = Trainer.run_epoch

        def run_timed_epoch(trainer, after_step):
            started_at = time.process_time()
            run_epoch(trainer, after_step)
            self.seconds += time.process_time() - started_at

        Trainer.run_epoch = run_timed_epoch


def run_arm(data, clock, recipe, weights, seed, steps=0):
    """Train and test; return AP, AP50, steps and CPU seconds."""
    overrides = dict([NEVER]) | ({"steps": str(steps)} if steps else {})
    with tempfile.TemporaryDirectory() as out:
        clock.seconds = 0.0
        config = TrainingConfig(
            method=METHOD,
            data=data,
            out=Path(out) / "run",
            recipe=recipe,
            overrides=overrides,
            seed=seed,
            weights=weights,
            adapt=True,
        )
        result = train(config)
    scores = result["evaluation"]["protocols"]["coco"]
    return {
        "AP": scores["AP"],
        "AP50": scores["AP50"],
        "steps": result["steps"],
        "cpu_s": round(clock.seconds, 1),
    }


def run_cell(folder, lsp, size, seed, weights, clock):
    """Run all arms on the same people; return their results by name."""
    people, names = read_people(lsp)
    order = np.random.default_rng(0).permutation(len(names))
    test, rest = order[:NUM_TEST], order[NUM_TEST:]
    rows = np.random.default_rng(seed + 1).choice(rest, size, replace=False)
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").symlink_to((lsp / "images").absolute())
    for part, chosen in (("train", np.sort(rows)), ("test", np.sort(test))):
        chosen_names = [names[row] for row in chosen]
        write_part(folder, part, people[chosen], chosen_names, lsp / "images")
    results = {"own": run_arm(folder, clock, "own", weights, seed)}
    probe = run_arm(folder, clock, "quick", weights, seed, steps=10)
    steps = max(round(10 * results["own"]["cpu_s"] / probe["cpu_s"]), 1)
    for arm, has_weights in ARMS.items():
        initial = weights if has_weights else None
        results[arm] = run_arm(folder, clock, "quick", initial, seed, steps)
    return results


def main():
    """Run the cells and append each as a line to the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lsp", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--sizes", default="40,200,1000")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clock = StepClock()
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for size in map(int, args.sizes.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                data = Path(folder) / "set"
                cell = run_cell(data, args.lsp, size, seed, args.weights, clock)
            line = json.dumps({"size": size, "seed": seed, **cell})
            with args.out.open("a") as file:
                file.write(line + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
