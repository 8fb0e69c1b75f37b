"""Weight gradients from a second thread: the same bits, and layers as before afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smallpose.cli.main import main
from smallpose.methods import create_method
from smallpose.training import weight_gradients
from smallpose.training.run import TrainingConfig, train
from smallpose.training.weight_gradients import (
    can_use_weight_thread,
    compute_weight_gradients_in_thread,
)

METHODS = ("simple_baseline_r18_tiny", "hrnet_w16_tiny", "vitpose_tiny", "rtmo_tiny")


class MixedNetwork(nn.Module):
    """Convolutions of all kinds; one layer is used twice, one is frozen, and two are left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=2, dilation=2)
        # Not dilated, too: in bfloat16 PyTorch 2.13 leaves some of such gradients unset.
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.frozen = nn.Conv2d(8, 8, 1).requires_grad_(False)
        self.same = nn.Conv2d(8, 8, 3, padding="same")
        self.reflecting = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = self.grouped(self.grouped(x)).relu()
        return self.up(self.reflecting(self.same(self.frozen(x))))


def flatten(outputs: Any) -> Iterator[Tensor]:
    if isinstance(outputs, Tensor):
        yield outputs
        return
    for part in outputs:
        yield from flatten(part)


def compute_gradients(network: nn.Module, size: tuple[int, int], half: bool = False) -> list[Any]:
    """Return the gradients of all weights, and the statistics, after two backward passes."""
    torch.manual_seed(0)
    network.zero_grad()
    for _ in range(2):
        x = torch.randn(3, 3, *size).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs = network(x)
        sum(part.float().square().mean() for part in flatten(outputs)).backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    return [*gradients, *(buffer.clone() for buffer in network.buffers())]


def assert_equal(ours: list[Any], theirs: list[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a, b)


def create_network(name: str) -> nn.Module:
    torch.manual_seed(1)
    if name == "mixed":
        return MixedNetwork().to(memory_format=torch.channels_last)
    return create_method(name).move_to("cpu").train()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", ["mixed", *METHODS])
def test_gradients_have_the_same_bits(name, half):
    size = (96, 64) if name != "rtmo_tiny" else (96, 96)
    plain = compute_gradients(create_network(name), size, half)
    network = create_network(name)
    with compute_weight_gradients_in_thread(network):
        assert_equal(compute_gradients(network, size, half), plain)


def test_convolutions_are_shared_and_restored_afterwards(monkeypatch):
    network = create_network("mixed")
    submitted: list[Any] = []
    submit = ThreadPoolExecutor.submit
    monkeypatch.setattr(
        ThreadPoolExecutor, "submit", lambda *a: submitted.append(a[-1]) or submit(*a)
    )
    with compute_weight_gradients_in_thread(network):
        compute_gradients(network, (32, 32))
        with torch.inference_mode():
            network(torch.zeros(1, 3, 32, 32))
    # In each of two passes the transposed one and the grouped one, twice; the first needs no
    # gradient of the image.
    assert submitted == [[False, True, True], [False, True, False], [False, True, False]] * 2
    assert not any("forward" in vars(layer) for layer in network.modules())


def test_a_thread_that_does_not_begin_is_not_waited_for(monkeypatch):
    plain = compute_gradients(create_network("mixed"), (32, 32))
    monkeypatch.setattr(ThreadPoolExecutor, "submit", lambda *_: Future())
    network = create_network("mixed")
    with compute_weight_gradients_in_thread(network):
        assert_equal(compute_gradients(network, (32, 32)), plain)


def test_errors_of_the_thread_reach_the_caller(monkeypatch):
    failed: Future[Any] = Future()
    failed.set_exception(RuntimeError("no memory"))
    monkeypatch.setattr(ThreadPoolExecutor, "submit", lambda *_: failed)
    network = create_network("mixed")
    with (
        pytest.raises(RuntimeError, match="no memory"),
        compute_weight_gradients_in_thread(network),
    ):
        compute_gradients(network, (32, 32))
    assert not any("forward" in vars(layer) for layer in network.modules())


def test_a_thread_is_used_on_a_cpu_with_a_free_core_only(monkeypatch):
    method = create_method(METHODS[0]).move_to("cpu")
    monkeypatch.setattr(weight_gradients, "count_cores", lambda limit: limit)
    assert can_use_weight_thread(method)
    assert not can_use_weight_thread(method, num_processes=2)
    monkeypatch.setattr(weight_gradients, "count_cores", lambda limit: 1)
    assert not can_use_weight_thread(method)
    monkeypatch.undo()
    method.code = "own.py:net"
    assert not can_use_weight_thread(method)


def test_a_run_ends_with_the_same_weights(eight, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(weight_gradients, "count_cores", lambda limit: limit)
    overrides = {"epochs": "2", "batch_size": "4", "validate_every": "1"}
    results = [
        train(
            TrainingConfig(
                method=METHODS[0],
                data=eight,
                out=tmp_path / str(is_shared),
                overrides=overrides,
                weight_thread=is_shared,
            )
        )
        for is_shared in (False, True)
    ]
    assert results[0]["weights"] == results[1]["weights"]
    assert [result["environment"]["weight_thread"] for result in results] == [False, True]
    assert (
        "PyTorch in 1 thread (--threads), gradients of weights in another" in capfd.readouterr()[1]
    )


def test_the_second_thread_computes_with_one_thread_itself():
    """Without OMP_NUM_THREADS a new thread would use all cores, and end with other bits."""
    code = (
        "import torch; from tests.training.test_weight_gradients import *\n"
        "torch.set_num_threads(1)\n"
        "plain = compute_gradients(create_network('simple_baseline_r18_tiny'), (96, 64))\n"
        "network = create_network('simple_baseline_r18_tiny')\n"
        "with compute_weight_gradients_in_thread(network):\n"
        "    assert_equal(compute_gradients(network, (96, 64)), plain)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parents[2])


def test_the_command_line_uses_it_where_nobody_chose_threads(eight, tmp_path, monkeypatch):
    configs: list[TrainingConfig] = []
    monkeypatch.setattr("smallpose.training.run.train", lambda config: configs.append(config) or {})
    command = ["train", METHODS[0], "--data", str(eight), "--out", str(tmp_path / "run")]
    for variable, options in (("", []), ("1", []), ("", ["--threads", "1"])):
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
        if not variable:
            monkeypatch.delenv("OMP_NUM_THREADS")
        assert main([*command, *options, "--prefetch", "3"]) == 0
    assert [config.weight_thread for config in configs] == [True, False, False]
    assert [config.prefetch for config in configs] == [3, 3, 3]
