"""Two processes over gloo are one process: the same weights, the same test, the same resumption."""

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
from smallpose.dataloading.top_down.batches import Batch
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import METHODS, create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training import trainer
from smallpose.training.distributed import Ranks, launched
from smallpose.training.loop import Course
from smallpose.training.loss import LossOf, in_parts
from smallpose.training.run import Experiment, train
from smallpose.training.sync_batchnorm import SharedNorm, share_norms
from smallpose.training.validation import merged

TINY = "simple_baseline_r18_tiny"
FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module", autouse=True)
def dynamo():
    # An optimizer imports it, which takes long; here once, and not in each forked process.
    importlib.import_module("torch._dynamo")


def _as_rank(rank: int, world: int, port: int, work: Callable[[], Any], answers: Any) -> None:
    place = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in place.items()}, MASTER_ADDR="127.0.0.1")
    try:
        answers.put((rank, work()))
    except Exception as error:
        answers.put((rank, error))


def on_ranks(world: int, work: Callable[[], Any]) -> list[Any]:
    """What `work` returned or raised in each of so many processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    answers = FORK.Queue()
    processes = [
        FORK.Process(target=_as_rank, args=(rank, world, port, work, answers))
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    try:
        got = dict(answers.get(timeout=90) for _ in processes)
        for process in processes:
            process.join(60)
    finally:
        for process in processes:
            process.kill()
    return [got[rank] for rank in range(world)]


def plain_descent(method: nn.Module, recipe: Any) -> torch.optim.Optimizer:
    """SGD: Adam's first steps have the size of the rate however small the gradient, so that
    rounding alone could turn one round."""
    optimizer = torch.optim.SGD(method.parameters(), lr=1e-3)
    optimizer.param_groups[0]["rate_share"] = 1.0
    return optimizer


def experiment(data: Path, out: Path, name: str = TINY, **more: Any) -> Experiment:
    overrides = {"epochs": "2", "batch_size": "4", "sync_norm": "true", "learning_rate": "0.05"}
    chosen = tuple((overrides | more.pop("overrides", {})).items())
    how = {"method": name, "data": data, "out": out, "recipe": "quick", "overrides": chosen}
    return Experiment(**(how | more))


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


@pytest.mark.parametrize("name", [TINY, "simcc_r18_tiny", "vitpose_tiny"])
def test_two_processes_reach_the_weights_of_one(eight, tmp_path, monkeypatch, name):
    """Seven people in steps of four and three: the halves are of unequal size too."""
    monkeypatch.setattr(trainer, "make_optimizer", plain_descent)
    more = {"overrides": {"batch_size": "3"}}
    train(experiment(eight, tmp_path / "one", name, **more))
    answers = on_ranks(2, lambda: train(experiment(eight, tmp_path / "two", name, **more)))
    assert answers[1] == {} and answers[0]["environment"]["processes"] == 2
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)
    begun = create_method(name, "smallpose21").state_dict()
    one, two = (read_weights(tmp_path / run).tensors for run in ("one", "two"))
    moved = 0.0
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, rtol=1e-3, atol=2e-5, msg=key)
        if tensor.is_floating_point():
            moved = max(moved, float((tensor - begun[key]).abs().max()))
    assert moved > 1e-3  # there was something to agree about


@pytest.mark.parametrize("name", [TINY, "dekr_hrnet_w8_tiny"])
def test_a_test_shared_by_two_is_the_test_of_one(eight, tmp_path, name):
    torch.manual_seed(0)
    more = {"overrides": {"epochs": "0"}}
    one = train(experiment(eight, tmp_path / "one", name, **more))
    two = on_ranks(2, lambda: train(experiment(eight, tmp_path / "two", name, **more)))[0]
    found = [json.loads((tmp_path / run / "found.json").read_text()) for run in ("one", "two")]
    assert [f["image_id"] for f in found[0]] == [f["image_id"] for f in found[1]]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a["keypoints"], b["keypoints"], atol=1e-3)
    assert one["evaluation"] == two["evaluation"] and one["B17"] == two["B17"]


def test_shards_are_merged_in_the_order_of_the_images(eight):
    people = read_coco(eight / "annotations" / "test.json")
    k, ids = len(people.skeleton), people.images.ids
    shards = [
        make_predictions(people.skeleton, np.repeat(ids[r::3], 2), np.zeros((2 * n, k, 3)), s)
        for r, n, s in ((0, 2, [1, 2, 7, 8]), (1, 1, [3, 4]), (2, 1, [5, 6]))
    ]
    both = merged(shards, people)
    assert both.image_ids.tolist() == np.repeat(ids, 2).tolist()
    assert both.scores.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_goes_wrong_in_one_process_is_raised_in_all(eight, tmp_path):
    def work() -> None:
        with launched() as ranks:

            def fail() -> int:
                if ranks.rank == 1:
                    raise InputError("picture 7", "cannot be read", "mend it")
                return 1

            ranks.gather(fail)

    answers = on_ranks(2, work)
    assert [str(a) for a in answers] == ["picture 7: cannot be read; mend it"] * 2


def test_more_processes_than_a_step_has_samples_are_refused(eight, tmp_path):
    more = {"overrides": {"batch_size": "1"}}
    for answer in on_ranks(2, lambda: train(experiment(eight, tmp_path / "run", **more))):
        assert "start fewer processes" in str(answer)


def test_a_signal_to_one_process_stops_both_and_they_go_on_as_if_undisturbed(
    eight, tmp_path, monkeypatch
):
    more = {"overrides": {"epochs": "4"}}
    on_ranks(2, lambda: train(experiment(eight, tmp_path / "whole", **more)))
    one_step = trainer.Trainer._one_step

    def stopping(self: trainer.Trainer, batch: Batch) -> float:
        if self.step == 4 and self.ranks.rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return one_step(self, batch)

    monkeypatch.setattr(trainer.Trainer, "_one_step", stopping)
    answers = on_ranks(2, lambda: train(experiment(eight, tmp_path / "cut", **more)))
    assert [a.exit_code for a in answers] == [143, 143]
    monkeypatch.undo()
    more["resume"] = True
    on_ranks(2, lambda: train(experiment(eight, tmp_path / "cut", **more)))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    one, two = (read_weights(tmp_path / run).tensors for run in ("cut", "whole"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_averaged_weights_are_the_same_network_in_all_processes(eight, tmp_path, monkeypatch):
    """Its norms' statistics too, or each would test its part of the images with another one."""
    tested = trainer.Trainer.tested
    seen: list[dict[str, np.ndarray]] = []

    @contextmanager
    def noted(self: trainer.Trainer) -> Iterator[Any]:
        with tested(self) as method:
            seen.append({k: t.numpy().copy() for k, t in method.state_dict().items()})
            yield method

    monkeypatch.setattr(trainer.Trainer, "tested", noted)

    def work() -> list[dict[str, np.ndarray]]:
        more = {"overrides": {"ema": "0.2,3", "sync_norm": "false"}}
        train(experiment(eight, tmp_path / "run", **more))
        return seen

    first, second = on_ranks(2, work)
    assert len(first) == len(second) == 1
    means = [k for k in first[0] if k.endswith("running_mean")]
    assert means and any(first[0][k].any() for k in means)
    for key, value in first[0].items():
        np.testing.assert_array_equal(value, second[0][key], key)


def test_unreadable_test_images_are_counted_over_all_processes(eight, tmp_path):
    data = tmp_path / "set"
    shutil.copytree(eight, data, symlinks=False)
    people = read_coco(data / "annotations" / "test.json")
    (data / "images" / people.images.file_names[1]).write_bytes(b"no picture")
    n = len(people.images)
    for allowed, good in ((1 / n, True), (0.9 / n, False)):
        more = {"overrides": {"epochs": "0"}, "most_bad": allowed}
        answers = on_ranks(
            2, lambda m=more, g=good: train(experiment(data, tmp_path / str(g), **m))
        )
        if good:  # it is all of what one process tests, and half of what the other does
            assert len(answers[0]["unreadable"]) == 1
        else:
            assert all(f"1 of {n} pictures cannot be read" in str(a) for a in answers)


def test_people_of_a_step_without_a_number_are_written_down_for_all_processes(
    eight, tmp_path, monkeypatch
):
    backward = trainer.Trainer._backward
    taken: dict[int, list[int]] = {}

    def planted(self: trainer.Trainer, batch: Batch) -> float:
        loss = backward(self, batch)
        if self.step != 1:
            return loss
        taken[self.ranks.rank] = self.feed.table.ids[batch.rows].tolist()
        return float("nan") if self.ranks.rank == 1 else loss

    monkeypatch.setattr(trainer.Trainer, "_backward", planted)

    def work() -> dict[int, list[int]]:
        train(experiment(eight, tmp_path / "run"))
        return taken

    first, second = on_ranks(2, work)
    lines = [json.loads(x) for x in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    (skipped,) = [line for line in lines if "skipped" in line]
    assert skipped["step"] == 2
    assert skipped["skipped"] == first[0] + second[1] and first[0] and second[1]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer"), True),
        (torch.distributed.DistBackendError("NCCL error"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("in a worker process:\nTraceback: ValueError"), False),
        (RuntimeError(""), False),
    ],
)
def test_only_what_tells_of_a_lost_process_is_called_one(error, lost):
    course = Course.__new__(Course)
    course.ranks = Ranks(1, 2)
    answer = course._left_alone(error)
    assert (answer is not error) == lost
    assert ("another process is gone" in str(answer)) == lost


def test_norms_over_two_processes_are_norms_over_all_their_images():
    torch.manual_seed(0)
    x = torch.randn(6, 5, 4, 3) * 3 + 7
    plain = nn.BatchNorm2d(5)
    wanted = plain(x.requires_grad_())
    (wanted**3).sum().backward()

    def work() -> tuple[np.ndarray, ...]:
        with launched("cpu") as ranks:
            torch.manual_seed(0)
            mine = slice(0, 2) if ranks.first else slice(2, 6)
            part = x[mine].detach().requires_grad_()
            norm = nn.Sequential(nn.BatchNorm2d(5))
            share_norms(norm, cuda=False)
            assert type(norm[0]) is SharedNorm
            y = norm(part)
            (y**3).sum().backward()
            found = (y, part.grad, norm[0].running_mean, norm[0].running_var)
            return tuple(t.detach().numpy() for t in found)

    first, second = on_ranks(2, work)
    for got, want in zip(
        (np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]), *first[2:]),
        (wanted, x.grad, plain.running_mean, plain.running_var),
        strict=True,
    ):
        np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", [n for n in METHODS if "tiny" in n and "w8" not in n and "rtmo" not in n]
)
def test_top_down_networks_leave_no_weight_without_a_gradient(name):
    """DDP waits for all of them, and is told to look for idle ones in whole-image methods only."""
    method = create_method(name)
    w, h = method.input_wh
    people = torch.rand(2, 17, 3) * 50
    people[..., 2] = 0  # not even where nobody is labelled
    LossOf(method.train(), False)(torch.zeros(2, h, w, 3, dtype=torch.uint8), people).backward()
    assert not [n for n, p in method.named_parameters() if p.grad is None]


def test_parts_of_a_step_add_up_to_its_gradient():
    """With norms held still, since their statistics are of each part."""
    for name in (TINY, "simcc_r18_tiny"):
        torch.manual_seed(0)
        method = create_method(name).eval()
        w, h = method.input_wh
        crops = torch.randint(0, 255, (5, h, w, 3), dtype=torch.uint8)
        people = torch.rand(5, 17, 3) * 60
        people[..., 2] = 2
        gradients = []
        for at_once in (0, 2):
            method.zero_grad()
            for some, theirs, share in in_parts(crops, people, at_once):
                weight = 1.0 if method.sums_people else share
                (LossOf(method, False)(some, theirs) * weight).backward()
            gradients.append([p.grad.clone() for p in method.parameters()])
        for whole, parts in zip(*gradients, strict=True):
            torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-6)


def test_full_images_are_parted_with_their_people(eight):
    from smallpose.dataloading.full_image.samples import People

    n = torch.tensor([0, 0, 2, 3, 3, 3])
    rows = torch.arange(6.0)
    people = People(n, rows[:, None, None], rows[:, None, None], rows, torch.zeros(4, 2, 2))
    parts = list(in_parts(torch.arange(4), people, 3))
    assert [p.tolist() for p, _, _ in parts] == [[0, 1], [2, 3]]
    assert [p.picture.tolist() for _, p, _ in parts] == [[0, 0], [0, 1, 1, 1]]
    assert [p.area.tolist() for _, p, _ in parts] == [[0, 1], [2, 3, 4, 5]]
    assert [share for _, _, share in parts] == [0.5, 0.5]


def test_alone_there_is_nobody_to_ask():
    ranks = Ranks()
    assert ranks.sum(1, 2.5) == [1, 2.5]
    assert ranks.gather(lambda: 3) == [3]


@pytest.mark.slow
def test_torchrun_survives_kill_9_of_a_process_and_resumes(eight, tmp_path):
    words = [TINY, "--data", str(eight), "--recipe", "quick", "--device", "cpu"]
    words += ["batch_size=4", "epochs=60"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "smallpose"]

    def run(out: str, *more: str) -> "subprocess.Popen[str]":
        command = [*launch, "train", *words, "--out", str(tmp_path / out), *more]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    cut = run("cut")
    log = tmp_path / "cut" / "log.jsonl"
    deadline = time.monotonic() + 200
    while not log.exists() or log.read_text().count("loss") < 20:
        assert time.monotonic() < deadline and cut.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{cut.pid}/task/{cut.pid}/children").read_text().split()
    workers = [int(c) for c in children if b"smallpose" in Path(f"/proc/{c}/cmdline").read_bytes()]
    os.kill(workers[-1], signal.SIGKILL)
    said = cut.communicate(timeout=200)[1]
    assert cut.returncode != 0, said
    resumed = run("cut", "--resume")
    said = resumed.communicate(timeout=400)[1]
    assert resumed.returncode == 0, said
    assert "resumed from step" in said or "nothing to resume" in said
    whole = run("whole")
    assert whole.wait(timeout=400) == 0
    whole.stderr.close()
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
