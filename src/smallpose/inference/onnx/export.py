"""Methods as ONNX files that onnxruntime runs to the same keypoints, and a JSON that says how.

What lies inside the graph: normalising uint8 RGB pictures, the network, the flip test, and the
decoding into px of what the graph was given. What is left to the caller: for top-down methods
cutting crops out of pictures and bringing keypoints back; for whole-image methods fitting the
picture and, between two graphs, choosing the people (`examples/onnx_predict.py` does all of it with
NumPy and OpenCV alone). The number of crops, pictures and people is free; the sides of a picture
are fixed.
"""

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.core.errors import InputError
from smallpose.dataloading.affine import PADDING
from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.read import skeleton_to_json
from smallpose.methods.cid import CID, smooth_heatmaps
from smallpose.methods.dekr import DEKR, sample_scores
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import BOX_PADDING, RTMO
from smallpose.models.codecs import heatmap
from smallpose.models.codecs.center_heatmap import STRIDE, half_map_pixel
from smallpose.models.codecs.offsets import corners_to_center_size, decode_boxes
from smallpose.models.heads.cid import sample_at_roots
from smallpose.system.files import write_atomically

OPSET = 17
NETWORK, PEOPLE, ABOUT = "network.onnx", "people.onnx", "method.json"


class Crops(nn.Module):
    """(n, h, w, 3) uint8 RGB crops to (n, k, 2) keypoints in crop px and (n, k) scores."""

    inputs = ("crops",)
    outputs = ("keypoints", "scores")

    def __init__(self, method: PoseMethod, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """As `PoseMethod.predict_crops`, before keypoints go back to the image."""
        return self.method.decode(
            self.method.compute_outputs(self.method.prepare(crops), self.flip_test)
        )


class RtmoCells(nn.Module):
    """(b, h, w, 3) uint8 RGB pictures to what their p cells say."""

    inputs = ("pictures",)
    outputs = ("scores", "boxes_xyxy", "visible", "poses", "points")

    def __init__(self, method: RTMO) -> None:
        super().__init__()
        self.method = method

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(b, p) scores, (b, p, 4) boxes in px, (b, p, k) visibility, (b, p, c) poses, (p, 2)."""
        cells = self.method(self.method.prepare(pictures))
        boxes = decode_boxes(cells.boxes, cells.points)
        scores = cells.logits.sigmoid()[..., 0]
        return scores, boxes, cells.visible.sigmoid(), cells.poses, cells.points.xy


class RtmoPeople(nn.Module):
    """Chosen cells to keypoints, (n, k, 2) px of the picture the network saw."""

    inputs = ("poses", "boxes_xyxy", "points")
    outputs = ("keypoints",)

    def __init__(self, method: RTMO) -> None:
        super().__init__()
        self.dcc = method.head.dcc

    def forward(self, poses: Tensor, boxes: Tensor, points: Tensor) -> Tensor:
        """(n, c) pose vectors, (n, 4) boxes and (n, 2) points."""
        center, size = corners_to_center_size(boxes)
        return self.dcc(poses, center, size * BOX_PADDING, points)[0]


def _suppress_non_peaks(maps: Tensor, kernel: int) -> Tensor:
    """(b, h, w) maps that keep only what is largest in its neighbourhood; 0 elsewhere."""
    pooled = F.max_pool2d(maps[:, None], kernel, 1, kernel // 2)[:, 0]
    return torch.where(pooled == maps, maps, torch.zeros_like(maps))


class DekrMaps(nn.Module):
    """(b, h, w, 3) uint8 RGB pictures to peaks of roots, heatmaps and offsets at stride 4."""

    inputs = ("pictures",)
    outputs = ("roots", "heatmaps", "offsets")

    def __init__(self, method: DEKR, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(b, h, w) roots, 0 beside a peak; (b, k, h, w) heatmaps; (b, 2k, h, w) offsets."""
        heatmaps, offsets = self.method.maps(self.method.prepare(pictures), self.flip_test)
        return _suppress_non_peaks(heatmaps[:, -1], 5), heatmaps[:, :-1], offsets


class DekrPeople(nn.Module):
    """Chosen roots of one picture to keypoints, px of the picture the network saw."""

    inputs = ("heatmaps", "offsets", "roots_xy", "root_scores")
    outputs = ("keypoints", "scores", "unranked")

    def __init__(self, method: DEKR) -> None:
        super().__init__()
        self.net = method.head.rescore_net if method.rescore else None

    def forward(
        self, heatmaps: Tensor, offsets: Tensor, roots: Tensor, root_scores: Tensor
    ) -> tuple[Tensor, ...]:
        """(k, h, w), (2k, h, w), (n, 2) whole x, y in map px and (n,).

        Returns: (n, k, 2) keypoints, (n, k) scores, and the (n, k) scores before those of roots,
            by whose mean close people are told apart.
        """
        place = roots[:, 1] * heatmaps.shape[-1] + roots[:, 0]
        away = offsets.flatten(1)[:, place].T.unflatten(1, (heatmaps.shape[0], 2))
        points = roots[:, None].to(away.dtype) + away
        sure = sample_scores(heatmaps, points)
        points = points * STRIDE
        if self.net is not None:
            root_scores = root_scores * self.net(points, sure).nan_to_num(nan=0.0)
        return points, sure * root_scores[:, None], sure


class CidMaps(nn.Module):
    """(b, h, w, 3) uint8 RGB pictures to peaks of roots, and features at stride 4."""

    inputs = ("pictures",)
    outputs = ("roots", "features")

    def __init__(self, method: CID, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(b, h, w) roots, 0 beside a peak; (b, passes, c, h, w) features, plain and mirrored."""
        x = self.method.prepare(pictures)
        passes = [self.method(x)[1]]
        if self.flip_test:
            passes.append(self.method(x.flip(-1))[1].flip(-1))
        roots = sum(self.method.head(f)[:, -1:] for f in passes) / len(passes)
        side = (passes[0].shape[2] + passes[0].shape[3]) / 2
        kernel = 7 if side > 300 else 5 if side > 200 else 3
        return _suppress_non_peaks(smooth_heatmaps(roots)[:, 0], kernel), torch.stack(passes, dim=1)


class CidPeople(nn.Module):
    """Chosen roots of one picture to keypoints, px of the picture the network saw."""

    inputs = ("features", "roots_xy", "root_scores")
    outputs = ("keypoints", "scores")

    def __init__(self, method: CID, flip_test: bool) -> None:
        super().__init__()
        self.decouple = method.head.gfd_module
        self.flip_test = flip_test
        self.register_buffer("mirror", torch.from_numpy(method.skeleton.flip_indices))

    def forward(self, features: Tensor, roots: Tensor, root_scores: Tensor) -> tuple[Tensor, ...]:
        """(passes, c, h, w), (n, 2) whole x, y in map px and (n,)."""
        one = torch.zeros_like(roots[:, 0])
        own = self._read(features[:1], one, roots)
        if self.flip_test:
            own = (own + self._read(features[1:2], one, roots)[:, self.get_buffer("mirror")]) / 2
        points, peak = heatmap.decode_heatmaps(smooth_heatmaps(own))
        h, w = features.shape[2:]
        points = points + points.new_tensor(half_map_pixel((h, w), (h * STRIDE, w * STRIDE)))
        return points, peak * root_scores[:, None]

    def _read(self, features: Tensor, one: Tensor, roots: Tensor) -> Tensor:
        return self.decouple(features, one, sample_at_roots(features, one, roots), roots)


def export_onnx(method: PoseMethod, out: Path, flip_test: bool | None = None) -> list[Path]:
    """Write a method's graphs and `method.json` into a folder.

    Args:
        out: made where it is not there.
        flip_test: average with the mirrored picture inside the graph; the method's habit without.
    Returns: the files: `network.onnx`, for whole-image methods `people.onnx`, and `method.json`.

    Raises: InputError where ONNX is not installed.
    """
    _require_onnx()
    method = method.to("cpu").eval()
    flip = method.default_flip_test if isinstance(method, FullImageMethod) else True
    flip = flip if flip_test is None else flip_test
    w, h = method.input_wh
    pictures = torch.randint(0, 256, (2, h, w, 3), dtype=torch.uint8)
    graphs: dict[str, tuple[Any, tuple[Tensor, ...]]] = {}
    network, people = _create_graphs(method, flip)
    graphs[NETWORK] = network, (pictures,)
    if people is not None:
        with torch.no_grad():
            graphs[PEOPLE] = people, _make_example_people(method, network(pictures))
    written = []
    for name, (graph, given) in graphs.items():
        _write_graph(graph, given, out / name)
        written.append(out / name)
    text = json.dumps(describe_graphs(method, flip, list(graphs)), indent=2)
    write_atomically(out / ABOUT, text)
    return [*written, out / ABOUT]


def _create_graphs(method: PoseMethod, flip: bool) -> tuple[nn.Module, nn.Module | None]:
    if isinstance(method, RTMO):
        return RtmoCells(method), RtmoPeople(method)
    if isinstance(method, DEKR):
        return DekrMaps(method, flip), DekrPeople(method)
    if isinstance(method, CID):
        return CidMaps(method, flip), CidPeople(method, flip)
    return Crops(method, flip), None


def _make_example_people(method: PoseMethod, said: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Three people to trace the second graph with."""
    if isinstance(method, RTMO):
        _, boxes, _, poses, points = said
        return poses[0, :3], boxes[0, :3], points[:3]
    maps = said[1:]
    roots = torch.tensor([[1, 2], [3, 1], [4, 4]])
    return *(m[0] for m in maps), roots, torch.tensor([0.9, 0.8, 0.7])


def _write_graph(graph: Any, given: tuple[Tensor, ...], path: Path) -> None:
    # Free is how many crops, pictures or people there are; they come first in all that has them.
    names: Sequence[str] = (*graph.inputs, *graph.outputs)
    held_fast = ("points",) if path.name == NETWORK else ("heatmaps", "offsets", "features")
    free = {name: {0: "n"} for name in names if name not in held_fast}
    held = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        # Of tracing: sides are fixed on purpose. And of the exporter's age: the newer one makes
        # the same graphs in thirty times the time.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            given,
            held,  # type: ignore[arg-type]  # a file will do, and only a whole one is kept
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
    write_atomically(path, held.getvalue())


def describe_graphs(method: PoseMethod, flip_test: bool, files: Sequence[str]) -> dict[str, Any]:
    """What a caller must know of a method's graphs."""
    whole = isinstance(method, FullImageMethod)
    said: dict[str, Any] = {
        "method": method.name,
        "paradigm": method.card.paradigm,
        "files": list(files),
        "input_wh": list(method.input_wh),
        "input": "uint8 RGB, (n, height, width, 3)",
        "inside_the_graph": "normalising, network, flip test, decoding to px of the input",
        "flip_test": flip_test,
        "skeleton": skeleton_to_json(method.skeleton),
        "score_rule": method.score_rule,
    }
    if isinstance(method, FullImageMethod):
        said["picture"] = {"fit": "inside, in the middle", "pad": method.pad_value}
        said["people"] = {"score_above": method.score_threshold, "oks_above": method.oks_threshold}
        if isinstance(method, RTMO):
            said["people"]["iou_above"] = method.iou_threshold
        if isinstance(method, DEKR):
            said["people"]["near"] = method.nms_distance
    if not whole:
        said["crop"] = {"padding": PADDING, "udp_warp": method.udp_warp}
    return said


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise InputError(
            "export --to onnx", "ONNX is not installed", "pip install '.[onnx]' in your clone"
        ) from None
