"""Loggers: they receive the records of a run, and missing packages are reported."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smallpose.core.errors import InputError
from smallpose.training import loggers
from smallpose.training.run import TrainingConfig, train

TINY = "simple_baseline_r18_tiny"


def make_config(data: Path, out: Path, epochs: int = 3, **more: Any) -> TrainingConfig:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return TrainingConfig(method=TINY, data=data, out=out, overrides=overrides, **more)


def read_losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


def test_loggers_receive_the_numbers_of_the_log(eight, tmp_path, monkeypatch):
    logged: list[tuple[dict[str, float], int]] = []
    run = SimpleNamespace(log=lambda numbers, step: logged.append((numbers, step)))
    init_calls: list[dict[str, Any]] = []
    fake = SimpleNamespace(init=lambda **options: (init_calls.append(options), run)[1])
    monkeypatch.setattr(loggers, "importlib", SimpleNamespace(import_module=lambda name: fake))
    train(make_config(eight, tmp_path, 1, wandb="small people"))
    assert init_calls[0]["project"] == "small people"
    assert init_calls[0]["config"]["method"] == TINY
    assert [step for _, step in logged] == [1, 2]
    assert [numbers["loss"] for numbers, _ in logged] == read_losses(tmp_path)


@pytest.mark.parametrize("flag", ["tensorboard", "wandb"])
def test_loggers_that_are_not_installed_are_named(tmp_path, monkeypatch, flag):
    for name in ("tensorboard", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=rf"--{flag}: {flag} is not installed; pip install"):
        if flag == "wandb":
            loggers.create_wandb_logger("p", "n", {}, tmp_path)
        else:
            loggers.create_tensorboard_logger(tmp_path)
