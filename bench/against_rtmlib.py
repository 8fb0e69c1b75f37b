"""Compare complete prediction with rtmlib's: the same ONNX weights, image, boxes and one core.

    python bench/against_rtmlib.py [--methods simcc_r50,rtmpose_s,rtmo_s] [--rounds N]

Needs rtmlib (0.0.16 was measured) and onnxruntime. A prediction goes from an image file with ten
people to their keypoints, without flip test, which rtmlib does not have. Each method is exported
with `--layout rtmlib` and random weights; ours runs by each engine and precision. CPU seconds of
the median round; a ratio is ours by rtmlib's.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from forward import PEOPLE, SIZES, read_clock, shift_scores
from loader import make_images_of_people
from parity import fill_state_dict
from smallpose.core.instances import make_images, make_instances
from smallpose.dataloading.images import read_image
from smallpose.inference import Boxes, InferenceOptions, predict_people
from smallpose.inference.computation import apply_speed_options
from smallpose.inference.onnx.export import export_onnx
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import RTMO

SIZE_FOLDER = str(SIZES[0][0])
OURS = (
    ("torch", "float32"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
    ("openvino", "auto"),
)


def measure(run: Callable[[], object], rounds: int) -> float:
    """Return the median CPU seconds of a call, after one that is not counted."""
    run()
    times = []
    for _ in range(rounds):
        start = read_clock("cpu")
        run()
        times.append(read_clock("cpu") - start)
    return statistics.median(times)


def make_rtmlib_call(
    method: PoseMethod, folder: Path, path: Path, boxes_xywh: np.ndarray
) -> Callable[[], object]:
    """Return a call of rtmlib that predicts the image."""
    import rtmlib

    export_onnx(method, folder, flip_test=False, layout="rtmlib")
    arguments = json.loads((folder / "method.json").read_text())["rtmlib"]["arguments"]
    corners = np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)
    if isinstance(method, FullImageMethod):
        people = rtmlib.RTMO(str(folder / "network.onnx"), **arguments)
        return lambda: people(cv2.imread(str(path)))
    person = rtmlib.RTMPose(str(folder / "network.onnx"), **arguments)
    return lambda: person(cv2.imread(str(path)), bboxes=corners.tolist())


def make_our_call(method: PoseMethod, path: Path, boxes_xywh: np.ndarray) -> Callable[[], object]:
    """Return a call of ours that predicts the image."""
    images = make_images([1], [path.name], [0], [0])
    people = make_instances(method.skeleton, images, [], np.zeros((0, 4)), [])
    boxes = Boxes(np.zeros(len(boxes_xywh), np.intp), boxes_xywh, np.ones(len(boxes_xywh)))
    options = InferenceOptions(flip_test=False)
    return lambda: predict_people(
        method, people, boxes, lambda name: read_image(path.parent / name), options
    )


def measure_method(name: str, rounds: int, folder: Path) -> None:
    """Measure one method and print its lines."""
    method = create_method(name, "coco17").move_to("cpu").eval()
    state = fill_state_dict(method.state_dict())
    method.load_state_dict(state)
    if isinstance(method, RTMO):
        method.load_state_dict(shift_scores(method, state, folder))
    people = read_coco(folder / SIZE_FOLDER / "people.json")
    path = folder / SIZE_FOLDER / "images" / people.images.file_names[0]
    boxes_xywh = people.boxes_xywh[people.image_rows == 0]
    theirs = measure(make_rtmlib_call(method, folder / name, path, boxes_xywh), rounds)
    print(f"{name:<14} rtmlib, onnxruntime     {theirs:.3f}", flush=True)
    for engine, precision in OURS:
        with apply_speed_options(method, InferenceOptions(engine=engine, precision=precision)):
            ours = measure(make_our_call(method, path, boxes_xywh), rounds)
        print(
            f"{name:<14} {engine:<12} {precision:<9}  {ours:.3f}  {ours / theirs:.2f}", flush=True
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--methods",
        default="simcc_r50,rtmpose_s,rtmo_s",
        metavar="NAMES",
        help="Methods, separated by commas.",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="Number of rounds.")
    args = parser.parse_args()
    # Threads of onnxruntime wait for each other by spinning, which would count as CPU time.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / SIZE_FOLDER).mkdir()
        make_images_of_people(folder / SIZE_FOLDER, SIZES[0], PEOPLE, 1)
        for method in args.methods.split(","):
            measure_method(method, args.rounds, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
