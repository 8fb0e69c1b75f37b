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
from collections import Counter
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
from smallpose.inference.onnx.free_axis import refuse_fixed_counts
from smallpose.inference.onnx.graphs import (
    CidMaps,
    CidPeople,
    Crops,
    DekrMaps,
    DekrPeople,
    RtmoCells,
    RtmoPeople,
)
from smallpose.inference.onnx.precision import copy_with_half_network, quantize_weights
from smallpose.inference.onnx.rtmlib_layout import (
    create_rtmlib_graph,
    describe_rtmlib,
    make_rtmlib_example,
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
NETWORK = "network.onnx"
PEOPLE = "people.onnx"
ABOUT = "method.json"
README = "README.md"
# Inputs and outputs whose first axis is not the number of crops, images or people.
_FIXED = {NETWORK: ("points",), PEOPLE: ("heatmaps", "offsets", "features")}


def export_onnx(
    method: PoseMethod,
    out: Path,
    flip_test: bool | None = None,
    layout: str = "own",
    precision: str = "float32",
) -> list[Path]:
    """Write a method's graphs and `method.json` to a folder.

    Args:
        out: created if it does not exist.
        flip_test: average with the mirrored image inside the graph (default: as the method does).
        layout: "own", or "rtmlib" for the inputs and outputs that rtmlib expects.
        precision: in which the network is computed, one of `PRECISIONS`.
    Returns: the files: `network.onnx`, in our own layout of full-image methods also `people.onnx`,
        `method.json` and `README.md`.

    Raises: InputError if ONNX is not installed, the layout has no place for the method's outputs,
        or a graph takes no other number of crops, images or people than it was traced with.
    """
    _require_onnx()
    method = method.to("cpu").eval()
    if flip_test is None:
        flip_test = method.default_flip_test if isinstance(method, FullImageMethod) else True
    flip_test = method.allow_flip_test(flip_test)
    if precision == "float16":
        method = copy_with_half_network(method)
    graphs: list[tuple[str, nn.Module, tuple[Tensor, ...]]]
    if layout == "rtmlib":
        graphs = [(NETWORK, create_rtmlib_graph(method, flip_test), (make_rtmlib_example(method),))]
    else:
        graphs = _create_graphs(method, flip_test)
    description = describe_graphs(method, flip_test, [name for name, _, _ in graphs])
    description |= {"layout": layout, "precision": precision, "opset": OPSET}
    if layout == "rtmlib":
        description |= describe_rtmlib(method)
    models = {name: _trace_graph(graph, example, name) for name, graph, example in graphs}
    if precision == "int8":
        models = {name: quantize_weights(model) for name, model in models.items()}
    for name, _, example in graphs:
        arrays = [tensor.numpy() for tensor in example]
        refuse_fixed_counts(models[name], arrays, _FIXED[name], method.code or method.name)
    description["operators"] = {name: count_operators(model) for name, model in models.items()}
    for name, model in models.items():
        write_atomically(out / name, _add_metadata(model, build_metadata(description)))
    write_atomically(out / ABOUT, json.dumps(description, indent=2))
    write_atomically(out / README, format_readme(description))
    return [*(out / name for name in models), out / ABOUT, out / README]


def _create_graphs(
    method: PoseMethod, flip_test: bool
) -> list[tuple[str, nn.Module, tuple[Tensor, ...]]]:
    """Return the graphs of our own layout: file name, module, and inputs to trace it with."""
    w, h = method.input_wh
    images = torch.randint(0, 256, (2, h, w, 3), dtype=torch.uint8)
    network, people = _create_modules(method, flip_test)
    graphs: list[tuple[str, nn.Module, tuple[Tensor, ...]]] = [(NETWORK, network, (images,))]
    if people is not None:
        with torch.no_grad():
            graphs.append((PEOPLE, people, _make_example_people(method, network(images))))
    return graphs


def _create_modules(method: PoseMethod, flip_test: bool) -> tuple[nn.Module, nn.Module | None]:
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


def _trace_graph(graph: Any, example: tuple[Tensor, ...], file: str) -> Any:
    """Return the graph as ONNX's `ModelProto`."""
    import onnx

    names: Sequence[str] = (*graph.inputs, *graph.outputs)
    dynamic_axes = {name: {0: "n"} for name in names if name not in _FIXED[file]}
    for name in getattr(graph, "counted", ()):
        dynamic_axes[name][1] = "people"
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
    return onnx.load_model_from_string(buffer.getvalue())


def count_operators(model: Any) -> dict[str, int]:
    """Count the nodes of a graph by operator; those of another domain have its name before them."""
    counts = Counter(
        f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        for node in model.graph.node
    )
    return dict(sorted(counts.items()))


def _add_metadata(model: Any, metadata: Mapping[str, str]) -> bytes:
    import onnx

    onnx.helper.set_model_props(model, dict(metadata))
    data: bytes = model.SerializeToString()
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
        "max_people": method.max_people,
    }
    if isinstance(method, RTMO):
        people["iou_above"] = method.iou_threshold
    if isinstance(method, DEKR):
        people["near"] = method.nms_distance
    picture = {"fit": "inside, in the middle", "pad": method.pad_value}
    return description | {"picture": picture, "people": people}


def _require_onnx() -> None:
    require_packages("export --to onnx", "onnx")
