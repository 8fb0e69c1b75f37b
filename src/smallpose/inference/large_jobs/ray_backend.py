"""Process shards with Ray Data: one actor for each GPU, or for each few cores, of a cluster.

Ray sends shard indices to the actors and their reports back. The actors themselves read images and
write shards, so every machine must see those folders. The networks and the arrays of the work list
are sent to each machine once, where its actors map the arrays.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import torch

from smallpose.core.errors import RunError, SmallposeError
from smallpose.dataloading.images import use_one_opencv_thread
from smallpose.inference.large_jobs.shards import ShardReport, ShardWorker
from smallpose.system.packages import explain_import_error


class ShardActor:
    """A worker with a device of its own, as Ray starts it.

    Args:
        worker: reference to it in Ray's store, in a list, which keeps Ray from resolving it.
        device: "" for the GPU that Ray assigned.
        threads: of PyTorch.
    """

    def __init__(self, worker: list[Any], device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        use_one_opencv_thread()
        self.worker: ShardWorker = import_module("ray").get(worker[0]).move_to(device)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """Process the shard of a row; return its report, or the error, as bytes."""
        try:
            report = self.worker.process_shard(int(row["shard"]))
            return {"report": msgspec.msgpack.encode(report), "error": b""}
        except SmallposeError as error:
            # If it were raised, Ray would try again and wrap it.
            kind, arguments = error.__reduce__()
            return {"report": b"", "error": msgspec.msgpack.encode((kind.__name__, *arguments))}


class RayBackend:
    """Processes shards on the cluster that Ray is connected to, else on this machine.

    The variable RAY_ADDRESS names a cluster, as everywhere in Ray.

    Args:
        worker: with its networks on the CPU.
        actors: their number (default: one for each GPU, or one for each core and its threads).
        device: of each (default: a GPU if the cluster has some).
        threads: of PyTorch in each.
    Raises: InputError when Ray is not installed; RunError when it fails.
    """

    def __init__(
        self, worker: ShardWorker, actors: int = 0, device: str = "", threads: int = 1
    ) -> None:
        try:
            self.ray, self.data = import_module("ray"), import_module("ray.data")
        except ImportError as error:
            raise explain_import_error("--backend ray", error) from None
        self.worker, self.actors, self.device, self.threads = worker, actors, device, threads

    def __call__(self, shards: Sequence[int]) -> Iterator[ShardReport]:
        """Yield the reports of shards, in the order in which they are finished."""
        ray, data = self.ray, self.data
        self._connect()
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        resources = ray.cluster_resources()
        num_gpus = 0 if self.device.startswith("cpu") else int(resources.get("GPU", 0))
        num_actors = self.actors or num_gpus or int(resources["CPU"]) // self.threads
        num_actors = max(min(num_actors, len(shards)), 1)
        gpu_share: dict[str, Any] = {"num_gpus": min(num_gpus / num_actors, 1)} if num_gpus else {}
        rows = data.from_items([{"shard": n} for n in shards], override_num_blocks=len(shards))
        # The reference must live as long as an actor may be restarted.
        stored_worker = ray.put(self.worker)
        results = rows.map(
            ShardActor,
            fn_constructor_args=([stored_worker], self.device, self.threads),
            compute=data.ActorPoolStrategy(size=num_actors),
            num_cpus=self.threads,
            **gpu_share,
        )
        try:
            for row in results.iter_rows():
                if row["error"]:
                    raise _decode_error(row["error"])
                yield msgspec.msgpack.decode(row["report"], type=ShardReport)
        except ray.exceptions.RayError as error:
            what = str(error).strip().splitlines()[-1]
            raise RunError(
                "Ray",
                what,
                "read its log, then run the same command again; finished shards are kept",
            ) from None

    def _connect(self) -> None:
        if self.ray.is_initialized():
            return
        options: dict[str, Any] = {"logging_level": "ERROR"}
        if not os.environ.get("RAY_ADDRESS"):
            options["include_dashboard"] = False
        for tries_left in (1, 0):
            try:
                self.ray.init(**options)
                return
            except Exception as error:  # Ray raises whatever its components raise
                # Ray gives its processes half a minute, which a busy machine may exceed once.
                self.ray.shutdown()
                what = str(error).strip().splitlines()[0]
                if not tries_left:
                    raise RunError("Ray", f"does not start: {what}", "read its log") from None


def _decode_error(packed: bytes) -> SmallposeError:
    name, *arguments = msgspec.msgpack.decode(packed, type=tuple[str, str, str, str])
    classes = {kind.__name__: kind for kind in SmallposeError.__subclasses__()}
    return classes[name](*arguments)
