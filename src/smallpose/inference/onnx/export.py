"""Export methods as ONNX files that give the same keypoints, and a JSON that describes them.

The graphs (`graphs.py`) normalise uint8 RGB images, run the network and the flip test, and decode
to px of their input. Left to the caller are: for top-down methods, cutting crops and mapping
keypoints back to the image; for full-image methods, letterboxing and, between the two graphs, the
selection of people. `examples/onnx_predict.py` does all of it with NumPy and OpenCV alone. The
number of crops, images and people is dynamic; the sides of an image are fixed.
"""

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smallpose.dataloading.affine import PADDING
from smallpose.inference.onnx.export_notes import (
    OPENVINO_HINTS,
    build_metadata,
    format_readme,
)
from smallpose.inference.onnx.graphs import (
    CidMaps,
    CidPeople,
    Crops,
    DekrMaps,
    DekrPeople,
    RtmoCells,
    RtmoPeople,
)
from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.read import skeleton_to_json
from smallpose.methods.cid import CID
from smallpose.methods.dekr import DEKR
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import RTMO
from smallpose.system.files import write_atomically
from smallpose.system.packages import require_packages

OPSET = 17
NETWORK, PEOPLE, ABOUT = "network.onnx", "people.onnx", "method.json"
README = "README.md"
# Inputs and outputs whose first axis is not the number of crops, images or people.
_FIXED = {NETWORK: ("points",), PEOPLE: ("heatmaps", "offsets", "features")}


def export_onnx(method: PoseMethod, out: Path, flip_test: bool | None = None) -> list[Path]:
    """Write a method's graphs and `method.json` to a folder.

    Args:
        out: created if it does not exist.
        flip_test: average with the mirrored image inside the graph (default: as the method does).
    Returns: the files: `network.onnx`, for full-image methods `people.onnx`, `method.json` and
        `README.md`.

    Raises: InputError if ONNX is not installed.
    """
    _require_onnx()
    method = method.to("cpu").eval()
    if flip_test is None:
        flip_test = method.default_flip_test if isinstance(method, FullImageMethod) else True
    flip_test = method.allow_flip_test(flip_test)
    w, h = method.input_wh
    images = torch.randint(0, 256, (2, h, w, 3), dtype=torch.uint8)
    network, people = _create_graphs(method, flip_test)
    examples: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {NETWORK: (network, (images,))}
    if people is not None:
        with torch.no_grad():
            examples[PEOPLE] = people, _make_example_people(method, network(images))
    description = describe_graphs(method, flip_test, list(examples))
    for name, (graph, example) in examples.items():
        _write_graph(graph, example, out / name, build_metadata(description))
    write_atomically(out / ABOUT, json.dumps(description, indent=2))
    write_atomically(out / README, format_readme(description))
    return [*(out / name for name in examples), out / ABOUT, out / README]


def _create_graphs(method: PoseMethod, flip_test: bool) -> tuple[nn.Module, nn.Module | None]:
    if isinstance(method, RTMO):
        return RtmoCells(method), RtmoPeople(method)
    if isinstance(method, DEKR):
        return DekrMaps(method, flip_test), DekrPeople(method)
    if isinstance(method, CID):
        return CidMaps(method, flip_test), CidPeople(method, flip_test)
    return Crops(method, flip_test), None


def _make_example_people(
    method: PoseMethod, network_outputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Make inputs of three people to trace the second graph with."""
    if isinstance(method, RTMO):
        _, boxes, _, pose_vecs, points = network_outputs
        return pose_vecs[0, :3], boxes[0, :3], points[:3]
    maps = network_outputs[1:]
    roots = torch.tensor([[1, 2], [3, 1], [4, 4]])
    return *(m[0] for m in maps), roots, torch.tensor([0.9, 0.8, 0.7])


def _write_graph(
    graph: Any, example: tuple[Tensor, ...], path: Path, metadata: Mapping[str, str]
) -> None:
    names: Sequence[str] = (*graph.inputs, *graph.outputs)
    dynamic_axes = {name: {0: "n"} for name in names if name not in _FIXED[path.name]}
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns that sides are fixed, which is intended; the exporter warns that it is
        # old, but the newer one makes the same graphs in thirty times the time.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            example,
            buffer,  # type: ignore[arg-type]  # a file object works too
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )
    write_atomically(path, _add_metadata(buffer.getvalue(), metadata))


def _add_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    import onnx

    proto = onnx.load_model_from_string(model)
    onnx.helper.set_model_props(proto, dict(metadata))
    data: bytes = proto.SerializeToString()
    return data


def describe_graphs(method: PoseMethod, flip_test: bool, files: Sequence[str]) -> dict[str, Any]:
    """Return what a caller must know about a method's graphs."""
    description: dict[str, Any] = {
        "method": method.name,
        "paradigm": method.card.paradigm,
        "files": list(files),
        "input_wh": list(method.input_wh),
        "input": "uint8 RGB, (n, height, width, 3)",
        "inside_the_graph": "normalising, network, flip test, decoding to px of the input",
        "flip_test": flip_test,
        "skeleton": skeleton_to_json(method.skeleton),
        "score_rule": method.score_rule,
        "openvino": OPENVINO_HINTS,
    }
    if not isinstance(method, FullImageMethod):
        crop = {
            "padding": PADDING,
            "udp_warp": method.udp_warp,
            "interpolation": method.crop_options.interpolation,
        }
        return description | {"crop": crop}
    people: dict[str, Any] = {
        "score_above": method.score_threshold,
        "oks_above": method.oks_threshold,
    }
    if isinstance(method, RTMO):
        people["iou_above"] = method.iou_threshold
    if isinstance(method, DEKR):
        people["near"] = method.nms_distance
    picture = {"fit": "inside, in the middle", "pad": method.pad_value}
    return description | {"picture": picture, "people": people}


def _require_onnx() -> None:
    require_packages("export --to onnx", "onnx")
