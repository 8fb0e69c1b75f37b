"""Our networks and our whole prediction against MMPose's, same weights, pictures and threads.

    OMP_NUM_THREADS=1 python bench/forward.py --mmpose ENV [--methods simcc_r50,rtmo_s]
    python bench/forward.py --device cuda --half [--mmpose ENV]

ENV: an environment with MMPose 1.3.2 (see bench/mmpose/README.md); without it only ours is
measured. `forward` is the network alone on ten normalised crops (or a picture), without the
mirrored pass. `whole` goes from a picture file of ten people to their keypoints, mirrored pass and
all: theirs by `inference_topdown` and `inference_bottomup`. `around` is the same with the network's
answers remembered, so everything but the network. The two take turns, and a ratio is the median
over turns of ours by theirs: CPU seconds of all threads on a CPU, the clock on a GPU.
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

from loader import make_pictures
from parity import fill
from smallpose.core.instances import make_images, make_instances
from smallpose.dataloading.full_image.letterbox import apply_letterbox
from smallpose.dataloading.images import read_image
from smallpose.inference import Boxes, InferenceOptions, predict_people
from smallpose.inference.onnx.session import OnnxNetwork
from smallpose.inference.predict import apply_speed_options
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
AIMS = {"forward": 1.05, "whole": 0.5}


class Peer:
    """MMPose in a process of its own that waits for orders."""

    def __init__(self, env: Path, threads: int, device: str) -> None:
        self.process = subprocess.Popen(
            [str(env / "bin/python"), "-W", "ignore", str(SIDE), str(threads), device],
            env={**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps({"do": do, **order}), file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("MMPose's process ended; what it said stands above")
        return dict(json.loads(line))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def spent(device: str) -> float:
    """CPU seconds of this process and all its threads; on a GPU the clock, once all is done."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


class Ours:
    """What the peer does, by smallpose."""

    def __init__(self, method: PoseMethod, device: str, options: InferenceOptions) -> None:
        self.method, self.device, self.options = method.move_to(device).eval(), device, options
        if options.onnx:
            self.method.network = OnnxNetwork(self.method)

    def forward(self, pictures: Path) -> float:
        x = torch.load(pictures).to(self.device).to(memory_format=torch.channels_last)
        with torch.inference_mode(), apply_speed_options(self.method, self.options):
            start = spent(self.device)
            self.method.run_network(x)
            return spent(self.device) - start

    def whole(self, path: Path, boxes: np.ndarray | None) -> tuple[float, np.ndarray]:
        start = spent(self.device)
        images = make_images([1], [path.name], [0], [0])
        nobody = make_instances(self.method.skeleton, images, [], np.zeros((0, 4)), [])
        where = None
        if boxes is not None:
            where = Boxes(np.zeros(len(boxes), np.intp), boxes, np.ones(len(boxes)))
        read = lambda name: read_image(path.parent / name)  # noqa: E731
        found = predict_people(self.method, nobody, where, read, self.options)
        return spent(self.device) - start, found.keypoints

    def around(self, path: Path, boxes: np.ndarray | None) -> float:
        with remembered(self.method) as now:
            self.whole(path, boxes)
            now()
            return self.whole(path, boxes)[0]


@contextlib.contextmanager
def remembered(method: PoseMethod) -> Iterator[Callable[[], None]]:
    """A method whose network says the same again once it is told that one whole turn is over."""
    memory: list[Any] = []
    network, calls = method.run_network, [0]

    def outputs(pictures: torch.Tensor) -> Any:
        calls[0] += 1
        if not known:
            memory.append(network(pictures))
            return memory[-1]
        return memory[calls[0] % len(memory) - 1]

    known = False

    def remember() -> None:
        nonlocal known
        known, calls[0] = True, 0

    method.run_network = outputs
    try:
        yield remember
    finally:
        del method.run_network


def crops(method: PoseMethod, batch: int) -> torch.Tensor:
    """Normalised noise of the size the network sees."""
    w, h = method.input_wh
    n = 1 if isinstance(method, FullImageMethod) else batch
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((n, 3, h, w), np.float32))
    return x if not method.name.startswith("rtmo") else (x * 60 + 110).clamp(0, 255)


def ten_people(method: RTMO, state: dict[str, torch.Tensor], folder: Path) -> dict[str, Any]:
    """The weights with another threshold in them: about ten cells say that someone is there."""
    picture = read_image(next((folder / str(SIZES[0][0]) / "images").iterdir()))
    fitting = method.fit_image((picture.shape[1], picture.shape[0]))
    shown = torch.from_numpy(apply_letterbox(picture, fitting, method.pad_value)[None])
    with torch.inference_mode():
        logits = method(method.prepare(shown)).logits.flatten().sort(descending=True).values
    away = torch.logit(torch.tensor(method.score_threshold)) - logits[PEOPLE : PEOPLE + 2].mean()
    return {k: v + away if "out_cls." in k and k.endswith("bias") else v for k, v in state.items()}


def apart(ours: np.ndarray, theirs: list[Any]) -> str:
    """How far keypoints of the same people lie from each other, px of the picture."""
    other = np.array(theirs).reshape(-1, ours.shape[1], 2)
    if len(other) != len(ours):
        return f"{len(ours)} people, theirs {len(other)}"
    if not len(ours):
        return "nobody"
    between = np.abs(ours[:, None, :, :2] - other[None]).max(axis=3)  # (d, d', k)
    near = between[np.arange(len(ours)), between.max(axis=2).argmin(axis=1)]
    return f"max {near.max():.1e} px, {np.mean(near > 0.01):.1%} of joints over 0.01"


def turns(rounds: int, ours: Callable[[], float], theirs: Callable[[], float] | None) -> str:
    """Medians of both and of their ratio."""
    pairs = []
    for turn in range(rounds):
        # Who goes first changes, so that a machine that slows down treats both alike.
        if theirs is None:
            pairs.append((ours(), float("nan")))
        elif turn % 2:
            second = theirs()
            pairs.append((ours(), second))
        else:
            pairs.append((ours(), theirs()))
    own, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs)
    line = f"{own:>8.3f} {other:>8.3f}"
    if theirs is not None:
        line += f"   {ratios[0]:.2f}  {statistics.median(ratios):.2f}  {ratios[-1]:.2f}"
    return line


def measure(name: str, asked: argparse.Namespace, folder: Path, peer: Peer | None) -> None:
    """The lines of one method."""
    method = create_method(name, "coco17")
    state = fill(method.state_dict())
    method.load_state_dict(state)
    if isinstance(method, RTMO):
        state = ten_people(method, state, folder)
        method.load_state_dict(state)
    weights, pictures = folder / "weights.pt", folder / "crops.pt"
    torch.save(state, weights)
    torch.save(crops(method, asked.batch), pictures)
    ours = Ours(method, asked.device, InferenceOptions(half=asked.half, onnx=asked.onnx))
    ours.forward(pictures)
    theirs = None
    if peer is not None:
        peer.ask("load", method=THEIR_NAMES.get(name, name), weights=str(weights))
        peer.ask("forward", pictures=str(pictures))
        theirs = lambda: peer.ask("forward", pictures=str(pictures))["seconds"]  # noqa: E731
    line = turns(asked.rounds, lambda: ours.forward(pictures), theirs)
    print(f"{name:<20} forward            {line}", flush=True)
    for size in SIZES:
        people = read_coco(folder / str(size[0]) / "people.json")
        # Whole px inside the picture: theirs does not cut boxes to it, and reckons in float32.
        held = people.boxes_xywh[people.image_rows == 0]
        low = np.round(held[:, :2]).clip(0, np.array(size) - 9)
        boxes = np.concatenate([low, np.minimum(held[:, 2:].round(), np.array(size) - 1 - low)], 1)
        path = folder / str(size[0]) / "images" / people.images.file_names[0]
        where, corners = boxes, np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        order: dict[str, Any] = {"path": str(path), "boxes_xyxy": corners.tolist()}
        if isinstance(method, FullImageMethod):
            where, order["boxes_xyxy"] = None, None
        same = ""
        points = ours.whole(path, where)[1]
        if peer is not None:
            same = apart(points, peer.ask("whole", **order)["keypoints"])
        for do in ("whole", "around"):
            if peer is not None:
                theirs = lambda do=do, order=order: peer.ask(do, **order)["seconds"]  # noqa: E731
            mine = {
                "whole": lambda: ours.whole(path, where)[0],  # noqa: B023
                "around": lambda: ours.around(path, where),  # noqa: B023
            }[do]
            line = turns(asked.rounds, mine, theirs)
            print(f"{name:<20} {do:<8}{size[0]:>4}x{size[1]:<5} {line}   {same}", flush=True)
            same = ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mmpose", type=Path, metavar="ENV")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=PEOPLE, help="crops of the forward pass")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="ours in half precision")
    parser.add_argument("--onnx", action="store_true", help="ours by onnxruntime")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    peer = Peer(asked.mmpose, asked.threads, asked.device) if asked.mmpose else None
    print("                                    ours   MMPose   ratio: least, median, most")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            (folder / str(size[0])).mkdir()
            make_pictures(folder / str(size[0]), size, PEOPLE, 1)
        for method in asked.methods.split(","):
            measure(method, asked, folder, peer)
    if peer is not None:
        peer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
