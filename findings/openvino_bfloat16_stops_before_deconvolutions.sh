#!/bin/bash
# Surprising: with the precision hint bf16, OpenVINO's CPU plugin computes the deconvolutions of a
#   heatmap head in float32, without a word, and the 1 × 1 convolution behind them in bfloat16.
# A good guess: the hint holds for all layers that multiply, or the last layer alone stays in float32.
# What happens: what follows the last Convolution or MatMul of the graph stays in float32, and a
#   transposed convolution counts as neither. A network that ends with deconvolutions runs half of its
#   products at the slower precision; with a 1 × 1 convolution behind them all are in bfloat16, the
#   last one too, whose steps of 1/256 move the maxima of maps.
# Versions: openvino 2026.4.1, numpy 2.4.6, a CPU with AVX512-BF16 (else the hint does nothing, and
#   the script says so). Date: 30 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check openvino==2026.4.1 numpy==2.4.6
cat > show.py <<'PY'
import sys

import numpy as np
import openvino as ov
from openvino import opset13 as ops

rng = np.random.default_rng(0)


def draw(*shape):
    return ops.constant(rng.normal(0, 0.05, shape).astype(np.float32))


def compile_network(ends_with_convolution):
    x = ops.parameter([1, 64, 16, 12], ov.Type.f32)
    pad = [1, 1]
    y = ops.relu(ops.convolution(x, draw(256, 64, 3, 3), [1, 1], pad, pad, [1, 1]))
    for _ in range(2):
        y = ops.relu(
            ops.convolution_backprop_data(
                y, draw(256, 256, 4, 4), [2, 2], pads_begin=pad, pads_end=pad
            )
        )
    if ends_with_convolution:
        y = ops.convolution(y, draw(17, 256, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])
    model = ov.Model([y], [x])
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})


def list_precisions(ends_with_convolution):
    kinds = ("Convolution", "Deconvolution")
    found = []
    for node in compile_network(ends_with_convolution).get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        kind = info["layerType"].astype(str)
        if kind in kinds:
            found.append(f"{kind} {info['runtimePrecision'].astype(str)}")
    return found


if "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
    print("this CPU has no bfloat16: nothing to see")
    sys.exit(0)
without, behind = list_precisions(False), list_precisions(True)
print("ending with deconvolutions:      ", ", ".join(without))
print("a 1 × 1 convolution behind them: ", ", ".join(behind))
is_so = without == ["Convolution bf16", "Deconvolution f32", "Deconvolution f32"]
sys.exit(not is_so or any("f32" in one for one in behind))
PY
echo "The precision hint bf16 ends with the last convolution, and deconvolutions behind it are not counted:"
env/bin/pip list 2>/dev/null | grep -E "^(openvino|numpy) "
env/bin/python show.py
