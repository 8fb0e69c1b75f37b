#!/bin/bash
# Surprising: an exported pose network can keep other candidates than the network itself, although
#   all scores are equal to the last bit.
# A good guess: topk of PyTorch and ONNX's TopK agree, at least on a CPU, and ties keep their order.
# What happens: ONNX prescribes the lower index first among equal values; PyTorch promises nothing
#   and returns equal values in another order. Saturated scores (a sigmoid at exactly 1, plateaus of
#   heatmaps) are ties, so the candidates before suppression, and with a limit on people the people
#   themselves, differ. Break ties before topk, or compare exports on scores without ties.
# Versions: torch 2.13.0, onnx 1.23.2, onnxruntime 1.32.0. Date: 29 November 2026.
# Source: this script; ONNX's specification of TopK.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0 2>/dev/null
cat > show.py <<'PY'
import sys
import warnings

import onnxruntime
import torch

warnings.simplefilter("ignore")


class BestThree(torch.nn.Module):
    def forward(self, scores):
        return torch.topk(scores, 3, dim=1)[1]


scores = torch.zeros(1, 1000)
scores[0, [10, 500, 900, 950]] = 1.0
torch.onnx.export(BestThree(), (scores,), "t.onnx", dynamo=False, input_names=["scores"])
session = onnxruntime.InferenceSession("t.onnx", providers=["CPUExecutionProvider"])
exported = session.run(None, {"scores": scores.numpy()})[0][0].tolist()
in_torch = BestThree()(scores)[0].tolist()
print(f"four candidates score 1.0: 10, 500, 900, 950\nPyTorch keeps     {in_torch}")
print(f"onnxruntime keeps {exported}")
sys.exit(exported != [10, 500, 900] or in_torch == exported)
PY
echo "Equal scores are returned in another order by the exported graph:"
env/bin/pip list 2>/dev/null | grep -E "^(torch|onnx|onnxruntime) "
env/bin/python show.py 2>/dev/null
