#!/bin/bash
# Surprising: two popular counters of operations report four times the work of a transposed
#   convolution, the layer that heatmap heads (SimpleBaseline, ViTPose) use to enlarge their maps.
# A good guess: every counter counts the multiplications that are made, and they agree.
# What happens: thop and torchinfo count kernel × channels once per pixel of the *output*; with stride
#   2 only a quarter of these products exists. fvcore, ptflops and PyTorch's own counter are right.
#   "GFLOPs" of two papers compare only if both name the counter.
# Versions: torch 2.13.0, thop 0.1.1.post2209072238, torchinfo 1.8.0, fvcore 0.1.5.post20221221,
#   ptflops 0.7.5. Date: 29 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 \
  thop==0.1.1.post2209072238 torchinfo==1.8.0 fvcore==0.1.5.post20221221 ptflops==0.7.5 2>/dev/null
cat > show.py <<'PY'
import sys
import warnings

import ptflops
import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode

warnings.simplefilter("ignore")
layer = torch.nn.ConvTranspose2d(256, 256, kernel_size=4, stride=2, padding=1, bias=False).eval()
image = torch.zeros(1, 256, 16, 12)
# Each of the 16 × 12 input pixels is multiplied by a 4 × 4 kernel for each pair of channels.
true = 16 * 12 * 4 * 4 * 256 * 256
fvcore = FlopCountAnalysis(layer, image)
fvcore.unsupported_ops_warnings(False)
with FlopCounterMode(display=False) as counter:
    layer(image)
shape = (256, 16, 12)
counts = {
    "thop": thop.profile(layer, (image,), verbose=False)[0],
    "torchinfo": torchinfo.summary(layer, input_data=image, verbose=0).total_mult_adds,
    "fvcore": fvcore.total(),
    "ptflops": ptflops.get_model_complexity_info(
        layer, shape, as_strings=False, print_per_layer_stat=False, backend="pytorch"
    )[0],
    "torch": counter.get_total_flops() / 2,
}
for name, count in counts.items():
    print(f"{name:10} {count / true:.2f} times the multiplications made ({true:,})")
as_found = {"thop": 4, "torchinfo": 4, "fvcore": 1, "ptflops": 1, "torch": 1}
sys.exit({name: round(count / true) for name, count in counts.items()} != as_found)
PY
echo "Counters of operations disagree by the square of the stride on transposed convolutions:"
env/bin/pip list 2>/dev/null | grep -E "^(torch|thop|torchinfo|fvcore|ptflops) "
env/bin/python show.py
