"""Train and run published sizes on a GPU: speed, memory and loss, against MMPose and a plain loop.

    python bench/gpu.py --data SET --out FILE [--mmpose PYTHON] [--methods hrnet_w32,…]

Every variant trains the same network with the same initial weights on the same batches, which are
in memory: single precision, bfloat16 (`--half`), compiled (`--compile`), both, a plain PyTorch
loop, and MMPose 1.3.2, run by the Python of its environment (bench/mmpose/README.md). `noise` is
the first variant with the batches in another order. Speed is that of the second half of the steps,
without what the first ones compile. `loader` is images per second of the loader with `--workers`.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from smallpose.core.skeleton import COCO17
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.dataloading.images import open_set_images
from smallpose.inference import InferenceOptions, predict_people
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.training.config import TrainingConfig
from smallpose.training.data import create_loader
from smallpose.training.run_log import RunLog
from smallpose.training.schedule import compute_learning_rate
from smallpose.training.trainer import Trainer

SIDE = Path(__file__).parent / "mmpose/train_side.py"
THEIR_NAMES = {"simple_baseline_r50": "simplebaseline_res50"}
BATCH = {"crops": 64, "images": 16}
VARIANTS = {
    "single": (False, False),
    "half": (True, False),
    "compiled": (False, True),
    "half+compiled": (True, True),
}
PREDICTED_BATCHES = (1, 8, 64)
ORDER = "single,half,MMPose,plain loop,half+compiled,noise,compiled,MMPose+half"


@dataclass(frozen=True)
class Budget:
    """How long a variant trains: so many steps, or until so many seconds are over."""

    steps: int
    seconds: float


def describe_loader(batches: list[Any]) -> Any:
    """Return what `Trainer` needs to know of a loader, for batches that are passed to it."""
    return SimpleNamespace(
        steps_per_epoch=len(batches),
        num_samples=sum(len(batch.crops) for batch in batches),
        people=SimpleNamespace(ids=np.arange(1_000_000)),
    )


def load_batches(name: str, data: Path, count: int, workers: int) -> tuple[list[Any], float]:
    """Load augmented batches of a method's training data; return images per second too."""
    people = read_coco(data / "annotations" / "train.json").to_skeleton(COCO17)
    method = create_method(name, COCO17)
    kind = "images" if isinstance(method, FullImageMethod) else "crops"
    recipe = replace(method.recipes["mmpose"], batch_size=BATCH[kind])
    config = TrainingConfig(method=name, data=data, out=data, workers=workers)
    loader = create_loader(config, people, open_set_images(data), method, recipe)
    batches: list[Any] = []
    epoch = 0
    start = time.monotonic()
    while len(batches) < count:
        batches += loader.batches(epoch)
        epoch += 1
    speed = sum(len(batch.crops) for batch in batches) / (time.monotonic() - start)
    loader.close()
    return [count_images_without_labels(batch) for batch in batches[:count]], speed


def count_images_without_labels(batch: Any) -> Any:
    """Let losses count all of an image without labels, as MMPose does (docs/parity.md)."""
    if not isinstance(batch.keypoints, BatchPeople):
        return batch
    people = batch.people
    has_labels = torch.zeros(len(people.heatmap_mask), dtype=torch.bool)
    has_labels[people.image_index[(people.keypoints[..., 2] > 0).any(dim=1)]] = True
    mask = torch.where(has_labels[:, None, None], people.heatmap_mask, 1.0)
    return batch._replace(people=people._replace(heatmap_mask=mask))


def measure(step: Callable[[Any], float], batches: list[Any], budget: Budget) -> dict[str, Any]:
    """Run steps; return their losses, images per second and peak memory."""
    torch.cuda.reset_peak_memory_stats()
    losses: list[float] = []
    times = [time.monotonic()]
    while len(losses) < budget.steps and times[-1] - times[0] < budget.seconds:
        losses.append(step(batches[len(losses) % len(batches)]))
        times.append(time.monotonic())
    size = len(batches[0].crops)
    seconds = statistics.median(np.diff(times)[len(losses) // 2 :].tolist())
    return {
        "images_per_s": round(size / seconds, 1),
        "first_step_s": round(times[1] - times[0], 2),
        "peak_mb": round(torch.cuda.max_memory_allocated() / 2**20),
        "steps": len(losses),
        "losses": [round(loss, 6) for loss in losses],
    }


def create_initialised(name: str) -> PoseMethod:
    """Create a method on the GPU with initial weights that depend on nothing but its name."""
    torch.manual_seed(0)
    return create_method(name, COCO17).move_to("cuda")


def train_ours(
    name: str, batches: list[Any], budget: Budget, half: bool, compiled: bool
) -> dict[str, Any]:
    """Train by `Trainer`."""
    method = create_initialised(name)
    recipe = replace(method.recipes["mmpose"], half=half)
    if compiled:
        method.compile(backend="inductor")
    with tempfile.TemporaryDirectory() as folder:
        log = RunLog(Path(folder) / "log.jsonl", -1, silent=True)
        trainer = Trainer(method, recipe, describe_loader(batches), 0, log)
        method.train()

        def step(batch: Any) -> float:
            trainer._begin_epoch()
            loss = trainer._run_step(batch)
            trainer.step += 1
            return loss

        result = measure(step, batches, budget)
        log.close()
    return result


def train_plainly(name: str, batches: list[Any], budget: Budget) -> dict[str, Any]:
    """Train by a minimal PyTorch loop with the same network, loss, optimizer and rates."""
    method = create_initialised(name).train()
    recipe = method.recipes["mmpose"]
    adam = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    optimizer = adam(method.parameters(), lr=recipe.learning_rate, fused=True)
    count = 0

    def step(batch: Any) -> float:
        nonlocal count
        for group in optimizer.param_groups:
            group["lr"] = compute_learning_rate(count, len(batches), recipe)
        count += 1
        outputs = method(method.prepare(batch.crops))
        terms = method.loss(outputs, method.targets(batch.keypoints.to("cuda")))
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(method.parameters(), recipe.clip_norm)
        optimizer.step()
        return loss.item()

    return measure(step, batches, budget)


def write_job(name: str, batches: list[Any], budget: Budget, path: Path) -> None:
    """Write weights, batches and rates for MMPose's side."""
    method = create_initialised(name)
    recipe = method.recipes["mmpose"]
    people = [
        batch.keypoints._asdict() if isinstance(batch.keypoints, tuple) else batch.keypoints
        for batch in batches
    ]
    torch.save(
        {
            "method": THEIR_NAMES.get(name, name),
            "state": {k: v.cpu() for k, v in method.state_dict().items()},
            "images": [batch.crops for batch in batches],
            "people": people,
            "rates": [compute_learning_rate(i, len(batches), recipe) for i in range(budget.steps)],
            "optimizer": recipe.optimizer,
            "weight_decay": recipe.weight_decay,
            "clip_norm": recipe.clip_norm,
            "seconds": budget.seconds,
        },
        path,
    )


def train_theirs(python: str, job: Path, half: bool) -> dict[str, Any]:
    """Train by MMPose in a process of its own."""
    command = [*python.split(), str(SIDE), str(job), *(["--half"] if half else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip()[-2000:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_prediction(name: str, data: Path) -> dict[str, float]:
    """Measure images (full-image methods) or people per second of `predict` at batch sizes."""
    people = read_coco(data / "annotations" / "test.json")
    reader = open_set_images(data)
    images = {file: reader.read(file) for file in people.images.file_names}
    method = create_initialised(name).eval()
    count = len(images) if isinstance(method, FullImageMethod) else len(people)
    rates: dict[str, float] = {}
    for half in (False, True):
        for size in PREDICTED_BATCHES:
            options = InferenceOptions(batch_size=size, precision="half" if half else "float32")
            seconds = []
            for _ in range(2):
                start = time.monotonic()
                predict_people(method, people, None, images.__getitem__, options)
                seconds.append(time.monotonic() - start)
            rates[f"{'half' if half else 'single'}, {size}"] = round(count / min(seconds), 1)
    return rates


def difference_percent(losses: list[float], others: list[float]) -> float:
    """Return the mean difference of smoothed losses over common steps, in percent of the first."""
    n = min(len(losses), len(others))
    window = np.ones(min(20, n)) / min(20, n)
    a, b = (np.convolve(column[:n], window, "valid") for column in (losses, others))
    return round(float(100 * np.mean(np.abs(a - b) / np.abs(a))), 3)


def measure_method(
    name: str, args: argparse.Namespace, record: dict[str, Any], save: Callable[[], None]
) -> None:
    """Measure one method; variants are left out when the time of `--limit` is over.

    Args:
        record: to be filled.
        save: called when something was added.
    """

    def is_late() -> bool:
        return time.monotonic() - args.started_at > args.limit

    batches, speed = load_batches(name, args.data, args.batches, args.workers)
    budget = Budget(args.steps, args.seconds)
    record["batch"] = len(batches[0].crops)
    record["loader_images_per_s"] = round(speed, 1)
    variants: dict[str, Any] = {}
    record["variants"] = variants
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.pt"
        trainings: dict[str, Callable[[], dict[str, Any]]] = {
            key: partial(train_ours, name, batches, budget, *options)
            for key, options in VARIANTS.items()
        }
        trainings["plain loop"] = partial(train_plainly, name, batches, budget)
        if args.mmpose:
            write_job(name, batches, budget, job)
            trainings["MMPose"] = partial(train_theirs, args.mmpose, job, False)
            trainings["MMPose+half"] = partial(train_theirs, args.mmpose, job, True)
        trainings["noise"] = partial(train_ours, name, batches[::-1], budget, False, False)
        for key in args.order.split(","):
            if key not in trainings or is_late():
                continue
            variants[key] = result = trainings[key]()
            if "losses" in result and "single" in variants:
                losses = variants["single"]["losses"]
                result["difference_percent"] = difference_percent(losses, result["losses"])
            print(name, key, {k: v for k, v in result.items() if k != "losses"}, flush=True)
            save()
    if not args.no_predict and not is_late():
        record["predict_per_s"] = measure_prediction(name, args.data)
        print(name, "predict", record["predict_per_s"], flush=True)
        save()


def main() -> None:
    """Measure the methods and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="SET", help="Built set.")
    add("--out", type=Path, required=True, metavar="FILE", help="JSON file to write.")
    add("--methods", default="vitpose_s,hrnet_w32,rtmo_s", metavar="LIST", help="Methods.")
    add("--mmpose", default="", metavar="PYTHON", help="Python of MMPose's environment.")
    add("--order", default=ORDER, metavar="LIST", help="Variants in their order.")
    add("--steps", type=int, default=200, metavar="N", help="Steps of each variant.")
    add("--seconds", type=float, default=60, metavar="S", help="Most seconds of a variant.")
    add("--limit", type=float, default=1e9, metavar="S", help="Begin no variant later.")
    add("--batches", type=int, default=25, metavar="N", help="Different batches in memory.")
    add("--no-predict", action="store_true", help="Leave out the prediction.")
    add("--workers", type=int, default=8, metavar="N", help="Processes that load images.")
    args = parser.parse_args()
    args.started_at = time.monotonic()
    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "methods": {},
    }

    def save() -> None:
        args.out.write_text(json.dumps(record, indent=1) + "\n")

    for name in args.methods.split(","):
        record["methods"][name] = {}
        measure_method(name, args, record["methods"][name], save)


if __name__ == "__main__":
    main()
