#!/bin/bash
# Surprising: a valid ONNX model that enlarges maps between two transpositions (the form that networks
#   with channels last take) cannot be loaded by onnxruntime with its default optimisations.
# A good guess: what onnx's checker accepts and what runs without optimisations runs with them, too.
# What happens: Resize may name the axes it changes (opset 18). The optimiser that moves transpositions
#   through it makes a node that its own shape inference refuses ("Number of elements of input
#   'sizes' (0) does not match the number of axes (2)"). The same Resize with the sizes of all four
#   axes, or a session without optimisations, runs. So converters should write all sizes.
# Versions: onnx 1.23.1, onnxruntime 1.30.0 and 1.32.0. Date: 30 November 2026.
# Source: this script; met in the conversion of MoveNet's and PoseNet's graphs.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
cat > show.py <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

SIZES = [14, 20]
IMAGE = np.zeros((1, 7, 10, 3), np.float32)


def make_model(names_axes):
    """Make NHWC -> NCHW, Resize to twice the size, and back."""
    sizes = SIZES if names_axes else [1, 3, *SIZES]
    axes = {"axes": [2, 3]} if names_axes else {}
    nodes = [
        helper.make_node("Transpose", ["image"], ["maps"], perm=[0, 3, 1, 2]),
        helper.make_node("Resize", ["maps", "", "", "sizes"], ["large"], mode="linear", **axes),
        helper.make_node("Transpose", ["large"], ["result"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "resize",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, IMAGE.shape)],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [1, *SIZES, 3])],
        [helper.make_tensor("sizes", TensorProto.INT64, [len(sizes)], sizes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def run(names_axes, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(make_model(names_axes), options)
    except Exception as error:
        return str(error).partition("[ShapeInferenceError] ")[2] or str(error)
    return f"runs, {session.run(None, {'image': IMAGE})[0].shape}"


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
LEVELS = onnxruntime.GraphOptimizationLevel
refused = None
for words, names_axes in (("all four sizes", False), ("two sizes and their axes", True)):
    for name, level in (("none", LEVELS.ORT_DISABLE_ALL), ("default", LEVELS.ORT_ENABLE_ALL)):
        refused = run(names_axes, level)
        print(f"Resize with {words}, optimisations {name}: {refused}")
        if (name, names_axes) != ("default", True) and not refused.startswith("runs"):
            sys.exit(1)
sys.exit(refused.startswith("runs"))
PY
for version in 1.30.0 1.32.0; do
  env/bin/pip install -q --disable-pip-version-check numpy==2.4.6 onnx==1.23.1 onnxruntime==$version
  env/bin/python show.py
done
echo "A Resize that names its axes cannot be loaded between two transpositions with default optimisations."
