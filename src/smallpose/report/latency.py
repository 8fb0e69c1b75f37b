"""Measure how long a method takes for an image on this machine, to show beside its AP_S.

Images are timed one by one, as a user waits for them: they are in memory, and the network has run
once. The values hold for this machine and this number of people per image; the figure names both.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances
from smallpose.report.images.contact_sheet import ReadImage
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.runs import Run
from smallpose.system.progress import print_status, show_progress

if TYPE_CHECKING:
    from smallpose.methods.base import PoseMethod


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image.

    Args:
        run: its folder's name.
        median, low, high: over the images; low and high are the quartiles.
        images: number of timed images.
        people: labelled per timed image, on average; top-down methods run once for each.
        device: with its number of threads.
    """

    run: str
    median: float
    low: float
    high: float
    images: int
    people: float
    device: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def measure_latencies(
    runs: Sequence[Run], truth: Instances, read: ReadImage, num_images: int = 12
) -> dict[int, Latency]:
    """Measure the latency of each run that has its weights, by its index.

    Args:
        num_images: number of timed images, evenly spaced among those with people.
    """
    people = np.bincount(truth.image_rows[truth.is_counted], minlength=len(truth.images))
    populated = np.flatnonzero(people)
    num_images = min(num_images, len(populated))
    rows = populated[np.linspace(0, len(populated) - 1, num_images).round().astype(np.intp)]
    images = {}
    for name in (truth.images.file_names[r] for r in rows.tolist()):
        try:
            images[name] = read(name)
        except SmallposeError:
            continue
    rows = np.array([r for r in rows if truth.images.file_names[r] in images], dtype=np.intp)
    if not len(rows):
        print_status("none of the images exists, so no run is timed")
        return {}
    latencies = {}
    for index, run in show_progress(list(enumerate(runs)), "latency"):
        latency = _measure_run(run, label_run(run, runs), truth, images, rows)
        if latency is not None:
            latencies[index] = latency
    return latencies


def _measure_run(
    run: Run, label: str, truth: Instances, images: dict[str, Any], rows: np.ndarray
) -> Latency | None:
    """Measure one run on the images of these rows; None without trained weights."""
    path = run.folder / "model.safetensors"
    if run.is_result_file or run.is_untrained or not path.is_file():
        return None

    from smallpose.inference import predict_people

    try:
        method = load_run_method(run.folder, run.method)
    except InputError as error:
        print_status(f"{label}: not measured ({error.where}: {error.what})")
        return None
    parts = [truth.take_images(np.array([row])) for row in rows.tolist()]
    predict_people(method, parts[0], None, images.__getitem__)
    times_ms = []
    for part in parts:
        start = time.perf_counter()
        predict_people(method, part, None, images.__getitem__)
        times_ms.append(1000 * (time.perf_counter() - start))
    low, median, high = np.quantile(times_ms, [0.25, 0.5, 0.75]).tolist()
    num_people = int(np.isin(truth.image_rows[truth.is_counted], rows).sum())
    return Latency(
        run=label,
        median=median,
        low=low,
        high=high,
        images=len(rows),
        people=num_people / len(rows),
        device=describe_device(method.device.type),
    )


def load_run_method(folder: Path, name: str) -> "PoseMethod":
    """Create the method of a run with its weights, crops and maps as it was trained, on its device.

    Args:
        name: of the method, where the weights do not name it.

    Raises: InputError when the weights are none, or the file of a user's method is gone.
    """
    from smallpose.catalog.run_method import name_run_method
    from smallpose.methods import create_method
    from smallpose.methods.checkpoints.read import read_weights

    path = folder / "model.safetensors"
    card = {"method": name} | dict(read_weights(path).metadata)
    return create_method(name_run_method(folder, card), weights=path).move_to()


def describe_device(kind: str) -> str:
    """Return the name of a device, with its number of threads."""
    import torch

    if kind == "cuda":
        return str(torch.cuda.get_device_name())
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread" + "s" * (threads > 1)
