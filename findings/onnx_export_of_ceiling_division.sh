#!/bin/bash
# Surprising: padding an image to a multiple of 32 with the usual -(-height // 32) * 32 works in
#   PyTorch and is wrong in the exported ONNX file, for the old exporter and for the new one.
# A good guess: the export either keeps Python's floor division or refuses it.
# What happens: the division of two integers becomes ONNX's Div, which truncates towards zero, so
#   the ceiling becomes a floor: 40 rows are padded to 32 instead of 64 (that is, cut).
#   Write (height + 31) // 32 * 32 in networks that are exported.
# Versions: torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0. Date: 29 November 2026.
# Source: this script; ONNX's Div is documented to truncate integers.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0 2>/dev/null
cat > show.py <<'PY'
import logging
import sys
import warnings

import numpy as np
import onnxruntime
import torch

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)


class PadToStride(torch.nn.Module):
    def forward(self, image):
        height = image.shape[2]
        padded = -(-height // 32) * 32
        return torch.nn.functional.pad(image, (0, 0, 0, padded - height))


network = PadToStride()
example = torch.zeros(1, 3, 40, 32)
torch.onnx.export(network, (example,), "old.onnx", dynamo=False, input_names=["image"],
                  dynamic_axes={"image": {2: "height"}}, verbose=False)
height = torch.export.Dim("height", min=2, max=999)
torch.onnx.export(network, (example,), "new.onnx", dynamo=True, dynamic_shapes=({2: height},),
                  verbose=False)
rows = {}
for exporter in ("old", "new"):
    session = onnxruntime.InferenceSession(f"{exporter}.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for size in (40, 64, 70):
        image = np.zeros((1, 3, size, 32), np.float32)
        rows[exporter, size] = session.run(None, {name: image})[0].shape[2]
for (exporter, size), got in rows.items():
    wanted = network(torch.zeros(1, 3, size, 32)).shape[2]
    print(f"{exporter} exporter: {size} rows become {got}, in PyTorch {wanted}")
as_found = {40: 32, 64: 64, 70: 64}
sys.exit(any(got != as_found[size] for (_, size), got in rows.items()))
PY
echo "The exported ceiling division truncates:"
env/bin/pip list 2>/dev/null | grep -E "^(torch|onnx|onnxscript|onnxruntime) "
env/bin/python show.py 2>/dev/null
