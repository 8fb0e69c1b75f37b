"""Compare networks and complete prediction with MMPose's: same weights, images and threads.

    OMP_NUM_THREADS=1 python bench/forward.py --mmpose ENV [--methods simcc_r50,rtmo_s]
    python bench/forward.py --device cuda --precision auto [--mmpose ENV]

ENV: an environment with MMPose 1.3.2 (see bench/mmpose/README.md); without it only smallpose is
measured. `forward` is the network alone on ten normalised crops (or an image), without flip test.
`whole` goes from an image file with ten people to their keypoints, with flip test; MMPose runs
`inference_topdown` and `inference_bottomup`. `around` is the same with the network's outputs
cached, so everything but the network. The two alternate, and a ratio is the median over rounds of
our time by theirs: CPU seconds of all threads on a CPU, wall-clock time on a GPU.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loader import make_images_of_people
from parity import fill_state_dict
from smallpose.core.instances import make_images, make_instances
from smallpose.dataloading.full_image.letterbox import apply_letterbox
from smallpose.dataloading.images import read_image
from smallpose.inference import Boxes, InferenceOptions, predict_people
from smallpose.inference.computation import apply_speed_options
from smallpose.inference.options import ENGINES, PRECISIONS
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import RTMO

SIDE = Path(__file__).parent / "mmpose/forward_side.py"
METHODS = "simple_baseline_r50,simcc_r50,rle_r50,hrnet_w32,vitpose_s,hrformer_s,rtmo_s"
THEIR_NAMES = {
    "simple_baseline_r50": "simplebaseline_res50",
    "simcc_r50": "simcc_res50",
    "rle_r50": "rle_res50",
}
SIZES = ((640, 480), (1920, 1080))
PEOPLE = 10


class Peer:
    """MMPose in a process of its own that executes commands."""

    def __init__(self, env: Path, threads: int, device: str) -> None:
        self.process = subprocess.Popen(
            [str(env / "bin/python"), "-W", "ignore", str(SIDE), str(threads), device],
            env={**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read_reply()

    def run(self, command: str, **arguments: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps({"do": command, **arguments}), file=self.process.stdin, flush=True)
        return self._read_reply()

    def _read_reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("MMPose's process ended; see its output above")
        return dict(json.loads(line))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def read_clock(device: str) -> float:
    """Return the CPU seconds of this process with all threads; on a GPU the wall-clock time."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Ours:
    """The same commands, executed by smallpose."""

    def __init__(self, method: PoseMethod, device: str, options: InferenceOptions) -> None:
        self.method, self.device = method.move_to(device).eval(), device
        # The engine is prepared once, as in a prediction of many images.
        self.applied = contextlib.ExitStack()
        self.applied.enter_context(apply_speed_options(self.method, options))

    def forward(self, images: Path) -> float:
        x = torch.load(images).to(self.device).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            start = read_clock(self.device)
            self.method.run_network(x)
            return read_clock(self.device) - start

    def whole(self, path: Path, boxes: np.ndarray | None) -> tuple[float, np.ndarray]:
        start = read_clock(self.device)
        images = make_images([1], [path.name], [0], [0])
        no_people = make_instances(self.method.skeleton, images, [], np.zeros((0, 4)), [])
        box_table = None
        if boxes is not None:
            box_table = Boxes(np.zeros(len(boxes), np.intp), boxes, np.ones(len(boxes)))
        read = lambda name: read_image(path.parent / name)  # noqa: E731
        predictions = predict_people(self.method, no_people, box_table, read)
        return read_clock(self.device) - start, predictions.keypoints

    def around(self, path: Path, boxes: np.ndarray | None) -> float:
        with cached_outputs(self.method) as start_replay:
            self.whole(path, boxes)
            start_replay()
            return self.whole(path, boxes)[0]


@contextlib.contextmanager
def cached_outputs(method: PoseMethod) -> Iterator[Callable[[], None]]:
    """Record the outputs of a method's network; calling the result makes it replay them."""
    recorded: list[Any] = []
    network = method.run_network
    num_calls = 0
    is_replaying = False

    def run_cached(images: torch.Tensor) -> Any:
        nonlocal num_calls
        num_calls += 1
        if not is_replaying:
            recorded.append(network(images))
            return recorded[-1]
        return recorded[num_calls % len(recorded) - 1]

    def start_replay() -> None:
        nonlocal is_replaying, num_calls
        is_replaying = True
        num_calls = 0

    method.run_network = run_cached
    try:
        yield start_replay
    finally:
        del method.run_network


def make_noise(method: PoseMethod, batch: int) -> torch.Tensor:
    """Make normalised noise of the network's input size."""
    w, h = method.input_wh
    n = 1 if isinstance(method, FullImageMethod) else batch
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((n, 3, h, w), np.float32))
    return x if not method.name.startswith("rtmo") else (x * 60 + 110).clamp(0, 255)


def shift_scores(method: RTMO, state: dict[str, torch.Tensor], folder: Path) -> dict[str, Any]:
    """Shift the biases of the scores so that about ten cells are above the threshold."""
    image = read_image(next((folder / str(SIZES[0][0]) / "images").iterdir()))
    letterbox = method.fit_image((image.shape[1], image.shape[0]))
    network_input = torch.from_numpy(apply_letterbox(image, letterbox, method.pad_value)[None])
    with torch.inference_mode():
        outputs = method(method.prepare(network_input))
    logits = outputs.cls_scores.flatten().sort(descending=True).values
    shift = torch.logit(torch.tensor(method.score_threshold)) - logits[PEOPLE : PEOPLE + 2].mean()
    return {k: v + shift if "out_cls." in k and k.endswith("bias") else v for k, v in state.items()}


def describe_distance(ours: np.ndarray, theirs: list[Any]) -> str:
    """Describe the distance between keypoints of the same people, px of the image."""
    other = np.array(theirs).reshape(-1, ours.shape[1], 2)
    if len(other) != len(ours):
        return f"{len(ours)} people, theirs {len(other)}"
    if not len(ours):
        return "no people"
    distance = np.abs(ours[:, None, :, :2] - other[None]).max(axis=3)  # (d, d', k)
    nearest = distance[np.arange(len(ours)), distance.max(axis=2).argmin(axis=1)]
    return f"max {nearest.max():.1e} px, {np.mean(nearest > 0.01):.1%} of joints over 0.01"


def compare_times(
    num_rounds: int, ours: Callable[[], float], theirs: Callable[[], float] | None
) -> str:
    """Measure both alternately; format the medians, and minimum, median, maximum of the ratio."""
    pairs = []
    for index in range(num_rounds):
        # The order alternates, so that a machine that slows down affects both equally.
        if theirs is None:
            pairs.append((ours(), float("nan")))
        elif index % 2:
            their_time = theirs()
            pairs.append((ours(), their_time))
        else:
            pairs.append((ours(), theirs()))
    our_median, their_median = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs)
    line = f"{our_median:>8.3f} {their_median:>8.3f}"
    if theirs is not None:
        line += f"   {ratios[0]:.2f}  {statistics.median(ratios):.2f}  {ratios[-1]:.2f}"
    return line


def measure_method(name: str, args: argparse.Namespace, folder: Path, peer: Peer | None) -> None:
    """Measure one method and print its lines."""
    method = create_method(name, "coco17")
    state = fill_state_dict(method.state_dict())
    method.load_state_dict(state)
    if isinstance(method, RTMO):
        state = shift_scores(method, state, folder)
        method.load_state_dict(state)
    weights, images = folder / "weights.pt", folder / "crops.pt"
    torch.save(state, weights)
    torch.save(make_noise(method, args.batch), images)
    ours = Ours(method, args.device, InferenceOptions(engine=args.engine, precision=args.precision))
    ours.forward(images)
    theirs = None
    if peer is not None:
        peer.run("load", method=THEIR_NAMES.get(name, name), weights=str(weights))
        peer.run("forward", images=str(images))
        theirs = lambda: peer.run("forward", images=str(images))["seconds"]  # noqa: E731
    if not args.quick:
        line = compare_times(args.rounds, lambda: ours.forward(images), theirs)
        print(f"{name:<20} forward            {line}", flush=True)
    for size in SIZES[: 1 if args.quick else None]:
        people = read_coco(folder / str(size[0]) / "people.json")
        # Whole px inside the image: MMPose does not clip boxes to it, and computes in float32.
        first_image = people.boxes_xywh[people.image_rows == 0]
        low = np.round(first_image[:, :2]).clip(0, np.array(size) - 9)
        boxes = np.concatenate(
            [low, np.minimum(first_image[:, 2:].round(), np.array(size) - 1 - low)], 1
        )
        path = folder / str(size[0]) / "images" / people.images.file_names[0]
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        arguments: dict[str, Any] = {"path": str(path), "boxes_xyxy": corners.tolist()}
        if isinstance(method, FullImageMethod):
            boxes, arguments["boxes_xyxy"] = None, None
        distance = ""
        points = ours.whole(path, boxes)[1]
        if peer is not None:
            distance = describe_distance(points, peer.run("whole", **arguments)["keypoints"])
        for command in ("whole",) if args.quick else ("whole", "around"):
            if peer is not None:
                theirs = lambda do=command, more=arguments: peer.run(do, **more)["seconds"]  # noqa: E731
            run_ours = {
                "whole": lambda: ours.whole(path, boxes)[0],  # noqa: B023
                "around": lambda: ours.around(path, boxes),  # noqa: B023
            }[command]
            line = compare_times(args.rounds, run_ours, theirs)
            size_text = f"{size[0]:>4}x{size[1]:<5}"
            print(f"{name:<20} {command:<8}{size_text} {line}   {distance}", flush=True)
            distance = ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mmpose", type=Path, metavar="ENV", help="Environment with MMPose (default: none)."
    )
    parser.add_argument(
        "--methods", default=METHODS, metavar="NAMES", help="Methods, separated by commas."
    )
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="Number of rounds (default: 5)."
    )
    parser.add_argument(
        "--batch", type=int, default=PEOPLE, metavar="N", help="Crops per forward pass."
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="Threads (default: 1).")
    parser.add_argument("--device", default="cpu", help="Device of both (default: cpu).")
    parser.add_argument(
        "--engine", default="torch", choices=ENGINES, help="Smallpose's (default: torch)."
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="Smallpose's (default: float32).",
    )
    parser.add_argument(
        "--quick", action="store_true", help="Measure whole predictions of 640 × 480 px alone."
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    peer = Peer(args.mmpose, args.threads, args.device) if args.mmpose else None
    print("                                    ours   MMPose   ratio: min, median, max")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            (folder / str(size[0])).mkdir()
            make_images_of_people(folder / str(size[0]), size, PEOPLE, 1)
        for method in args.methods.split(","):
            measure_method(method, args, folder, peer)
    if peer is not None:
        peer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
