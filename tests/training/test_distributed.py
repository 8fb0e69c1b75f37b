"""Two processes over gloo equal one: the same weights, the same test, the same resumption."""

import importlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from smallpose.core.errors import InputError
from smallpose.core.predictions import make_predictions
from smallpose.dataloading.top_down.batches import CropBatch
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training import trainer
from smallpose.training.distributed import DistributedContext, join_process_group
from smallpose.training.loop import TrainingLoop
from smallpose.training.run import TrainingConfig, train
from smallpose.training.sync_batchnorm import CpuSyncBatchNorm, convert_to_sync_batchnorm
from smallpose.training.validation import merge_predictions

TINY = "simple_baseline_r18_tiny"
FORK = multiprocessing.get_context("fork")
# Writes a checkpoint after nearly each epoch, which last for a twentieth of a second.
CHECKPOINTS = """
import sys
from smallpose.cli.main import main
from smallpose.training import loop

loop.MIN_CHECKPOINT_GAP_S = 0.1
sys.exit(main())
"""


@pytest.fixture(scope="module", autouse=True)
def dynamo():
    # An optimizer imports it, which takes long; here once, and not in each forked process.
    importlib.import_module("torch._dynamo")


def _as_rank(rank: int, world_size: int, port: int, work: Callable[[], Any], results: Any) -> None:
    variables = {"RANK": rank, "WORLD_SIZE": world_size, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in variables.items()}, MASTER_ADDR="127.0.0.1")
    try:
        results.put((rank, work()))
    except Exception as error:
        results.put((rank, error))


def run_on_ranks(world_size: int, work: Callable[[], Any]) -> list[Any]:
    """Return what `work` returned or raised in each process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    results = FORK.Queue()
    processes = [
        FORK.Process(target=_as_rank, args=(rank, world_size, port, work, results))
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    try:
        results_by_rank = dict(results.get(timeout=90) for _ in processes)
        for process in processes:
            process.join(60)
    finally:
        for process in processes:
            process.kill()
    return [results_by_rank[rank] for rank in range(world_size)]


def create_sgd(method: nn.Module, recipe: Any) -> torch.optim.Optimizer:
    """Create SGD: Adam's first steps have the size of the rate however small the gradient is, so
    rounding alone could reverse one."""
    optimizer = torch.optim.SGD(method.parameters(), lr=1e-3)
    optimizer.param_groups[0]["rate_share"] = 1.0
    return optimizer


def make_config(data: Path, out: Path, name: str = TINY, **more: Any) -> TrainingConfig:
    overrides = {"epochs": "2", "batch_size": "4", "sync_norm": "true", "learning_rate": "0.05"}
    chosen = tuple((overrides | more.pop("overrides", {})).items())
    options = {"method": name, "data": data, "out": out, "recipe": "quick", "overrides": chosen}
    return TrainingConfig(**(options | more))


def read_losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


@pytest.mark.parametrize("name", [TINY, "simcc_r18_tiny", "vitpose_tiny"])
def test_two_processes_reach_the_weights_of_one(eight, tmp_path, monkeypatch, name):
    """The steps are of unequal sizes, and so are the processes' shares of them."""
    monkeypatch.setattr(trainer, "create_optimizer", create_sgd)
    more = {"overrides": {"batch_size": "3"}}
    train(make_config(eight, tmp_path / "one", name, **more))
    results = run_on_ranks(2, lambda: train(make_config(eight, tmp_path / "two", name, **more)))
    assert results[1] == {} and results[0]["environment"]["processes"] == 2
    np.testing.assert_allclose(
        read_losses(tmp_path / "two"), read_losses(tmp_path / "one"), rtol=1e-4
    )
    initial = create_method(name, "smallpose21").state_dict()
    one, two = (read_weights(tmp_path / run).tensors for run in ("one", "two"))
    moved = 0.0
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, rtol=1e-3, atol=2e-5, msg=key)
        if tensor.is_floating_point():
            moved = max(moved, float((tensor - initial[key]).abs().max()))
    assert moved > 1e-3  # training changed the weights


@pytest.mark.parametrize("name", [TINY, "dekr_hrnet_w8_tiny"])
def test_two_processes_test_as_one(eight, tmp_path, name):
    torch.manual_seed(0)
    more = {"overrides": {"epochs": "0"}}
    one = train(make_config(eight, tmp_path / "one", name, **more))
    two = run_on_ranks(2, lambda: train(make_config(eight, tmp_path / "two", name, **more)))[0]
    outputs = [json.loads((tmp_path / run / "found.json").read_text()) for run in ("one", "two")]
    assert [f["image_id"] for f in outputs[0]] == [f["image_id"] for f in outputs[1]]
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a["keypoints"], b["keypoints"], atol=1e-3)
    assert one["evaluation"] == two["evaluation"] and one["B17"] == two["B17"]


def test_shards_are_merged_in_the_order_of_the_images(eight):
    people = read_coco(eight / "annotations" / "test.json")
    k, ids = len(people.skeleton), people.images.ids
    shards = [
        make_predictions(people.skeleton, np.repeat(ids[r::3], 2), np.zeros((2 * n, k, 3)), s)
        for r, n, s in ((0, 2, [1, 2, 7, 8]), (1, 1, [3, 4]), (2, 1, [5, 6]))
    ]
    both = merge_predictions(shards, people)
    assert both.image_ids.tolist() == np.repeat(ids, 2).tolist()
    assert both.scores.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_error_in_one_process_is_raised_in_all(eight, tmp_path):
    def work() -> None:
        with join_process_group() as distributed:

            def fail() -> int:
                if distributed.rank == 1:
                    raise InputError("image 7", "cannot be read", "repair it")
                return 1

            distributed.gather(fail)

    results = run_on_ranks(2, work)
    assert [str(a) for a in results] == ["image 7: cannot be read; repair it"] * 2


def test_more_processes_than_a_step_has_samples_are_refused(eight, tmp_path):
    more = {"overrides": {"batch_size": "1"}}
    for result in run_on_ranks(2, lambda: train(make_config(eight, tmp_path / "run", **more))):
        assert "start fewer processes" in str(result)


def test_a_signal_to_one_process_stops_both_and_they_resume_as_if_undisturbed(
    eight, tmp_path, monkeypatch
):
    more = {"overrides": {"epochs": "4"}}
    run_on_ranks(2, lambda: train(make_config(eight, tmp_path / "full", **more)))
    run_step = trainer.Trainer._run_step

    def send_signal(self: trainer.Trainer, batch: CropBatch) -> float:
        if self.step == 4 and self.distributed.rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return run_step(self, batch)

    monkeypatch.setattr(trainer.Trainer, "_run_step", send_signal)
    results = run_on_ranks(2, lambda: train(make_config(eight, tmp_path / "cut", **more)))
    assert [a.exit_code for a in results] == [143, 143]
    monkeypatch.undo()
    more["resume"] = True
    run_on_ranks(2, lambda: train(make_config(eight, tmp_path / "cut", **more)))
    assert read_losses(tmp_path / "cut") == read_losses(tmp_path / "full")
    one, two = (read_weights(tmp_path / run).tensors for run in ("cut", "full"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_averaged_weights_are_the_same_network_in_all_processes(eight, tmp_path, monkeypatch):
    """Their statistics too, or each process would test with another network."""
    averaged_weights = trainer.Trainer.averaged_weights
    seen: list[dict[str, np.ndarray]] = []

    @contextmanager
    def record_weights(self: trainer.Trainer) -> Iterator[Any]:
        with averaged_weights(self) as method:
            seen.append({k: t.numpy().copy() for k, t in method.state_dict().items()})
            yield method

    monkeypatch.setattr(trainer.Trainer, "averaged_weights", record_weights)

    def work() -> list[dict[str, np.ndarray]]:
        more = {"overrides": {"ema": "0.2,3", "sync_norm": "false"}}
        train(make_config(eight, tmp_path / "run", **more))
        return seen

    first, second = run_on_ranks(2, work)
    assert len(first) == len(second) == 2  # the weights are saved, then tested
    means = [k for k in first[0] if k.endswith("running_mean")]
    assert means and any(first[0][k].any() for k in means)
    for key, value in first[0].items():
        for other in (first[1], *second):
            np.testing.assert_array_equal(value, other[key], key)


def test_unreadable_test_images_are_counted_over_all_processes(eight, tmp_path):
    data = tmp_path / "set"
    shutil.copytree(eight, data, symlinks=False)
    people = read_coco(data / "annotations" / "test.json")
    (data / "images" / people.images.file_names[1]).write_bytes(b"no image")
    n = len(people.images)
    for max_unreadable, is_allowed in ((1 / n, True), (0.9 / n, False)):
        more = {"overrides": {"epochs": "0"}, "max_unreadable": max_unreadable}
        results = run_on_ranks(
            2, lambda m=more, a=is_allowed: train(make_config(data, tmp_path / str(a), **m))
        )
        if is_allowed:  # although it is a larger share of one process's images
            assert len(results[0]["unreadable"]) == 1
        else:
            assert all(f"1 of {n} images cannot be read" in str(a) for a in results)


def test_the_people_of_a_skipped_step_are_logged_for_all_processes(eight, tmp_path, monkeypatch):
    backward = trainer.Trainer._backward
    ids_by_rank: dict[int, list[int]] = {}

    def backward_with_nan(self: trainer.Trainer, batch: CropBatch) -> float:
        loss = backward(self, batch)
        if self.step != 1:
            return loss
        ids_by_rank[self.distributed.rank] = self.loader.people.ids[batch.rows].tolist()
        return float("nan") if self.distributed.rank == 1 else loss

    monkeypatch.setattr(trainer.Trainer, "_backward", backward_with_nan)

    def work() -> dict[int, list[int]]:
        train(make_config(eight, tmp_path / "run"))
        return ids_by_rank

    first, second = run_on_ranks(2, work)
    lines = [json.loads(x) for x in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    (skipped,) = [line for line in lines if "skipped" in line]
    assert skipped["step"] == 2
    assert skipped["skipped"] == first[0] + second[1] and first[0] and second[1]


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer"), True),
        (torch.distributed.DistBackendError("NCCL error"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("in a worker process:\nTraceback: ValueError"), False),
        (RuntimeError(""), False),
    ],
)
def test_only_errors_about_lost_processes_are_reported_as_such(error, is_lost):
    training_loop = TrainingLoop.__new__(TrainingLoop)
    training_loop.distributed = DistributedContext(1, 2)
    explained = training_loop._explain_lost_process(error)
    assert (explained is not error) == is_lost
    assert ("another process has ended" in str(explained)) == is_lost


def test_synchronised_batch_norms_equal_a_batch_norm_over_all_images():
    torch.manual_seed(0)
    x = torch.randn(6, 5, 4, 3) * 3 + 7
    plain = nn.BatchNorm2d(5)
    expected = plain(x.requires_grad_())
    (expected**3).sum().backward()

    def work() -> tuple[np.ndarray, ...]:
        with join_process_group("cpu") as distributed:
            torch.manual_seed(0)
            mine = slice(0, 2) if distributed.is_first else slice(2, 6)
            part = x[mine].detach().requires_grad_()
            norm = nn.Sequential(nn.BatchNorm2d(5))
            convert_to_sync_batchnorm(norm, cuda=False)
            assert type(norm[0]) is CpuSyncBatchNorm
            y = norm(part)
            (y**3).sum().backward()
            outputs = (y, part.grad, norm[0].running_mean, norm[0].running_var)
            return tuple(t.detach().numpy() for t in outputs)

    first, second = run_on_ranks(2, work)
    for actual, desired in zip(
        (np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]), *first[2:]),
        (expected, x.grad, plain.running_mean, plain.running_var),
        strict=True,
    ):
        np.testing.assert_allclose(actual, desired.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_a_single_process_needs_no_process_group():
    distributed = DistributedContext()
    assert distributed.sum_values(1, 2.5) == [1, 2.5]
    assert distributed.gather(lambda: 3) == [3]


@pytest.mark.slow
def test_torchrun_survives_kill_9_of_a_process_and_resumes(eight, tmp_path, warm_python):
    arguments = [TINY, "--data", str(eight), "--recipe", "quick", "--device", "cpu"]
    arguments += ["batch_size=4", "epochs=30"]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    program = tmp_path / "smallpose_with_checkpoints.py"
    program.write_text(CHECKPOINTS)

    def run(out: str, *more: str, python: object = warm_python) -> "subprocess.Popen[str]":
        command = [str(python), *launch, str(program), "train", *arguments]
        command += ["--out", str(tmp_path / out), *more]
        # Which the launcher starts; a caller that is killed takes its fork with it.
        environment = os.environ | {"PYTHON_EXEC": str(warm_python)}
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)

    cut = run("cut", python=sys.executable)
    log, state = (tmp_path / "cut" / name for name in ("log.jsonl", "state.pt"))
    deadline = time.monotonic() + 200
    while not state.exists() or log.read_text().count("loss") < 10:
        assert time.monotonic() < deadline and cut.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{cut.pid}/task/{cut.pid}/children").read_text().split()
    workers = [int(c) for c in children if b"smallpose" in Path(f"/proc/{c}/cmdline").read_bytes()]
    os.kill(workers[-1], signal.SIGKILL)
    stderr = cut.communicate(timeout=200)[1]
    assert cut.returncode != 0, stderr
    resumed = run("cut", "--resume")
    stderr = resumed.communicate(timeout=400)[1]
    assert resumed.returncode == 0, stderr
    assert "resumed from step" in stderr
    full = run("full")
    assert full.wait(timeout=400) == 0
    full.stderr.close()
    assert read_losses(tmp_path / "cut") == read_losses(tmp_path / "full")
