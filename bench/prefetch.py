"""Prediction with images read in another thread, against reading them one by one.

    OMP_NUM_THREADS=1 python bench/prefetch.py [--method rtmo_tiny] [--images 32] [--rounds 3]

Wall time, on at least two cores: full-image prediction of JPEG images in the page cache, the
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

from loader import make_images_of_people
from smallpose.dataloading.images import ImageArray, ImageReader
from smallpose.inference import full_image, predict_people
from smallpose.inference.prefetch import prefetch_images
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method


def read_one_by_one(
    people: Any, rows: Any, read: Callable[[str], ImageArray], *_: object
) -> Iterator[tuple[int, ImageArray]]:
    """Replace `prefetch_images`."""
    for row in rows:
        yield row, read(people.images.file_names[row])


def main() -> None:
    """Print the ratio of the times for small and large images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", default="rtmo_tiny", metavar="METHOD", help="Method to run.")
    parser.add_argument("--images", type=int, default=32, metavar="N", help="Number of images.")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="Number of rounds.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    method = create_method(args.method, "coco17").move_to("cpu")
    for size in ((640, 480), (1920, 1080)):
        with tempfile.TemporaryDirectory() as folder:
            file = make_images_of_people(Path(folder), size, 1, args.images)
            people = read_coco(file)
            read = ImageReader(file.parent / "images").read
            ratios = []
            for _ in range(args.rounds):
                seconds = []
                for read_images in (prefetch_images, read_one_by_one):
                    full_image.prefetch_images = read_images
                    start = time.perf_counter()
                    predict_people(method, people, None, read)
                    seconds.append(time.perf_counter() - start)
                ratios.append(seconds[0] / seconds[1])
            summary = min(ratios), statistics.median(ratios), max(ratios)
            text = "  ".join(f"{ratio:.2f}" for ratio in summary)
            print(f"{size[0]}x{size[1]:<6} prefetched / one by one: {text}", flush=True)


if __name__ == "__main__":
    main()
