"""Pictures read while the network looks at others, against one after the other.

    OMP_NUM_THREADS=1 python bench/ahead.py [--method rtmo_tiny] [--pictures 32] [--rounds 3]

By the clock, on at least two cores: whole-image prediction of JPEG pictures in the page cache, the
network on one thread, the two ways in turn.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from loader import make_pictures
from smallpose.dataloading.images import Picture, Pictures
from smallpose.inference import find, full_image
from smallpose.inference.prefetch import read_ahead
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method


def one_by_one(
    people: Any, rows: Any, read: Callable[[str], Picture], *_: object
) -> Iterator[tuple[int, Picture]]:
    """In place of `read_ahead`."""
    for row in rows:
        yield row, read(people.images.file_names[row])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", default="rtmo_tiny")
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    method = create_method(asked.method, "coco17").on("cpu")
    for size in ((640, 480), (1920, 1080)):
        with tempfile.TemporaryDirectory() as folder:
            file = make_pictures(Path(folder), size, 1, asked.pictures)
            people, read = read_coco(file), Pictures(file.parent / "images").read
            ratios = []
            for _ in range(asked.rounds):
                seconds = []
                for way in (read_ahead, one_by_one):
                    full_image.read_ahead = way
                    start = time.perf_counter()
                    find(method, people, None, read)
                    seconds.append(time.perf_counter() - start)
                ratios.append(seconds[0] / seconds[1])
            ratios.sort()
            shown = ratios[0], statistics.median(ratios), ratios[-1]
            three = "  ".join(f"{ratio:.2f}" for ratio in shown)
            print(f"{size[0]}x{size[1]:<6} ahead / one by one: {three}", flush=True)


if __name__ == "__main__":
    main()
