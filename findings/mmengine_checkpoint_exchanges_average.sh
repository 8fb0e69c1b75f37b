#!/bin/bash
# Surprising: in checkpoints of MMEngine (MMPose, MMDetection) that were trained with an average of
#   the weights, "state_dict" holds the average and "ema_state_dict" the last step's weights.
# A good guess: "ema_state_dict" is the exponential moving average, as "state_dict_ema" is in timm.
# What happens: EMAHook exchanges the two before it saves, so that tools that read "state_dict" get
#   the average. Who picks "ema_state_dict" by its name evaluates the weights before averaging.
# Versions: mmengine 0.10.7, torch 2.13.0. Date: 29 November 2026. Source: this script; the hook's
#   docstring says that the original parameters are saved in the ema field.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 mmengine==0.10.7 \
  2>/dev/null
cat > show.py <<'PY'
import sys

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn


class Counter(BaseModel):
    """A model of one weight that grows by one in every step."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode="loss"):
        return {"loss": -self.weight.sum()}


class TenSamples(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return {"inputs": torch.zeros(1)}


loader = {"dataset": TenSamples(), "sampler": {"type": "DefaultSampler", "shuffle": False},
          "batch_size": 1, "num_workers": 0}
runner = Runner(
    model=Counter(), work_dir="run", train_dataloader=loader, log_level="ERROR",
    train_cfg={"by_epoch": True, "max_epochs": 1},
    optim_wrapper={"optimizer": {"type": "SGD", "lr": 1.0}},
    custom_hooks=[{"type": "EMAHook", "momentum": 0.1}], default_hooks={"logger": None},
)
runner.train()
checkpoint = torch.load("run/epoch_1.pth", map_location="cpu", weights_only=False)
average = 0.0
for step in range(1, 11):
    average = step if step == 1 else average + 0.1 * (step - average)
in_state_dict = checkpoint["state_dict"]["weight"].item()
in_ema = checkpoint["ema_state_dict"]["module.weight"].item()
print(f"the weight after ten steps is 10, its moving average lies between 1 and 10 ({average:.2f})")
print(f"state_dict has {in_state_dict:.2f}, ema_state_dict has {in_ema:.2f}")
sys.exit(in_ema != 10 or not 1 < in_state_dict < 10)
PY
echo "EMAHook saves the average as state_dict:"
env/bin/pip list 2>/dev/null | grep -E "^(mmengine|torch) "
env/bin/python show.py 2>/dev/null | tail -2
