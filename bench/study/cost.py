"""What a model costs: time and memory a person on this CPU, and its installation."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, files, requires
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.dataloading.images import ImageReader
from smallpose.external import EXTERNAL
from smallpose.inference import predict_people
from smallpose.methods.base import PoseMethod
from study.measure import StudySet

NUM_PEOPLE = 40
HEIGHT = 64  # px of the people; networks see images or crops of their own size
NUM_RUNS = 3
MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Args:
        ms: processor time for a person, one thread, with reading and cropping.
        memory_mb: by which the process grew, its largest extent.
        weights_mb: of the files that are kept.
        runtime_mb: of the package that runs it, installed.
        install_s: seconds of 'smallpose weights get' with an empty cache; None where it failed.
    """

    ms: float
    memory_mb: float
    weights_mb: float
    runtime_mb: float
    install_s: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the cost for JSON."""
        return {
            key: value if value is None else round(value, 1) for key, value in asdict(self).items()
        }


def measure_cost(name: str, method: PoseMethod, study_set: StudySet, before_kb: int) -> Cost:
    """Measure a loaded model.

    Args:
        before_kb: largest extent of the process before the model was created.
    """
    (reduced,) = study_set.list_sets(("clean",), (HEIGHT,))
    read = ImageReader(reduced.images).read
    chosen = reduced.truth.take(np.flatnonzero(~reduced.truth.iscrowd)[:NUM_PEOPLE])
    people = replace(chosen, images=chosen.images.take(np.arange(len(chosen))))
    images = {file_name: read(file_name) for file_name in people.images.file_names}
    seconds = []
    for _ in range(NUM_RUNS):
        start = time.process_time()
        predict_people(method, people, None, images.__getitem__)
        seconds.append(time.process_time() - start)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    weights = EXTERNAL[name].weights
    kept = [weights.cache_path.parent / member.file_name for member in weights.members]
    return Cost(
        ms=1000 * min(seconds) / len(people),
        memory_mb=memory,
        weights_mb=sum(path.stat().st_size for path in kept) / MIB,
        runtime_mb=_measure_runtime(EXTERNAL[name].extra),
        install_s=_measure_install(name),
    )


def _measure_runtime(extra: str) -> float:
    """Return the MB of the packages that an extra of smallpose names, installed."""
    names = [
        line.split(">")[0].split(";")[0].strip()
        for line in requires("smallpose") or ()
        if f'extra == "{extra}"' in line and not line.startswith("smallpose")
    ]
    return sum(map(_measure_package, names)) / MIB


def _measure_package(name: str) -> int:
    try:
        listed: Sequence[Any] = files(name) or ()
    except PackageNotFoundError:
        return 0
    paths = [Path(file.locate()) for file in listed]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _measure_install(name: str) -> float | None:
    """Return the seconds of 'smallpose weights get' with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SMALLPOSE_CACHE": folder}
        command = [sys.executable, "-m", "smallpose", "weights", "get", name]
        start = time.perf_counter()
        result = subprocess.run(command, env=environment, capture_output=True)
        seconds = time.perf_counter() - start
    return seconds if result.returncode == 0 else None
