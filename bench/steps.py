"""Steps per second of the training loop, against a plain PyTorch loop with the same network.

    python bench/steps.py [--method NAME] [--steps N] [--repeats N]

Batches are in memory in both, so that loops are compared and not loaders. CPU seconds of the
process are measured, which other work affects less than wall time. `--ranks 2` adds the wall time
of two gloo processes for the same steps.
"""

import argparse
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.top_down.batches import CropBatch
from smallpose.methods import create_method
from smallpose.training.distributed import SINGLE_PROCESS, DistributedContext, join_process_group
from smallpose.training.run_log import RunLog
from smallpose.training.trainer import Trainer


class InMemoryLoader:
    """A loader with batches in memory; each process takes its part of them."""

    def __init__(
        self, steps: int, people: int, wh: tuple[int, int], distributed: DistributedContext
    ) -> None:
        rng = torch.Generator().manual_seed(0)
        rows = torch.arange(people)[distributed.rank :: distributed.world_size]
        weight = len(rows) * distributed.world_size / people
        self._batches = []
        for _ in range(steps):
            crops = torch.randint(0, 255, (people, wh[1], wh[0], 3), generator=rng).byte()
            keypoints = torch.rand((people, 17, 3), generator=rng) * wh[0]
            keypoints[..., 2] = 2
            self._batches.append(CropBatch(rows.numpy(), crops[rows], keypoints[rows], weight))
        self.steps_per_epoch, self.num_samples, self.unreadable = steps, steps * people, {}
        self.people = SimpleNamespace(ids=np.arange(people))
        self.options = LoaderOptions(batch_size=people)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[CropBatch]:
        """Return all batches from a step on."""
        return iter(self._batches[first_step:])


def measure_trainer(
    name: str, steps: int, people: int, distributed: DistributedContext = SINGLE_PROCESS
) -> tuple[float, float]:
    """Measure CPU and wall seconds of an epoch of `Trainer`, the second of two."""
    torch.manual_seed(0)
    method = create_method(name).move_to("cpu")
    recipe = method.recipes["mmpose"]
    with tempfile.TemporaryDirectory() as folder:
        log = RunLog(Path(folder) / "log.jsonl", -1)
        loader: Any = InMemoryLoader(steps, people, method.input_wh, distributed)
        trainer = Trainer(method, recipe, loader, 0, log, distributed)
        trainer.run_epoch(lambda loss: None)
        cpu, wall = time.process_time(), time.monotonic()
        trainer.run_epoch(lambda loss: None)
        log.close()
        return time.process_time() - cpu, time.monotonic() - wall


def measure_plain_loop(name: str, steps: int, people: int) -> float:
    """Measure CPU seconds of an epoch of a minimal PyTorch loop, the second of two."""
    torch.manual_seed(0)
    method = create_method(name).move_to("cpu").train()
    recipe = method.recipes["mmpose"]
    adam = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    optimizer = adam(method.parameters(), lr=recipe.learning_rate, fused=True)
    loader = InMemoryLoader(steps, people, method.input_wh, SINGLE_PROCESS)
    for _ in range(2):
        cpu = time.process_time()
        for batch in loader.batches(0):
            outputs = method(method.prepare(batch.crops))
            terms = method.loss(outputs, method.targets(batch.keypoints))
            loss = sum(terms.values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
    return time.process_time() - cpu


def _measure_rank(
    rank: int, world_size: int, port: int, arguments: tuple[Any, ...], results: Any
) -> None:
    variables = {"RANK": rank, "WORLD_SIZE": world_size, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in variables.items()}, MASTER_ADDR="127.0.0.1")
    with join_process_group("cpu") as distributed:
        results.put(measure_trainer(*arguments, distributed)[1])


def measure_processes(world_size: int, *arguments: Any) -> float:
    """Measure wall seconds of an epoch shared by several processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    processes = [
        fork.Process(target=_measure_rank, args=(rank, world_size, port, arguments, results))
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    wall_s = max(results.get() for _ in processes)
    for process in processes:
        process.join()
    return wall_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--method",
        default="simple_baseline_r18_tiny",
        metavar="METHOD",
        help="Method to train (default: simple_baseline_r18_tiny).",
    )
    parser.add_argument(
        "--steps", type=int, default=20, metavar="N", help="Steps per epoch (default: 20)."
    )
    parser.add_argument(
        "--people", type=int, default=32, metavar="N", help="People per step (default: 32)."
    )
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="Number of repeats (default: 3)."
    )
    parser.add_argument(
        "--ranks", type=int, default=0, metavar="N", help="Also measure N processes (default: 0)."
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    arguments = (args.method, args.steps, args.people)
    plain_s, trainer_s = [], []
    for _ in range(args.repeats):
        plain_s.append(measure_plain_loop(*arguments))
        trainer_s.append(measure_trainer(*arguments)[0])
    ratio = statistics.median(p / t for p, t in zip(plain_s, trainer_s, strict=True))
    plain, trainer = (args.steps / statistics.median(times) for times in (plain_s, trainer_s))
    print(f"{args.method}, {args.people} people a step: plain loop {plain:.2f} steps/s of CPU,")
    print(f"smallpose {trainer:.2f}; ratio {ratio:.3f}")
    if args.ranks:
        single_s = measure_trainer(*arguments)[1]
        shared_s = measure_processes(args.ranks, *arguments)
        print(f"{args.ranks} processes {single_s / shared_s:.2f} times as fast as one, wall time")


if __name__ == "__main__":
    main()
