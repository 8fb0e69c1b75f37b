"""Measure the costs of one run: `python -m smallpose.report.cost.process RUN METHOD FOLDER`.

FOLDER has `cells.json` and the images. The last line of stdout is the answer as JSON.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.errors import SmallposeError
from smallpose.core.instances import make_images, make_instances
from smallpose.inference import predict_people
from smallpose.methods.base import PoseMethod
from smallpose.report.latency import describe_device, load_run_method
from smallpose.system.memory import keep_freed_memory, return_freed_memory

NUM_REPEATS = 3  # at least; more of what takes a few ms, where single ones vary by a quarter
MIN_TOTAL_MS = 200.0  # of the repeats
MAX_REPEATS = 30
MB = 1e6
_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def reset_peak_memory(device: str) -> None:
    """Forget the largest extent so far, where the system can."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        _CLEAR_REFS.write_text("5")


def read_peak_memory(device: str) -> float:
    """Return the largest extent of the process, or of the tensors on the GPU, MB."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / MB
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB


def measure_cells(
    method: PoseMethod, cells: list[tuple[int, int]], folder: Path, before_mb: float
) -> list[dict[str, Any]]:
    """Measure a method on all images, the smallest first.

    Args:
        before_mb: extent of the process before the method was created.
    """
    device = method.device.type
    rows = []
    for index, (number, side) in enumerate(cells):
        stored = np.load(folder / f"{index}.npz")
        image, boxes = stored["image"], stored["boxes"]
        images = make_images([1], ["a"], [image.shape[1]], [image.shape[0]])
        keypoints = np.ones((number, len(method.skeleton), 3))
        people = make_instances(method.skeleton, images, [0] * number, boxes, keypoints)

        def predict(people: Any = people, image: Any = image) -> None:
            predict_people(method, people, None, lambda _: image)

        return_freed_memory()  # what other images needed
        predict()
        reset_peak_memory(device)
        ms = _measure_least_ms(predict, device)
        mb = max(read_peak_memory(device) - before_mb, 0.0)
        rows.append({"people": number, "side": side, "ms": round(ms, 3), "mb": round(mb, 1)})
    return rows


def _measure_least_ms(predict: Callable[[], None], device: str) -> float:
    """Return the least time of some repeats."""
    times_ms: list[float] = []
    while len(times_ms) < MAX_REPEATS and (
        len(times_ms) < NUM_REPEATS or sum(times_ms) < MIN_TOTAL_MS
    ):
        times_ms.append(_measure_ms(predict, device))
    return min(times_ms)


def _measure_ms(predict: Callable[[], None], device: str) -> float:
    """Measure processor time on a CPU, which other programs disturb little, else time."""
    if device == "cpu":
        start = time.process_time()
        predict()
        return 1000 * (time.process_time() - start)
    _synchronize(device)
    start = time.perf_counter()
    predict()
    _synchronize(device)
    return 1000 * (time.perf_counter() - start)


def _synchronize(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    import torch

    folder = Path(arguments[2])
    cells = [(number, side) for number, side in json.loads((folder / "cells.json").read_text())]
    torch.set_num_threads(max(int(os.environ.get("OMP_NUM_THREADS", "1")), 1))
    keep_freed_memory()  # as `predict` does
    reset_peak_memory("cpu")
    before_mb = read_peak_memory("cpu")
    try:
        method = load_run_method(Path(arguments[0]), arguments[1])
        if method.device.type == "cuda":
            before_mb = 0.0
        answer = {
            "device": describe_device(method.device.type),
            "cells": measure_cells(method, cells, folder, before_mb),
        }
    except SmallposeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
