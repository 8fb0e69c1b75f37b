"""Shards worked through by Ray Data: an actor for each GPU, or each few cores, of a cluster.

Ray carries numbers of shards to the actors and what they told of them back; pictures are read and
shards written by the actors, so every machine must see those folders. The network and the arrays
of what is asked go to each machine once, where its actors map the arrays.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import torch

from smallpose.core.errors import InputError, RunError, SmallposeError
from smallpose.dataloading.images import use_one_opencv_thread
from smallpose.inference.large_jobs.shards import ShardReport, ShardWorker


class ShardActor:
    """A worker with a device of its own, as Ray starts it.

    Args:
        worker: where it lies in Ray's store, in a list that Ray does not look into.
        device: its device; a GPU that Ray gave it without.
        threads: of PyTorch.
    """

    def __init__(self, worker: list[Any], device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        use_one_opencv_thread()
        self.worker: ShardWorker = import_module("ray").get(worker[0]).on(device)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """A shard's number to what it told, or the error it met, as bytes."""
        try:
            return {
                "told": msgspec.msgpack.encode(self.worker.process_shard(int(row["shard"]))),
                "not": b"",
            }
        except SmallposeError as error:
            # Raised, Ray would try again and wrap it.
            kind, words = error.__reduce__()
            return {"told": b"", "not": msgspec.msgpack.encode((kind.__name__, *words))}


class RayBackend:
    """Works through shards on the cluster that Ray is connected to, else on this machine.

    RAY_ADDRESS names a cluster, as everywhere in Ray.

    Args:
        worker: with its networks still on the CPU.
        actors: how many; without, one for each GPU, or one for each core and its threads.
        device: of each; a GPU where the cluster has some.
        threads: of PyTorch in each.
    Raises: InputError when Ray is not installed; RunError when it fails.
    """

    def __init__(
        self, worker: ShardWorker, actors: int = 0, device: str = "", threads: int = 1
    ) -> None:
        try:
            self.ray, self.data = import_module("ray"), import_module("ray.data")
        except ImportError:
            raise InputError(
                "--engine ray", "Ray is not installed", "pip install '.[ray]' in your clone"
            ) from None
        self.worker, self.actors, self.device, self.threads = worker, actors, device, threads

    def __call__(self, shards: Sequence[int]) -> Iterator[ShardReport]:
        """What each shard told, in the order in which they are done."""
        ray, data = self.ray, self.data
        self._connect()
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        there = ray.cluster_resources()
        gpus = 0 if self.device.startswith("cpu") else int(there.get("GPU", 0))
        actors = self.actors or gpus or int(there["CPU"]) // self.threads
        actors = max(min(actors, len(shards)), 1)
        how: dict[str, Any] = {"num_gpus": min(gpus / actors, 1)} if gpus else {}
        rows = data.from_items([{"shard": n} for n in shards], override_num_blocks=len(shards))
        stored = ray.put(self.worker)  # held here as long as an actor may be started again
        done = rows.map(
            ShardActor,
            fn_constructor_args=([stored], self.device, self.threads),
            compute=data.ActorPoolStrategy(size=actors),
            num_cpus=self.threads,
            **how,
        )
        try:
            for row in done.iter_rows():
                if row["not"]:
                    raise _decode_error(row["not"])
                yield msgspec.msgpack.decode(row["told"], type=ShardReport)
        except ray.exceptions.RayError as error:
            what = str(error).strip().splitlines()[-1]
            raise RunError(
                "Ray", what, "see its log, then call again: what is done is kept"
            ) from None

    def _connect(self) -> None:
        if self.ray.is_initialized():
            return
        how: dict[str, Any] = {"logging_level": "ERROR"}
        if not os.environ.get("RAY_ADDRESS"):
            how["include_dashboard"] = False
        for tries_left in (1, 0):
            try:
                self.ray.init(**how)
                return
            except Exception as error:  # Ray raises what its parts do
                # It gives its processes half a minute, which a busy machine may need once.
                self.ray.shutdown()
                what = str(error).strip().splitlines()[0]
                if not tries_left:
                    raise RunError("Ray", f"does not start: {what}", "see its log") from None


def _decode_error(packed: bytes) -> SmallposeError:
    name, where, what, mend = msgspec.msgpack.decode(packed, type=tuple[str, str, str, str])
    kinds = {kind.__name__: kind for kind in SmallposeError.__subclasses__()}
    return kinds[name](where, what, mend)
