"""What a run outlives: full disks, hostile files, pictures that are gone, impatient people."""

import errno
import json
import os
import pickle
import resource
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.methods import create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training import loggers, signals
from smallpose.training.ema import MovingAverage
from smallpose.training.nonfinite_guard import DUMP, WITHIN, Exploded, Guard
from smallpose.training.recipe_overrides import choose_recipe, differences
from smallpose.training.run import Experiment, train
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"


def experiment(data: Path, out: Path, epochs: int = 3, **more: Any) -> Experiment:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return Experiment(method=TINY, data=data, out=out, overrides=overrides, **more)


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on(eight, tmp_path, monkeypatch):
    """Row 3: the disk fills while the second checkpoint is written."""
    train(experiment(eight, tmp_path / "whole"))
    monkeypatch.setattr("smallpose.training.loop.CHECKPOINT_EVERY_S", 0.0)
    sync, calls = os.fsync, []

    def filling(handle: int) -> None:
        if ".state.pt." in Path(f"/proc/self/fd/{handle}").readlink().name:
            calls.append(handle)
            if len(calls) > 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(RunError, match=r"state.pt: no space left while writing; the previous file"):
        train(experiment(eight, tmp_path / "run"))
    monkeypatch.undo()
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["step"] == 1
    assert not list((tmp_path / "run").glob(".*.part"))
    train(experiment(eight, tmp_path / "run", resume=True))
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def on_a_small_disk(data: Path, out: Path, answers: Any) -> None:
    """A limit of the process stops its files where a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        train(experiment(data, out))
    except BaseException as error:
        answers.put(error)


def test_a_disk_that_fills_within_a_checkpoint_is_named(eight, tmp_path):
    """Torch's own writer hides the reason, which fsync in the test above does not."""
    context = get_context("fork")
    answers = context.Queue()
    process = context.Process(target=on_a_small_disk, args=(eight, tmp_path, answers))
    process.start()
    error = answers.get(timeout=120)
    process.join()
    assert isinstance(error, RunError) and "state.pt: no space left while writing" in str(error)
    assert not list(tmp_path.glob(".*.part"))


def test_a_image_that_is_gone_is_listed_once_and_the_limit_stops_the_run(eight, tmp_path):
    """Row 15."""
    data = tmp_path / "set"
    (data / "images").mkdir(parents=True)
    (data / "annotations").symlink_to(eight / "annotations")
    (data / "images" / "again").symlink_to(eight / "images" / "again")
    (data / "images" / "coco").mkdir()
    for picture in sorted((eight / "images" / "coco").iterdir())[1:]:
        (data / "images" / "coco" / picture.name).write_bytes(picture.read_bytes())
    with pytest.raises(InputError, match=r"1 of 4 pictures cannot be read, more than 0.1%"):
        train(experiment(data, tmp_path / "strict"))


class Marker:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_state_that_would_run_code_is_refused_and_does_not(eight, tmp_path):
    """Row 22, for the file that --resume reads."""
    marker = tmp_path / "was here"
    (tmp_path / "run").mkdir()
    torch.save({"step": 1, "method": Marker(marker)}, tmp_path / "run" / "state.pt")
    with pytest.raises(RefusedError, match="needs code execution"):
        train(experiment(eight, tmp_path / "run", resume=True))
    assert not marker.exists()
    (tmp_path / "run" / "state.pt").write_bytes(pickle.dumps(Marker(marker)))
    with pytest.raises((RefusedError, InputError)):
        train(experiment(eight, tmp_path / "run", resume=True))
    assert not marker.exists()


def slow_steps(data: Path, out: Path) -> None:
    one_step = Trainer._one_step

    def slowly(self: Trainer, batch: Any) -> float:
        loss = one_step(self, batch)
        (out / "stepping").touch()
        time.sleep(30)
        return loss

    Trainer._one_step = slowly
    train(experiment(data, out, 50))


def test_a_second_signal_ends_the_process_at_once(eight, tmp_path):
    """Row 30: the step in hand would take half a minute."""
    process = get_context("fork").Process(target=slow_steps, args=(eight, tmp_path))
    process.start()
    deadline = time.monotonic() + 120
    while not (tmp_path / "stepping").exists():
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGTERM)  # as a parent passes on what its group was sent
    time.sleep(signals.ECHO_S)
    assert process.is_alive()  # noted only
    at = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    process.join(25)
    assert process.exitcode == -signal.SIGTERM and time.monotonic() - at < 20


def test_the_number_of_workers_changes_nothing(eight, tmp_path):
    """Row 32."""
    one = train(experiment(eight, tmp_path / "0", jobs=0))
    two = train(experiment(eight, tmp_path / "2", jobs=2))
    assert losses(tmp_path / "0") == losses(tmp_path / "2")
    assert one["weights"] == two["weights"]


def test_single_bad_steps_far_apart_never_stop_a_run_and_six_together_do(tmp_path):
    """Row 24: days of training outlive a bad label that comes once an epoch."""
    guard = Guard(tmp_path)
    batch = SimpleNamespace(crops=torch.zeros(2, 4, 4, 3), keypoints=torch.ones(2, 3, 3))
    for n in range(50):
        guard.count(n * WITHIN // 5, float("nan"), [1, 2], batch)
    assert guard.skipped == 50
    with pytest.raises(Exploded, match=r"6 of the last 100 steps, this one with annotations 1, 2"):
        guard.count(49 * WITHIN // 5 + 1, float("nan"), [1, 2], batch)
    from safetensors.torch import load_file

    left = load_file(tmp_path / DUMP)
    assert left["ids"].tolist() == [1, 2]
    assert torch.equal(left["keypoints"], batch.keypoints)


def test_averaged_weights_are_tested_kept_and_resumed(eight, tmp_path, monkeypatch):
    ema = {"overrides": (("ema", "0.2,3"),)}
    whole = train(experiment(eight, tmp_path / "whole", 4, **ema))
    plain = train(experiment(eight, tmp_path / "plain", 4))
    assert losses(tmp_path / "whole") == losses(tmp_path / "plain")
    assert whole["weights"]["sha256"] != plain["weights"]["sha256"]
    one_step = Trainer._one_step

    def stopping(self: Trainer, batch: Any) -> float:
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return one_step(self, batch)

    monkeypatch.setattr(Trainer, "_one_step", stopping)
    with pytest.raises(Exception, match="interrupted at step 5"):
        train(experiment(eight, tmp_path / "cut", 4, **ema))
    monkeypatch.undo()
    again = train(experiment(eight, tmp_path / "cut", 4, resume=True, **ema))
    assert again["weights"] == whole["weights"]


def test_the_average_follows_as_mmengines_does():
    layer = torch.nn.Linear(1, 1, bias=False)
    average = MovingAverage(layer, 0.1, 5.0)
    with torch.no_grad():
        layer.weight.fill_(0.0)
        average.held["weight"].fill_(1.0)
    want = 1.0
    for step in range(4):
        average.follow(layer, step)
        want *= 1 - (0.9 * np.exp(-(1 + step) / 5.0) + 0.1)
    assert float(average.held["weight"]) == pytest.approx(want, rel=1e-5)
    with average.in_place(layer):
        assert layer.weight.item() == pytest.approx(want, rel=1e-5)
    assert layer.weight.item() == 0.0


def test_a_run_of_so_many_steps_goes_through_its_whole_schedule(eight, tmp_path):
    result = train(experiment(eight, tmp_path, 100, overrides=(("steps", "5"),)))
    assert (result["steps"], result["epochs"]) == (5, 2.5)
    tensors = read_weights(tmp_path).tensors
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())


def test_epochs_named_in_a_recipe_move_with_their_number():
    _, recipe = choose_recipe(create_method("rtmo_tiny"), "mmpose", (("epochs", "60"),))
    assert (recipe.second_stage, recipe.warm_epochs, recipe.augment.closing) == (28, 0.5, 2)
    assert [epoch for epoch, _ in recipe.cosine] == [0.5, 28, 28, 28.1, 58, 60]
    method = create_method(TINY)
    assert choose_recipe(method, "paper", (("epochs", "21"),))[1].decay_at == (17, 20)
    given = (("epochs", "21"), ("decay_at", "3,4"))
    assert choose_recipe(method, "paper", given)[1].decay_at == (3, 4)


def test_recipes_say_how_they_differ():
    recipes = create_method("hrnet_w16_tiny").recipes
    table = differences({name: recipes[name] for name in ("paper", "mmpose")})
    assert table == {
        "learning_rate": {"paper": 5e-6, "mmpose": 5e-4},
        "batch_size": {"paper": 64, "mmpose": 512},
    }


def test_boards_are_told_the_numbers_of_the_log(eight, tmp_path, monkeypatch):
    shown: list[tuple[dict[str, float], int]] = []
    run = SimpleNamespace(log=lambda numbers, step: shown.append((numbers, step)))
    begun: list[dict[str, Any]] = []
    fake = SimpleNamespace(init=lambda **how: (begun.append(how), run)[1])
    monkeypatch.setattr(loggers.importlib, "import_module", lambda name: fake)
    train(experiment(eight, tmp_path, 1, wandb="small people"))
    assert begun[0]["project"] == "small people" and begun[0]["config"]["method"] == TINY
    assert [step for _, step in shown] == [1, 2]
    assert [numbers["loss"] for numbers, _ in shown] == losses(tmp_path)


@pytest.mark.parametrize("flag", ["tensorboard", "wandb"])
def test_boards_that_are_not_installed_are_named(tmp_path, monkeypatch, flag):
    for name in ("torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=rf"--{flag}: {flag} is not installed; pip install"):
        if flag == "wandb":
            loggers.wandb("p", "n", {}, tmp_path)
        else:
            loggers.tensorboard(tmp_path)


def test_a_terminal_that_hangs_up_is_a_wish_to_stop_unless_nohup_has_seen_to_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with signals.Signals() as listening:
            os.kill(os.getpid(), signal.SIGHUP)
            assert listening.received == signal.SIGHUP
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert signal.SIGHUP not in signals.stopping()
    finally:
        signal.signal(signal.SIGHUP, before)
