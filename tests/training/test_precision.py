"""--precision: what auto takes and says, and what a run remembers of it."""

import json

import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.methods import METHODS
from smallpose.training import precision
from smallpose.training.checkpoint import load_state
from smallpose.training.config import TrainingConfig
from smallpose.training.loss import LossModule
from smallpose.training.precision import set_precision

TINY = "simple_baseline_r18_tiny"
IN_BFLOAT16 = {"simple_baseline_r18_tiny"}


@pytest.fixture(params=[True, False], ids=["bfloat16", "no_bfloat16"])
def is_fast(request, monkeypatch) -> bool:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: request.param)
    return request.param


def choose(name: str, asked: str, overrides: tuple = (), state: dict | None = None) -> bool:
    method = create_method(name, COCO17).move_to("cpu")
    config = TrainingConfig(method=name, data=None, out=None, precision=asked, overrides=overrides)
    return set_precision(config, method, method.recipes["quick"], state).half


@pytest.mark.parametrize("name", [name for name in METHODS if "tiny" in name])
def test_auto_takes_bfloat16_for_measured_methods_where_the_cpu_has_it(name, is_fast, capsys):
    takes_bfloat16 = is_fast and name in IN_BFLOAT16
    assert choose(name, "auto") == takes_bfloat16
    line = capsys.readouterr().err
    assert f"training {name} in {'bfloat16' if takes_bfloat16 else 'float32'}; " in line
    if name in IN_BFLOAT16:
        reason = "the loss stay in float32" if is_fast else "this CPU has no fast bfloat16"
        assert reason in line


def test_a_named_precision_is_taken_and_a_slow_one_is_noted(is_fast, capsys):
    assert not choose(TINY, "") and not choose(TINY, "float32")
    assert not choose(TINY, "float32") and not capsys.readouterr().err
    assert choose(TINY, "bfloat16")
    assert ("float32 is faster" in capsys.readouterr().err) == (not is_fast)


def test_contradictions_and_unknown_precisions_are_refused():
    with pytest.raises(InputError, match="half=true: says the same as --precision float32"):
        choose(TINY, "float32", (("half", "true"),))
    with pytest.raises(InputError, match="float16: is unknown for training; use float32, bf"):
        choose(TINY, "float16")


def test_auto_resumes_in_the_precision_of_the_run(is_fast, capsys):
    for half in (True, False):
        assert choose(TINY, "auto", state={"identity": {"half": half}}) == half
        assert "as the run began" in capsys.readouterr().err


def test_in_bfloat16_convolutions_are_computed_and_all_that_is_kept_is_float32():
    torch.manual_seed(0)
    method = create_method(TINY, COCO17).move_to("cpu").train()
    types = {}

    def record(name):
        return lambda layer, inputs, output: types.update({name: output.dtype})

    method.backbone.conv1.register_forward_hook(record("convolution"))
    crops = torch.randint(0, 255, (2, 96, 64, 3), dtype=torch.uint8)
    loss = LossModule(method, half=True)(crops, torch.full((2, 17, 3), 20.0))
    loss.backward()
    assert types == {"convolution": torch.bfloat16} and loss.dtype == torch.float32
    kept = [*method.parameters(), *(w.grad for w in method.parameters())]
    kept += [b for b in method.buffers() if b.is_floating_point()]
    assert {tensor.dtype for tensor in kept} == {torch.float32}


def test_a_run_in_bfloat16_names_it_and_resumes_bit_equal(eight, tmp_path, capsys):
    command = ["train", TINY, "--data", str(eight), "--precision", "bfloat16"]
    command += ["--recipe", "quick", "batch_size=4", "schedule=steps", "warm_up=0"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*command, "--out", str(whole), "steps=4"]) == 0
    assert main([*command, "--out", str(parts), "steps=2"]) == 0
    assert load_state(parts)["identity"]["precision"] == "bfloat16"
    assert json.loads((parts / "result.json").read_text())["precision"] == "bfloat16"
    resume = ["train", "--out", str(parts), "--resume", "steps=4"]
    capsys.readouterr()
    assert main([*resume, "--precision", "float32"]) == 2
    assert "began with precision bfloat16, this is float32" in capsys.readouterr().err
    assert main(resume) == 0
    assert (parts / "model.safetensors").exists()
    after, expected = (load_state(run)["method"] for run in (parts, whole))
    assert all(torch.equal(after[name], tensor) for name, tensor in expected.items())
    single = tmp_path / "single"
    command[command.index("bfloat16")] = "float32"
    assert main([*command, "--out", str(single), "steps=4"]) == 0
    different = load_state(single)["method"]
    assert not all(torch.equal(different[name], tensor) for name, tensor in expected.items())
