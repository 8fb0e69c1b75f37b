"""Which methods rtmlib can run, and what its classes must be told to run them."""

from typing import Any

import torch
from torch import Tensor, nn

from smallpose.core.errors import InputError
from smallpose.inference.onnx.rtmlib_graphs import RtmoDetections, SimccBins
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import RTMO
from smallpose.models.codecs.simcc import SPLIT_RATIO

LAYOUTS = ("own", "rtmlib")
RTMLIB_VERSION = "0.0.16"  # the one that the layout was tested with


def create_rtmlib_graph(method: PoseMethod, flip_test: bool) -> nn.Module:
    """Return the module that becomes the one file of a method.

    Raises: InputError for methods whose outputs rtmlib cannot decode.
    """
    if isinstance(method, RTMO):
        return RtmoDetections(method)
    if isinstance(method, FullImageMethod) or not _has_simcc_outputs(method):
        raise InputError(
            "--layout rtmlib",
            f"rtmlib cannot decode {method.name}, only SimCC, RTMPose and RTMO",
            "use --layout own, which examples/onnx_predict.py runs",
        )
    interpolation = method.crop_options.interpolation
    if interpolation != "linear" or method.udp_warp:
        raise InputError(
            "--layout rtmlib",
            f"rtmlib cuts crops in another way than {method.name} was trained with",
            "use --layout own",
        )
    return SimccBins(method, flip_test)


def _has_simcc_outputs(method: PoseMethod) -> bool:
    """Return whether the network computes two bins for each px along x, and along y."""
    w, h = method.input_wh
    with torch.no_grad():
        outputs = method(torch.zeros(1, 3, h, w, device=method.device))
    if not isinstance(outputs, tuple):
        return False
    k = len(method.skeleton)
    expected = [(1, k, SPLIT_RATIO * w), (1, k, SPLIT_RATIO * h)]
    return [tuple(column.shape) for column in outputs] == expected


def make_rtmlib_example(method: PoseMethod) -> Tensor:
    """Make two images to trace the graph with, as rtmlib hands them over."""
    w, h = method.input_wh
    if isinstance(method, RTMO):
        return torch.rand(2, 3, h, w) * 255
    return torch.randn(2, 3, h, w)


def describe_rtmlib(method: PoseMethod) -> dict[str, Any]:
    """Return what a caller must know about the graph, for `method.json`."""
    w, h = method.input_wh
    if isinstance(method, RTMO):
        # rtmlib's RTMO takes height and width, its RTMPose width and height. The graph has applied
        # both thresholds; rtmlib's own (0.45 and 0.7) would drop people who stand close, and small
        # ones.
        arguments = {
            "model_input_size": [h, w],
            "nms_thr": 1.0,
            "score_thr": method.score_threshold,
        }
        return {
            "input": "float32, blue, green, red from 0 to 255, (n, 3, height, width)",
            "inside_the_graph": "network, box NMS, decoding to px of the input",
            "outputs": {
                "dets": "(n, people, 5) x1, y1, x2, y2, score; rows of zeros fill up",
                "keypoints": "(n, people, joints, 3) x, y, visibility",
            },
            "rtmlib": {"class": "RTMO", "version": RTMLIB_VERSION, "arguments": arguments},
        }
    return {
        "input": "float32, (n, 3, height, width), blue, green, red minus 123.675, 116.28, 103.53, "
        "divided by 58.395, 57.12, 57.375",
        "inside_the_graph": "exchange of red and blue, network, flip test",
        "outputs": {
            "simcc_x": f"(n, joints, {SPLIT_RATIO * w}) logits, {SPLIT_RATIO} bins a px",
            "simcc_y": f"(n, joints, {SPLIT_RATIO * h}) logits",
        },
        "rtmlib": {
            "class": "RTMPose",
            "version": RTMLIB_VERSION,
            "arguments": {"model_input_size": [w, h]},
        },
    }
