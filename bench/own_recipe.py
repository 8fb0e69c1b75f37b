"""Compare `--recipe own` with `quick` and with training from nothing, on a few real images.

    python bench/own_recipe.py --lsp DIR --weights RUN --sizes 40,200,1000 --seeds 10 --out FILE

DIR has `joints.mat` and `images/`, or some of them, of the Leeds Sports Pose Extended Training
Dataset (Johnson and Everingham 2011; 10,000 photographs of 14 joints, labelled by crowd workers;
for research). RUN is a run on the synthetic data. `--people FILE` names the images to use, one a
line, so that a test can have other people than the tuning. For each size and seed, so many images
are drawn to train on; all are tested on the same others. The arms have the same cost, counted in
samples and steps (`compute_cost`), so that the comparison does not depend on what else the machine
does. FILE receives a line of JSON for each training, seed after seed; started again with the same
FILE, what it has is not repeated. `--summarize` prints the table of such a file.
"""

import argparse
import json
import math
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.io
import torch
from PIL import Image

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.io.coco_annotations import write_coco
from smallpose.methods import create_method
from smallpose.training.own_recipe import OwnData, create_own_recipe
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
NUM_TEST = 600
NEVER = "1000000000"
ARMS = {"own": True, "quick": True, "nothing": False}  # whether they start from the weights
# CPU time that a step takes beyond that of its samples, in samples: of the optimizer and the calls.
SAMPLES_PER_STEP = 6


class Job(NamedTuple):
    """One training.

    Args:
        size: people to train on.
        cost: in samples.
        overrides: fields of the recipe that take other values.
    """

    size: int
    seed: int
    arm: str
    cost: float
    overrides: tuple[tuple[str, str], ...]


def compute_cost(size, steps, batch_size):
    """Return the cost of a training in samples; batches of an epoch are equally large."""
    mean_batch = size / math.ceil(size / batch_size)
    return steps * (mean_batch + SAMPLES_PER_STEP)


def plan_jobs(sizes, seeds):
    """Return the jobs, seed after seed; the arms of a size have the cost of `own`."""
    method = create_method(METHOD)
    quick = method.recipes["quick"]
    jobs = []
    for size in sizes:
        own = create_own_recipe(method, OwnData(size, has_weights=True))
        cost = compute_cost(size, own.steps, own.batch_size)
        steps = round(cost / compute_cost(size, 1, quick.batch_size))
        for seed in seeds:
            for arm in ARMS:
                overrides = () if arm == "own" else (("steps", str(steps)),)
                jobs.append(Job(size, seed, arm, cost, overrides))
    return sorted(jobs, key=lambda job: (job.seed, job.cost))


def read_people(folder, wanted=None):
    """Return (n, 14, 3) x, y, v of well labelled people, and the names of their images.

    People whose image is not in the folder, or not among the names that are wanted, are left out.
    """
    joints = scipy.io.loadmat(folder / "joints.mat")["joints"].transpose(2, 0, 1).astype(float)
    is_labelled = (joints[:, :, 2] > 0).sum(axis=1) >= MIN_JOINTS
    names = np.array([f"im{row + 1:05d}.jpg" for row in range(len(joints))])
    present = [path.name for path in (folder / "images").iterdir()]
    is_present = np.isin(names, present if wanted is None else list({*present} & wanted))
    rows = np.flatnonzero(is_labelled & is_present)
    joints[joints[:, :, 2] == 0] = 0
    joints[:, :, 2] *= 2
    return joints[rows], names[rows].tolist()


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


def write_set(folder, source, size, seed):
    """Write the people of a size and a seed, and those of the test, as a built set."""
    lsp, people, names = source
    order = np.random.default_rng(0).permutation(len(names))
    test, rest = order[:NUM_TEST], order[NUM_TEST:]
    rows = np.random.default_rng(seed + 1).choice(rest, size, replace=False)
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").symlink_to((lsp / "images").absolute())
    for part, chosen in (("train", np.sort(rows)), ("test", np.sort(test))):
        chosen_names = [names[row] for row in chosen]
        write_part(folder, part, people[chosen], chosen_names, lsp / "images")


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


def run_job(job, source, weights, clock):
    """Train and test; return AP, AP50, steps and CPU seconds.

    Args:
        source: the folder, and what `read_people` returns for it.
    """
    clock.seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "set"
        write_set(data, source, job.size, job.seed)
        config = TrainingConfig(
            method=METHOD,
            data=data,
            out=Path(folder) / "run",
            recipe="own" if job.arm == "own" else "quick",
            overrides=dict(job.overrides) | {"validate_every": NEVER},
            seed=job.seed,
            weights=weights if ARMS[job.arm] else None,
            adapt=True,
        )
        result = train(config)
    scores = result["evaluation"]["protocols"]["coco"]
    return {
        "size": job.size,
        "seed": job.seed,
        "arm": job.arm,
        "AP": scores["AP"],
        "AP50": scores["AP50"],
        "steps": result["steps"],
        "cpu_s": round(clock.seconds, 1),
    }


def read_rows(out):
    """Return the lines of a file of results; none of a file that does not exist."""
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def run_jobs(queue, source, weights, out):
    """Run jobs until there are no more, and append each as a line to the file."""
    torch.set_num_threads(1)
    clock = StepClock()
    for job in iter(queue.get, None):
        line = json.dumps(run_job(job, source, weights, clock)) + "\n"
        with out.open("a") as file:  # a short line is written in one piece
            file.write(line)
        print(line, end="", flush=True)


def summarize(out):
    """Print, for each size and other arm, means, paired differences and where `own` is better."""
    rows = read_rows(out)
    scores = {(row["size"], row["seed"], row["arm"]): 100 * row["AP"] for row in rows}
    seconds = {(row["size"], row["seed"], row["arm"]): row["cpu_s"] for row in rows}
    for size in sorted({row["size"] for row in rows}):
        for arm in [arm for arm in ARMS if arm != "own"]:
            pairs = [(own, (*own[:2], arm)) for own in sorted(scores) if own[::2] == (size, "own")]
            pairs = [(own, other) for own, other in pairs if other in scores]
            if not pairs:
                continue
            ap = np.array([[scores[key] for key in pair] for pair in pairs])
            cpu_s = np.mean([[seconds[key] for key in pair] for pair in pairs], axis=0)
            difference = ap[:, 0] - ap[:, 1]
            print(
                f"{size} people: own {ap[:, 0].mean():.2f} in {cpu_s[0]:.1f} CPU s, {arm} "
                f"{ap[:, 1].mean():.2f} in {cpu_s[1]:.1f}; own better in {(difference > 0).sum()} "
                f"of {len(pairs)}, by {difference.mean():+.2f} ({difference.min():+.2f} to "
                f"{difference.max():+.2f})"
            )


def main():
    """Run the trainings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lsp", type=Path, help="Folder with joints.mat and images/.")
    parser.add_argument("--weights", help="Run on the synthetic data.")
    parser.add_argument("--people", type=Path, help="Names of the images to use, one a line.")
    parser.add_argument("--sizes", default="40,200,1000", help="People to train on.")
    parser.add_argument("--arms", default=",".join(ARMS), help="Which of them are trained.")
    parser.add_argument("--seeds", type=int, default=10, help="Seeds of each size.")
    parser.add_argument("--first-seed", type=int, default=0, help="First of the seeds.")
    parser.add_argument("--processes", type=int, default=1, help="Trainings at the same time.")
    parser.add_argument("--out", type=Path, required=True, help="File of the results.")
    parser.add_argument("--summarize", action="store_true", help="Print the table of --out alone.")
    args = parser.parse_args()
    if args.summarize:
        summarize(args.out)
        return
    sizes = [int(size) for size in args.sizes.split(",")]
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    wanted = set(args.people.read_text().split()) if args.people else None
    source = (args.lsp, *read_people(args.lsp, wanted))
    done = {(row["size"], row["seed"], row["arm"]) for row in read_rows(args.out)}
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    for job in plan_jobs(sizes, seeds):
        if job[:3] not in done and job.arm in args.arms.split(","):
            queue.put(job)
    workers = [
        context.Process(target=run_jobs, args=(queue, source, args.weights, args.out))
        for _ in range(args.processes)
    ]
    for worker in workers:
        queue.put(None)
        worker.start()
    for worker in workers:
        worker.join()
    summarize(args.out)


if __name__ == "__main__":
    main()
