"""How long a method takes for an image on this machine, beside what it finds (AP_S).

Measured image by image as a user waits for them: pictures are in memory, the network has run once.
The numbers are this machine's and this crowd's; the figure says both.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from smallpose.core.errors import SmallposeError
from smallpose.core.instances import Instances
from smallpose.report.images.contact_sheet import ImageReader
from smallpose.report.inputs.runs import Run
from smallpose.system.progress import say, track


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image.

    Args:
        median, low, high: over the images; low and high are the quartiles.
        people: labelled in a timed image, on average; top-down methods run once for each.
        device: with its threads.
    """

    run: str
    median: float
    low: float
    high: float
    images: int
    people: float
    device: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure_latencies(
    runs: Sequence[Run], truth: Instances, read: ImageReader, images: int = 12
) -> dict[int, Latency]:
    """The latency of each run whose weights are there, by its place.

    Args:
        images: how many are timed, evenly spaced among those with people.
    """
    people = np.bincount(truth.image_rows[truth.counted], minlength=len(truth.images))
    busy = np.flatnonzero(people)
    rows = busy[np.linspace(0, len(busy) - 1, min(images, len(busy))).round().astype(np.intp)]
    pictures = {}
    for name in (truth.images.file_names[r] for r in rows.tolist()):
        try:
            pictures[name] = read(name)
        except SmallposeError:
            continue
    rows = np.array([r for r in rows if truth.images.file_names[r] in pictures], dtype=np.intp)
    if not len(rows):
        say("none of the pictures is there, so no latency")
        return {}
    out = {}
    for number, run in track(list(enumerate(runs)), "latency"):
        made = _measure_run(run, truth, pictures, rows)
        if made is not None:
            out[number] = made
    return out


def _measure_run(
    run: Run, truth: Instances, pictures: dict[str, Any], rows: np.ndarray
) -> Latency | None:
    weights = run.folder / "model.safetensors"
    if run.is_untrained or not weights.is_file():
        return None
    import torch

    from smallpose.inference import find
    from smallpose.methods import create_method
    from smallpose.methods.checkpoints.read import read_weights

    held = read_weights(weights)
    method = create_method(run.method, held.skeleton or truth.skeleton).on()
    held.load_into(method)
    ones = [truth.take_images(np.array([row])) for row in rows.tolist()]
    find(method, ones[0], None, pictures.__getitem__)
    took = []
    for one in ones:
        began = time.perf_counter()
        find(method, one, None, pictures.__getitem__)
        took.append(1000 * (time.perf_counter() - began))
    low, median, high = np.quantile(took, [0.25, 0.5, 0.75]).tolist()
    number = int(np.isin(truth.image_rows[truth.counted], rows).sum()) / len(rows)
    cuda = method.device.type == "cuda"
    threads = torch.get_num_threads()
    device = (
        torch.cuda.get_device_name() if cuda else f"CPU, {threads} thread" + "s" * (threads > 1)
    )
    return Latency(run.folder.name, median, low, high, len(rows), number, device)
