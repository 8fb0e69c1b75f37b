"""Convert a TensorFlow.js graph to ONNX.

Values keep TensorFlow's order of axes (images are b, h, w, c); around each convolution they are
transposed to ONNX's and back, and onnxruntime removes what cancels out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from smallpose.core.errors import InputError
from smallpose.external.tfjs.graph import Graph, Node

OPSET = 17
_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32}
_TO_NCHW = (0, 3, 1, 2)
_TO_NHWC = (0, 2, 3, 1)


def convert_graph(graph: Graph, dynamic_size: bool = False) -> onnx.ModelProto:
    """Convert a graph to an ONNX model, whose inputs and outputs keep their names.

    Args:
        dynamic_size: leave height and width of the images open.

    Raises: InputError for an operator, or a use of one, that is not known.
    """
    builder = _Builder(graph)
    for node in graph.nodes:
        if node.op == "Placeholder":
            builder.add_input(node, dynamic_size)
        elif node.op not in _CONVERTERS:
            raise InputError(f"node {node.name}", f"no operator {node.op}", "use another model")
        else:
            _CONVERTERS[node.op](builder, node)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in graph.outputs
    ]
    onnx_graph = helper.make_graph(
        builder.nodes, "graph", builder.inputs, outputs, list(builder.initializers.values())
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(onnx_graph, opset_imports=opsets, ir_version=8)


class _Builder:
    """The ONNX graph so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        for name, values in graph.constants.items():
            self.initializers[name] = numpy_helper.from_array(values, name)

    def add_input(self, node: Node, dynamic_size: bool) -> None:
        """Declare an input of the graph."""
        shape: list[int | str] = list(node.attributes["shape"])
        if dynamic_size:
            shape[1:3] = ["height", "width"]
        dtype = _TYPES[node.attributes["dtype"]]
        self.inputs.append(helper.make_tensor_value_info(node.name, dtype, shape))

    def add(self, op: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Append an ONNX operator and return the name of its output (default: a new one)."""
        output = output or f"onnx/{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def add_constant(self, values: NDArray[Any]) -> str:
        """Append a constant and return its name."""
        name = f"onnx/constant/{len(self.initializers)}"
        self.initializers[name] = numpy_helper.from_array(values, name)
        return name

    def add_indices(self, values: Any) -> str:
        """Append a constant of the type that ONNX wants for axes and sizes."""
        return self.add_constant(np.asarray(values, dtype=np.int64))

    def get_constant(self, node: Node, index: int) -> NDArray[Any]:
        """Return an input of a node that must be constant."""
        name = node.inputs[index]
        if name not in self.graph.constants:
            what = f"{node.op} with an input that is computed"
            raise InputError(f"node {node.name}", what, "use another model")
        return self.graph.constants[name]


Converter = Callable[[_Builder, Node], None]


def _refuse_unless(is_known: bool, node: Node, attribute: str) -> None:
    if not is_known:
        what = f"{node.op} with {attribute} {node.attributes.get(attribute)}"
        raise InputError(f"node {node.name}", what, "use another model")


def _rename(op: str) -> Converter:
    """Return the converter of an operator that ONNX has as it is."""

    def convert(builder: _Builder, node: Node) -> None:
        builder.add(op, node.inputs, node.name)

    return convert


def _get_sides(node: Node, attribute: str) -> tuple[int, int]:
    """Return what an attribute of b, h, w, c says for h and w."""
    _refuse_unless(node.attributes["data_format"] == "NHWC", node, "data_format")
    values = node.attributes[attribute]
    return values[1], values[2]


def _compute_padding(node: Node, kernel_hw: tuple[int, ...]) -> dict[str, Any]:
    """Return the attributes of padding, strides and dilations of a convolution."""
    strides = _get_sides(node, "strides")
    dilations = _get_sides(node, "dilations")
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations}
    padding = node.attributes["padding"]
    _refuse_unless(padding in ("SAME", "VALID"), node, "padding")
    if padding == "VALID":
        return attributes
    if strides == (1, 1):
        total = [(side - 1) * step for side, step in zip(kernel_hw, dilations, strict=True)]
        before = [side // 2 for side in total]
        after = [side - first for side, first in zip(total, before, strict=True)]
        return {**attributes, "pads": [*before, *after]}
    _refuse_unless(dilations == (1, 1), node, "dilations")
    return {**attributes, "auto_pad": "SAME_UPPER"}  # the padding depends on the image's size


def _convert_convolution(builder: _Builder, node: Node) -> None:
    kernel = builder.get_constant(node, 1)
    group = 1
    weight = kernel.transpose(3, 2, 0, 1)
    if "Depthwise" in node.op:
        group = kernel.shape[2]
        weight = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
    fused = node.attributes.get("fused_ops") or ()
    _refuse_unless(fused[:1] in ((), ("BiasAdd",)), node, "fused_ops")
    _refuse_unless(fused[1:] in ((), ("Relu",), ("Relu6",)), node, "fused_ops")
    inputs = [builder.add("Transpose", [node.inputs[0]], perm=_TO_NCHW)]
    inputs.append(builder.add_constant(np.ascontiguousarray(weight)))
    if fused:
        inputs.append(builder.add_constant(builder.get_constant(node, 2).reshape(-1)))
    padding = _compute_padding(node, kernel.shape[:2])
    value = builder.add("Conv", inputs, group=group, **padding)
    if fused[1:] == ("Relu",):
        value = builder.add("Relu", [value])
    elif fused[1:] == ("Relu6",):
        limits = [builder.add_constant(np.array(limit, np.float32)) for limit in (0, 6)]
        value = builder.add("Clip", [value, *limits])
    builder.add("Transpose", [value], node.name, perm=_TO_NHWC)


def _convert_transposed_convolution(builder: _Builder, node: Node) -> None:
    """Convert a convolution whose output is as many times larger as its stride (padding SAME).

    TensorFlow is also told the size of the output, which Keras computes as just that.
    """
    kernel = builder.get_constant(node, 1)
    strides = _get_sides(node, "strides")
    _refuse_unless(node.attributes["padding"] == "SAME", node, "padding")
    _refuse_unless(_get_sides(node, "dilations") == (1, 1), node, "dilations")
    total = [side - step for side, step in zip(kernel.shape[:2], strides, strict=True)]
    _refuse_unless(min(total) >= 0, node, "strides")
    before = [side // 2 for side in total]
    after = [side - first for side, first in zip(total, before, strict=True)]
    image = builder.add("Transpose", [node.inputs[2]], perm=_TO_NCHW)
    weight = builder.add_constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    pads = [*before, *after]
    value = builder.add("ConvTranspose", [image, weight], strides=strides, pads=pads)
    builder.add("Transpose", [value], node.name, perm=_TO_NHWC)


def _convert_resize(builder: _Builder, node: Node) -> None:
    mode = "half_pixel" if node.attributes.get("half_pixel_centers") else "asymmetric"
    if node.attributes.get("align_corners"):
        mode = "align_corners"
    image = builder.add("Transpose", [node.inputs[0]], perm=_TO_NCHW)
    # Sizes of all four axes: onnxruntime 1.30 mistakes those of two when it moves transpositions.
    first = builder.add_indices([0])
    second = builder.add_indices([2])
    kept = builder.add("Slice", [builder.add("Shape", [image]), first, second])
    size = builder.add_indices(builder.get_constant(node, 1))
    sizes = builder.add("Concat", [kept, size], axis=0)
    value = builder.add(
        "Resize", [image, "", "", sizes], mode="linear", coordinate_transformation_mode=mode
    )
    builder.add("Transpose", [value], node.name, perm=_TO_NHWC)


def _convert_floor_division(builder: _Builder, node: Node) -> None:
    """Convert a division of integers that rounds down, where ONNX's rounds towards zero."""
    first, second = node.inputs
    rest = builder.add("Mod", [first, second])  # has the sign of the divisor
    builder.add("Div", [builder.add("Sub", [first, rest]), second], node.name)


def _convert_squared_difference(builder: _Builder, node: Node) -> None:
    difference = builder.add("Sub", node.inputs)
    builder.add("Mul", [difference, difference], node.name)


def _convert_cast(builder: _Builder, node: Node) -> None:
    _refuse_unless(node.attributes["DstT"] in _TYPES, node, "DstT")
    builder.add("Cast", node.inputs, node.name, to=_TYPES[node.attributes["DstT"]])


def _convert_expand_dims(builder: _Builder, node: Node) -> None:
    axes = builder.add_indices(builder.get_constant(node, 1).reshape(-1))
    builder.add("Unsqueeze", [node.inputs[0], axes], node.name)


def _convert_squeeze(builder: _Builder, node: Node) -> None:
    _refuse_unless(bool(node.attributes.get("squeeze_dims")), node, "squeeze_dims")
    axes = builder.add_indices(node.attributes["squeeze_dims"])
    builder.add("Squeeze", [node.inputs[0], axes], node.name)


def _convert_reshape(builder: _Builder, node: Node) -> None:
    shape = builder.add_indices(builder.get_constant(node, 1))
    builder.add("Reshape", [node.inputs[0], shape], node.name)


def _convert_concat(builder: _Builder, node: Node) -> None:
    axis = int(builder.get_constant(node, len(node.inputs) - 1))
    builder.add("Concat", node.inputs[:-1], node.name, axis=axis)


def _convert_pack(builder: _Builder, node: Node) -> None:
    axis = node.attributes["axis"]
    axes = builder.add_indices([axis])
    parts = [builder.add("Unsqueeze", [name, axes]) for name in node.inputs]
    builder.add("Concat", parts, node.name, axis=axis)


def _convert_unpack(builder: _Builder, node: Node) -> None:
    for index in range(node.attributes["num"]):
        output = f"{node.name}:{index}" if index else node.name
        position = builder.add_indices(index)
        axis = node.attributes["axis"]
        builder.add("Gather", [node.inputs[0], position], output, axis=axis)


def _convert_gather_nd(builder: _Builder, node: Node) -> None:
    indices = builder.add("Cast", [node.inputs[1]], to=TensorProto.INT64)
    builder.add("GatherND", [node.inputs[0], indices], node.name)


def _convert_arg_max(builder: _Builder, node: Node) -> None:
    axis = int(builder.get_constant(node, 1))
    index = builder.add("ArgMax", [node.inputs[0]], axis=axis, keepdims=0)
    builder.add("Cast", [index], node.name, to=TensorProto.INT32)


def _convert_shape(builder: _Builder, node: Node) -> None:
    builder.add("Cast", [builder.add("Shape", node.inputs)], node.name, to=TensorProto.INT32)


def _convert_strided_slice(builder: _Builder, node: Node) -> None:
    for attribute in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask"):
        _refuse_unless(not node.attributes.get(attribute), node, attribute)
    begin, end, strides = (builder.get_constant(node, index) for index in (1, 2, 3))
    axes = np.arange(len(begin))
    columns = [builder.add_indices(values) for values in (begin, end, axes, strides)]
    value = builder.add("Slice", [node.inputs[0], *columns])
    dropped = [axis for axis in axes.tolist() if node.attributes["shrink_axis_mask"] >> axis & 1]
    if dropped:
        value = builder.add("Squeeze", [value, builder.add_indices(dropped)])
    builder.add("Identity", [value], node.name)


_CONVERTERS: dict[str, Converter] = {
    "AddV2": _rename("Add"),
    "ArgMax": _convert_arg_max,
    "Cast": _convert_cast,
    "ConcatV2": _convert_concat,
    "Conv2DBackpropInput": _convert_transposed_convolution,
    "DepthwiseConv2dNative": _convert_convolution,
    "ExpandDims": _convert_expand_dims,
    "FloorDiv": _convert_floor_division,
    "FusedDepthwiseConv2dNative": _convert_convolution,
    "GatherNd": _convert_gather_nd,
    "Identity": _rename("Identity"),
    "Mul": _rename("Mul"),
    "Pack": _convert_pack,
    "RealDiv": _rename("Div"),
    "Reshape": _convert_reshape,
    "ResizeBilinear": _convert_resize,
    "Shape": _convert_shape,
    "Sigmoid": _rename("Sigmoid"),
    "Sqrt": _rename("Sqrt"),
    "SquaredDifference": _convert_squared_difference,
    "Squeeze": _convert_squeeze,
    "StridedSlice": _convert_strided_slice,
    "Sub": _rename("Sub"),
    "Unpack": _convert_unpack,
    "_FusedConv2D": _convert_convolution,
}
