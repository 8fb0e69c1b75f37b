#!/bin/bash
# Surprising: dynamic int8 quantization of a heatmap network leaves its most expensive layers in
#   float32, without a word.
# A good guess: quantize_dynamic quantizes convolutions, transposed ones included, and the file
#   becomes a quarter of its size.
# What happens: Conv becomes ConvInteger, ConvTranspose stays as it is. Of a network of one 3 × 3
#   convolution and one deconvolution of a SimpleBaseline head the file keeps nine tenths of its size.
# Versions: torch 2.13.0, onnx 1.23.2, onnxruntime 1.32.0. Date: 29 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0 2>/dev/null
cat > show.py <<'PY'
import sys
import warnings
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

warnings.simplefilter("ignore")
network = nn.Sequential(nn.Conv2d(64, 256, 3, padding=1), nn.ConvTranspose2d(256, 256, 4, 2, 1))
torch.onnx.export(network, (torch.zeros(1, 64, 16, 12),), "f.onnx", dynamo=False)
quantize_dynamic("f.onnx", "q.onnx", weight_type=QuantType.QUInt8)
operators = [node.op_type for node in onnx.load("q.onnx").graph.node]
share = Path("q.onnx").stat().st_size / Path("f.onnx").stat().st_size
print(f"operators after quantization: {', '.join(operators)}")
print(f"the file keeps {share:.0%} of its size")
sys.exit("ConvInteger" not in operators or "ConvTranspose" not in operators or share < 0.85)
PY
echo "Dynamic quantization skips transposed convolutions:"
env/bin/pip list 2>/dev/null | grep -E "^(torch|onnx|onnxruntime) "
env/bin/python show.py 2>/dev/null
