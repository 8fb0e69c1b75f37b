"""The moving average of the weights: as MMEngine's, tested, saved and resumed."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smallpose.training.ema import MovingAverage
from smallpose.training.run import TrainingConfig, train
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"


def make_config(data: Path, out: Path, epochs: int = 3, **more: Any) -> TrainingConfig:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return TrainingConfig(method=TINY, data=data, out=out, overrides=overrides, **more)


def read_losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


def test_averaged_weights_are_tested_saved_and_resumed(eight, tmp_path, monkeypatch):
    ema = {"overrides": (("ema", "0.2,3"),)}
    full = train(make_config(eight, tmp_path / "full", 4, **ema))
    plain = train(make_config(eight, tmp_path / "plain", 4))
    assert read_losses(tmp_path / "full") == read_losses(tmp_path / "plain")
    assert full["weights"]["sha256"] != plain["weights"]["sha256"]
    run_step = Trainer._run_step

    def send_signal(self: Trainer, batch: Any) -> float:
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return run_step(self, batch)

    monkeypatch.setattr(Trainer, "_run_step", send_signal)
    with pytest.raises(Exception, match="interrupted at step 5"):
        train(make_config(eight, tmp_path / "cut", 4, **ema))
    monkeypatch.undo()
    resumed = train(make_config(eight, tmp_path / "cut", 4, resume=True, **ema))
    assert resumed["weights"] == full["weights"]


def test_the_moving_average_equals_mmengines():
    layer = torch.nn.Linear(1, 1, bias=False)
    average = MovingAverage(layer, 0.1, 5.0)
    with torch.no_grad():
        layer.weight.fill_(0.0)
        average.weights["weight"].fill_(1.0)
    expected = 1.0
    for step in range(4):
        average.update(layer, step)
        expected *= 1 - (0.9 * np.exp(-(1 + step) / 5.0) + 0.1)
    assert float(average.weights["weight"]) == pytest.approx(expected, rel=1e-5)
    with average.swap_in(layer):
        assert layer.weight.item() == pytest.approx(expected, rel=1e-5)
    assert layer.weight.item() == 0.0
