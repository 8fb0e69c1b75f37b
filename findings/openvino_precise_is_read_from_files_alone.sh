#!/bin/bash
# Surprising: the attribute that keeps single layers of a graph in float32 beside the precision hint
#   bf16 works in OpenVINO's CPU plugin only where the graph's file has it.
# A good guess: what a file names `precise`, version 0, can be set on a node from Python as
#   `precise_0`, as other attributes are (`enforceBF16evenForGraphTail`), or nothing can.
# What happens: set from Python it does nothing, without a word, under that name; under the name that a
#   read file shows, `DisablePrecisionConversion_0`, compiling raises an error of a wrong type. With
#   <attribute name="precise" version="0"/> in the layer's <rt_info> of the XML file, these layers are
#   computed in float32 and the others in bfloat16.
# Versions: openvino 2026.4.1, numpy 2.4.6, a CPU with AVX512-BF16 (else the hint does nothing, and
#   the script says so). Date: 30 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check openvino==2026.4.1 numpy==2.4.6
cat > show.py <<'PY'
import re
import sys

import numpy as np
import openvino as ov
from openvino import opset13 as ops

rng = np.random.default_rng(0)
MARKED = ("convolution2", "relu2", "convolution3", "relu3")
core = ov.Core()


def write_network():
    x = y = ops.parameter([1, 16, 32, 32], ov.Type.f32)
    pad = [1, 1]
    for index in range(4):
        weights = ops.constant(rng.normal(0, 0.05, (16, 16, 3, 3)).astype(np.float32))
        y = ops.convolution(y, weights, [1, 1], pad, pad, [1, 1])
        y.set_friendly_name(f"convolution{index}")
        y = ops.relu(y)
        y.set_friendly_name(f"relu{index}")
    ov.save_model(ov.Model([y], [x]), "plain.xml", compress_to_fp16=False)


def list_precisions(model):
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    infos = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    convolutions = [info for info in infos if info["layerType"].astype(str) == "Convolution"]
    return [info["runtimePrecision"].astype(str) for info in convolutions]


def mark_in_python(key):
    model = core.read_model("plain.xml")
    for node in model.get_ops():
        if node.get_friendly_name() in MARKED:
            node.get_rt_info()[key] = ""
    try:
        return list_precisions(model)
    except RuntimeError as error:
        return [line for line in str(error).splitlines() if "Bad as" in line]


def mark_in_file():
    text = open("plain.xml").read()
    for name in MARKED:
        layer = rf'(<layer id="\d+" name="{name}"[^>]*>\n(?:\s*<data[^>]*/>\n)?)'
        text = re.sub(
            layer, r'\1<rt_info><attribute name="precise" version="0"/></rt_info>\n', text
        )
    open("marked.xml", "w").write(text)
    return list_precisions(core.read_model("marked.xml", "plain.bin"))


if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
    print("this CPU has no bfloat16: nothing to see")
    sys.exit(0)
write_network()
in_python = mark_in_python("precise_0")
in_file = mark_in_file()
print("precise_0 set in Python:                   ", ", ".join(in_python))
print("DisablePrecisionConversion_0 set in Python:", mark_in_python("DisablePrecisionConversion_0"))
print("precise in the file:                       ", ", ".join(in_file))
sys.exit(in_python != ["bf16"] * 4 or in_file != ["bf16", "bf16", "f32", "f32"])
PY
env/bin/python show.py
