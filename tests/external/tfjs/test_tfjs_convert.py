"""Each operator of TensorFlow.js that is converted to ONNX computes what NumPy computes."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime

from smallpose.core.errors import InputError
from smallpose.external.tfjs import Graph, Node
from smallpose.external.tfjs.convert import convert_graph

FLOAT, INT = np.dtype(np.float32), np.dtype(np.int32)
rng = np.random.default_rng(5)


def run_node(node: Node, value, constants=None):
    """Convert a graph of one operator with one input and run it."""
    shape = {"shape": value.shape, "dtype": value.dtype}
    nodes = (Node("x", "Placeholder", (), shape), node)
    graph = Graph(nodes, constants or {}, (node.name,))
    model = convert_graph(graph)
    for output in model.graph.output:
        output.ClearField("type")
    if node.op in ("ArgMax", "Shape", "FloorDiv") or node.attributes.get("DstT") == INT:
        output.type.tensor_type.elem_type = 6
    else:
        output.type.tensor_type.elem_type = 1
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": value})[0]


def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)


def pad_same(image, kernel_hw, strides, dilations):
    """Pad as TensorFlow's SAME: the output has ceil(side / stride) px, the odd px is at the end."""
    pads = []
    for side, k, stride, step in zip(image.shape[1:3], kernel_hw, strides, dilations, strict=True):
        total = max((-(-side // stride) - 1) * stride + (k - 1) * step + 1 - side, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(image, ((0, 0), *pads, (0, 0)))


def convolve(image, kernel, strides, dilations=(1, 1), depthwise=False):
    """Convolve pixel by pixel."""
    kh, kw, c_in, last = kernel.shape
    h = (image.shape[1] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    w = (image.shape[2] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    out = np.zeros((1, h, w, c_in * last if depthwise else last))
    for y in range(h):
        for x in range(w):
            rows = y * strides[0] + np.arange(kh) * dilations[0]
            columns = x * strides[1] + np.arange(kw) * dilations[1]
            part = image[0][np.ix_(rows, columns)]
            if depthwise:
                out[0, y, x] = np.einsum("ijc,ijcm->cm", part, kernel).reshape(-1)
            else:
                out[0, y, x] = np.einsum("ijc,ijco->o", part, kernel)
    return out


def describe_convolution(strides, padding, dilations=(1, 1), fused=()):
    return {
        "strides": (1, *strides, 1),
        "dilations": (1, *dilations, 1),
        "padding": padding,
        "data_format": "NHWC",
        "fused_ops": fused,
    }


@pytest.mark.parametrize("op", ["_FusedConv2D", "FusedDepthwiseConv2dNative"])
@pytest.mark.parametrize("sides", [(8, 9), (11, 6)])
@pytest.mark.parametrize(
    ("strides", "dilations", "padding"),
    [
        ((1, 1), (1, 1), "SAME"),
        ((1, 1), (2, 2), "SAME"),
        ((2, 2), (1, 1), "SAME"),
        ((2, 2), (1, 1), "VALID"),
        ((1, 1), (1, 1), "VALID"),
    ],
)
@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_convolutions_pad_and_stride_as_tensorflow(
    op, sides, strides, dilations, padding, activation
):
    is_depthwise = "Depthwise" in op
    image = draw(1, *sides, 3) * 4
    kernel = draw(3, 2, 3, 2)
    bias = draw(6 if is_depthwise else 2)
    fused = ("BiasAdd", activation)
    attributes = describe_convolution(strides, padding, dilations, fused)
    node = Node("y", op, ("x", "kernel", "bias"), attributes)
    result = run_node(node, image, {"kernel": kernel, "bias": bias})
    padded = pad_same(image, (3, 2), strides, dilations) if padding == "SAME" else image
    expected = convolve(padded, kernel, strides, dilations, is_depthwise) + bias
    expected = np.clip(expected, 0, 6 if activation == "Relu6" else None)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_a_convolution_without_bias_or_activation():
    image, kernel = draw(1, 7, 7, 3), draw(3, 3, 3, 1)
    node = Node("y", "DepthwiseConv2dNative", ("x", "kernel"), describe_convolution((1, 1), "SAME"))
    result = run_node(node, image, {"kernel": kernel})
    padded = pad_same(image, (3, 3), (1, 1), (1, 1))
    expected = convolve(padded, kernel, (1, 1), depthwise=True)
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("side", [2, 3, 4])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(side):
    small, kernel = draw(1, 3, 4, 2), draw(side, side, 5, 2)
    attributes = describe_convolution((2, 2), "SAME")
    node = Node("y", "Conv2DBackpropInput", ("size", "kernel", "x"), attributes)
    sizes = np.array([1, 6, 8, 5], np.int32)
    result = run_node(node, small, {"kernel": kernel, "size": sizes})
    assert result.shape == (1, 6, 8, 5)
    image = draw(1, 6, 8, 5)
    forward = convolve(pad_same(image, (side, side), (2, 2), (1, 1)), kernel, (2, 2))
    np.testing.assert_allclose((forward * small).sum(), (image * result).sum(), rtol=1e-4)


def resize(image, size, to_source):
    """Interpolate linearly at the places that `to_source` gives for pixels of the result."""
    for axis, side in enumerate(size, start=1):
        before = image.shape[axis]
        place = np.clip(to_source(np.arange(side), before, side), 0, before - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, before - 1)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(4)])
        image = image.take(low, axis) * (1 - share) + image.take(high, axis) * share
    return image


@pytest.mark.parametrize(
    ("attributes", "to_source"),
    [
        ({"half_pixel_centers": True}, lambda i, before, side: (i + 0.5) * before / side - 0.5),
        ({"align_corners": True}, lambda i, before, side: i * (before - 1) / (side - 1)),
        ({"half_pixel_centers": False}, lambda i, before, side: i * before / side),
    ],
)
def test_images_are_resized_on_the_grid_that_the_graph_names(attributes, to_source):
    image = draw(1, 4, 5, 2)
    node = Node("y", "ResizeBilinear", ("x", "size"), attributes)
    result = run_node(node, image, {"size": np.array([8, 7], np.int32)})
    np.testing.assert_allclose(result, resize(image, (8, 7), to_source), atol=1e-5)


def test_division_of_integers_rounds_down_also_below_zero():
    values = np.arange(-9, 10, dtype=np.int32)
    for divisor in (4, -4):
        constants = {"d": np.array(divisor, np.int32)}
        result = run_node(Node("y", "FloorDiv", ("x", "d"), {}), values, constants)
        np.testing.assert_array_equal(result, values // divisor)


INDICES = np.array([[0, 1, 2], [1, 0, 0]], np.int32)
SHAPES = {
    "ExpandDims": (Node("y", "ExpandDims", ("x", "c"), {}), np.int32(1), lambda x: x[:, None]),
    "Reshape": (
        Node("y", "Reshape", ("x", "c"), {}),
        np.array([-1, 4], np.int32),
        lambda x: x.reshape(-1, 4),
    ),
    "GatherNd": (
        Node("y", "GatherNd", ("x", "c"), {}),
        INDICES,
        lambda x: np.array([x[0, 1, 2], x[1, 0, 0]]),
    ),
    "ConcatV2": (
        Node("y", "ConcatV2", ("x", "x", "c"), {}),
        np.int32(1),
        lambda x: np.concatenate([x, x], axis=1),
    ),
    "Pack": (Node("y", "Pack", ("x", "x"), {"axis": 1}), None, lambda x: np.stack([x, x], axis=1)),
    "ArgMax": (Node("y", "ArgMax", ("x", "c"), {}), np.int32(2), lambda x: x.argmax(axis=2)),
    "Shape": (Node("y", "Shape", ("x",), {}), None, lambda x: x.shape),
    "Sqrt": (Node("y", "Sqrt", ("x",), {}), None, np.sqrt),
    "Sigmoid": (Node("y", "Sigmoid", ("x",), {}), None, lambda x: 1 / (1 + np.exp(-x))),
    "Identity": (Node("y", "Identity", ("x",), {}), None, lambda x: x),
    "AddV2": (Node("y", "AddV2", ("x", "c"), {}), draw(4), None),
    "Sub": (Node("y", "Sub", ("x", "c"), {}), draw(4), None),
    "Mul": (Node("y", "Mul", ("x", "c"), {}), draw(4), None),
    "RealDiv": (Node("y", "RealDiv", ("x", "c"), {}), draw(4), None),
    "SquaredDifference": (Node("y", "SquaredDifference", ("x", "c"), {}), draw(4), None),
}
BINARY = {
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "SquaredDifference": lambda x, c: (x - c) ** 2,
}


@pytest.mark.parametrize("op", SHAPES)
def test_other_operators(op):
    node, constant, compute = SHAPES[op]
    value = np.abs(draw(2, 3, 4))
    constants = {} if constant is None else {"c": np.asarray(constant)}
    result = run_node(node, value, constants)
    expected = BINARY[op](value, constant) if op in BINARY else compute(value)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_casts_truncate():
    value = np.array([-1.7, 1.7], np.float32)
    result = run_node(Node("y", "Cast", ("x",), {"DstT": INT}), value)
    np.testing.assert_array_equal(result, [-1, 1])


@pytest.mark.parametrize(("num", "axis"), [(2, 0), (3, 1)])
def test_parts_of_an_array_are_taken_by_their_number(num, axis):
    value = draw(2, 3, 4)
    unpack = Node("parts", "Unpack", ("x",), {"num": num, "axis": axis})
    last = Node("y", "Identity", (f"parts:{num - 1}",), {})
    first = Node("z", "Identity", ("parts",), {})
    shape = {"shape": value.shape, "dtype": FLOAT}
    nodes = (Node("x", "Placeholder", (), shape), unpack, last, first)
    model = convert_graph(Graph(nodes, {}, ("y", "z")))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    results = session.run(None, {"x": value})
    np.testing.assert_array_equal(results[0], value.take(num - 1, axis))
    np.testing.assert_array_equal(results[1], value.take(0, axis))


def test_axes_of_one_are_dropped_and_slices_lose_the_axes_of_the_mask():
    value = draw(1, 3, 4)
    node = Node("y", "Squeeze", ("x",), {"squeeze_dims": (0,)})
    np.testing.assert_array_equal(run_node(node, value), value[0])
    node = Node("y", "StridedSlice", ("x", "b", "e", "s"), {"shrink_axis_mask": 2})
    columns = {
        "b": np.array([0, 1, 0], np.int32),
        "e": np.array([1, 2, 4], np.int32),
        "s": np.array([1, 1, 2], np.int32),
    }
    np.testing.assert_array_equal(run_node(node, value, columns), value[0:1, 1, 0:4:2])


def test_what_is_not_known_is_refused_by_its_name():
    value = draw(1, 4, 4, 1)
    with pytest.raises(InputError, match="node y: no operator Softmax"):
        run_node(Node("y", "Softmax", ("x",), {}), value)
    kernel = {"kernel": draw(3, 3, 1, 1), "bias": draw(1)}
    fused = describe_convolution((1, 1), "SAME", fused=("BiasAdd", "Elu"))
    with pytest.raises(InputError, match="fused_ops"):
        run_node(Node("y", "_FusedConv2D", ("x", "kernel", "bias"), fused), value, kernel)
    with pytest.raises(InputError, match="an input that is computed"):
        run_node(Node("y", "Reshape", ("x", "x"), {}), value)
