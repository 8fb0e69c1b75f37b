"""Compute exported networks in float16, or with int8 weights; positions are decoded in float32.

Only the network is converted: normalisation, decoding and suppression keep float32, in which a
position of some hundred px is exact. Inputs and outputs stay as they are.
"""

import copy
import io
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from smallpose.methods.base import PoseMethod
from smallpose.system.packages import require_packages

PRECISIONS = ("float32", "float16", "int8")
# What the exporter names the nodes of the method's own modules.
_NETWORK_SCOPE = "/method/"
_QUANTIZED = ("Conv", "MatMul", "Gemm")


class _HalfNetwork(nn.Module):
    """Takes and returns float32, and computes in float16."""

    def __init__(self, method: PoseMethod) -> None:
        super().__init__()
        self.method = copy.deepcopy(method).half().eval()

    def forward(self, images: Tensor) -> Any:
        """Map (b, 3, h, w) to the outputs of the method's `forward`."""
        outputs = self.method(images.half())
        if isinstance(outputs, Tensor):
            return outputs.float()
        columns = [column.float() for column in outputs]
        return type(outputs)(*columns) if hasattr(outputs, "_fields") else tuple(columns)


def copy_with_half_network(method: PoseMethod) -> PoseMethod:
    """Return a copy of a method, on a CPU, whose network is computed in float16."""
    method = copy.deepcopy(method)
    network = _HalfNetwork(method)
    method.add_module("half_network", network)  # so that its weights become those of the graph
    vars(method)["network"] = network  # an attribute of the class hides modules of that name
    return method


def quantize_weights(model: Any) -> Any:
    """Store the weights of a graph's network in 8 bits; activations are quantized while it runs.

    Args:
        model: ONNX's `ModelProto`.

    Raises: MissingPackageError without onnxruntime.
    """
    require_packages("export --precision int8", "onnxruntime")
    import onnx
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        QuantType,
        quantize_dynamic,
    )

    _remove_aliases(model)
    outer = [node.name for node in model.graph.node if not node.name.startswith(_NETWORK_SCOPE)]
    with tempfile.TemporaryDirectory() as folder, _without_warnings():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(_QUANTIZED),
            # onnxruntime's integer convolution on CPUs takes unsigned weights only.
            weight_type=QuantType.QUInt8,
            nodes_to_exclude=outer,
        )
        return onnx.load(io.BytesIO(path.read_bytes()))


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep onnxruntime's advice to its developers off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _remove_aliases(model: Any) -> None:
    """Let nodes use initializers directly; the exporter stores equal ones once, with aliases."""
    names = {initializer.name for initializer in model.graph.initializer}
    aliases = [n for n in model.graph.node if n.op_type == "Identity" and n.input[0] in names]
    original = {node.output[0]: node.input[0] for node in aliases}
    for node in aliases:
        model.graph.node.remove(node)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = original.get(name, name)
