"""Steps per second of our training loop against a bare PyTorch loop, same network, same batches.

    python bench/steps.py [--method NAME] [--steps N] [--repeats N]

Batches lie in memory in both, so that loops are compared and not loaders; CPU seconds of the
process, which other work disturbs less than the clock. `--ranks 2` adds what two gloo
processes take, by the clock, for the same steps.
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

from smallpose.dataloading.top_down.batches import Batch
from smallpose.methods import create_method
from smallpose.training.distributed import ALONE, Ranks, launched
from smallpose.training.run_log import Log
from smallpose.training.trainer import Trainer


class InMemory:
    """A feed whose steps are made beforehand; a process takes its part of each."""

    def __init__(self, steps: int, people: int, wh: tuple[int, int], ranks: Ranks) -> None:
        rng = torch.Generator().manual_seed(0)
        mine = torch.arange(people)[ranks.rank :: ranks.world]
        self.made = []
        for _ in range(steps):
            crops = torch.randint(0, 255, (people, wh[1], wh[0], 3), generator=rng).byte()
            keypoints = torch.rand((people, 17, 3), generator=rng) * wh[0]
            keypoints[..., 2] = 2
            weight = len(mine) * ranks.world / people
            self.made.append(Batch(mine.numpy(), crops[mine], keypoints[mine], weight))
        self.steps, self.people, self.unreadable = steps, steps * people, {}
        self.table = SimpleNamespace(ids=np.arange(people))

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """All of them."""
        return iter(self.made[first_step:])


def ours(name: str, steps: int, people: int, ranks: Ranks = ALONE) -> tuple[float, float]:
    """CPU and wall seconds of an epoch in our loop, the second of two."""
    torch.manual_seed(0)
    method = create_method(name).on("cpu")
    recipe = method.recipes["mmpose"]
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "log.jsonl", -1)
        feed: Any = InMemory(steps, people, method.input_wh, ranks)
        trainer = Trainer(method, recipe, feed, 0, log, ranks)
        trainer.run_epoch(lambda loss: None)
        cpu, wall = time.process_time(), time.monotonic()
        trainer.run_epoch(lambda loss: None)
        log.close()
        return time.process_time() - cpu, time.monotonic() - wall


def bare(name: str, steps: int, people: int) -> float:
    """CPU seconds of an epoch in a loop as anybody would write it, the second of two."""
    torch.manual_seed(0)
    method = create_method(name).on("cpu").train()
    recipe = method.recipes["mmpose"]
    adam = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    optimizer = adam(method.parameters(), lr=recipe.learning_rate, fused=True)
    feed = InMemory(steps, people, method.input_wh, ALONE)
    for _ in range(2):
        cpu = time.process_time()
        for batch in feed.batches(0):
            outputs = method(method.prepare(batch.crops))
            terms = method.loss(outputs, method.targets(batch.keypoints))
            loss = sum(terms.values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
    return time.process_time() - cpu


def _as_rank(rank: int, world: int, port: int, work: tuple[Any, ...], answers: Any) -> None:
    place = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in place.items()}, MASTER_ADDR="127.0.0.1")
    with launched("cpu") as ranks:
        answers.put(ours(*work, ranks)[1])


def shared(world: int, *work: Any) -> float:
    """Wall seconds of an epoch shared by so many processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    ranks = [
        fork.Process(target=_as_rank, args=(r, world, port, work, answers)) for r in range(world)
    ]
    for process in ranks:
        process.start()
    taken = max(answers.get() for _ in ranks)
    for process in ranks:
        process.join()
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="simple_baseline_r18_tiny")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--people", type=int, default=32, help="per step")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    work = (args.method, args.steps, args.people)
    pairs = [(bare(*work), ours(*work)[0]) for _ in range(args.repeats)]
    ratio = statistics.median(theirs / mine for theirs, mine in pairs)
    plain, loop = (args.steps / statistics.median(p[i] for p in pairs) for i in (0, 1))
    print(f"{args.method}, {args.people} people a step: bare loop {plain:.2f} steps/s of CPU,")
    print(f"our loop {loop:.2f}; ours / bare {ratio:.3f}")
    if args.ranks:
        alone, together = ours(*work)[1], shared(args.ranks, *work)
        print(f"{args.ranks} processes {alone / together:.2f} times as fast as one, by the clock")


if __name__ == "__main__":
    main()
