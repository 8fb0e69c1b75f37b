"""What a run survives: full disks, hostile files, missing images, repeated signals."""

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
from smallpose.training.nonfinite_guard import DUMP, WITHIN, NonfiniteGuard, TrainingDiverged
from smallpose.training.recipe_overrides import choose_recipe, compare_recipes
from smallpose.training.run import TrainingConfig, train
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"


def make_config(data: Path, out: Path, epochs: int = 3, **more: Any) -> TrainingConfig:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return TrainingConfig(method=TINY, data=data, out=out, overrides=overrides, **more)


def read_losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_resumes(eight, tmp_path, monkeypatch):
    """Row 3: the disk fills while the second checkpoint is written."""
    train(make_config(eight, tmp_path / "full"))
    monkeypatch.setattr("smallpose.training.loop.CHECKPOINT_EVERY_S", 0.0)
    sync = os.fsync
    calls = []

    def fail_second_write(handle: int) -> None:
        if ".state.pt." in Path(f"/proc/self/fd/{handle}").readlink().name:
            calls.append(handle)
            if len(calls) > 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fail_second_write)
    with pytest.raises(
        RunError, match=r"state.pt: no space left while writing; the previous file"
    ):
        train(make_config(eight, tmp_path / "run"))
    monkeypatch.undo()
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["step"] == 1
    assert not list((tmp_path / "run").glob(".*.part"))
    train(make_config(eight, tmp_path / "run", resume=True))
    assert read_losses(tmp_path / "run") == read_losses(tmp_path / "full")


def train_on_a_small_disk(data: Path, out: Path, answers: Any) -> None:
    """Train with a limit on file sizes, which acts like a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        train(make_config(data, out))
    except BaseException as error:
        answers.put(error)


def test_a_disk_that_fills_within_a_checkpoint_is_reported(eight, tmp_path):
    """Torch's writer hides the reason, unlike fsync in the test above."""
    context = get_context("fork")
    answers = context.Queue()
    process = context.Process(target=train_on_a_small_disk, args=(eight, tmp_path, answers))
    process.start()
    error = answers.get(timeout=120)
    process.join()
    assert isinstance(error, RunError) and "state.pt: no space left while writing" in str(error)
    assert not list(tmp_path.glob(".*.part"))


def test_a_missing_image_is_listed_once_and_the_limit_stops_the_run(eight, tmp_path):
    """Row 15."""
    data = tmp_path / "set"
    (data / "images").mkdir(parents=True)
    (data / "annotations").symlink_to(eight / "annotations")
    (data / "images" / "resumed").symlink_to(eight / "images" / "resumed")
    (data / "images" / "coco").mkdir()
    for image in sorted((eight / "images" / "coco").iterdir())[1:]:
        (data / "images" / "coco" / image.name).write_bytes(image.read_bytes())
    with pytest.raises(InputError, match=r"1 of 4 images cannot be read, more than 0.1%"):
        train(make_config(data, tmp_path / "strict"))


class Marker:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_state_that_would_run_code_is_refused_and_does_not_run_it(eight, tmp_path):
    """Row 22, for the file that --resume reads."""
    marker = tmp_path / "was here"
    (tmp_path / "run").mkdir()
    torch.save({"step": 1, "method": Marker(marker)}, tmp_path / "run" / "state.pt")
    with pytest.raises(RefusedError, match="reading it would run code"):
        train(make_config(eight, tmp_path / "run", resume=True))
    assert not marker.exists()
    (tmp_path / "run" / "state.pt").write_bytes(pickle.dumps(Marker(marker)))
    with pytest.raises((RefusedError, InputError)):
        train(make_config(eight, tmp_path / "run", resume=True))
    assert not marker.exists()


def train_with_slow_steps(data: Path, out: Path) -> None:
    run_step = Trainer._run_step

    def run_slow_step(self: Trainer, batch: Any) -> float:
        loss = run_step(self, batch)
        (out / "stepping").touch()
        time.sleep(30)
        return loss

    Trainer._run_step = run_slow_step
    train(make_config(data, out, 50))


def test_a_second_signal_ends_the_process_at_once(eight, tmp_path):
    """Row 30: the current step would take half a minute."""
    process = get_context("fork").Process(target=train_with_slow_steps, args=(eight, tmp_path))
    process.start()
    deadline = time.monotonic() + 120
    while not (tmp_path / "stepping").exists():
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGTERM)  # as when a parent forwards what its group received
    time.sleep(signals.ECHO_S)
    assert process.is_alive()  # only recorded
    started_at = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    process.join(25)
    assert process.exitcode == -signal.SIGTERM and time.monotonic() - started_at < 20


def test_the_number_of_workers_changes_nothing(eight, tmp_path):
    """Row 32."""
    one = train(make_config(eight, tmp_path / "0", workers=0))
    two = train(make_config(eight, tmp_path / "2", workers=2))
    assert read_losses(tmp_path / "0") == read_losses(tmp_path / "2")
    assert one["weights"] == two["weights"]


def test_rare_nonfinite_steps_never_stop_a_run_and_six_close_ones_do(tmp_path):
    """Row 24: days of training survive a bad label that comes once per epoch."""
    guard = NonfiniteGuard(tmp_path)
    batch = SimpleNamespace(crops=torch.zeros(2, 4, 4, 3), keypoints=torch.ones(2, 3, 3))
    for n in range(50):
        guard.count_skipped(n * WITHIN // 5, float("nan"), [1, 2], batch)
    assert guard.num_skipped == 50
    with pytest.raises(
        TrainingDiverged, match=r"6 of the last 100 steps, this one with annotations 1, 2"
    ):
        guard.count_skipped(49 * WITHIN // 5 + 1, float("nan"), [1, 2], batch)
    from safetensors.torch import load_file

    dumped = load_file(tmp_path / DUMP)
    assert dumped["ids"].tolist() == [1, 2]
    assert torch.equal(dumped["keypoints"], batch.keypoints)


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


def test_a_run_limited_to_steps_goes_through_its_full_schedule(eight, tmp_path):
    result = train(make_config(eight, tmp_path, 100, overrides=(("steps", "5"),)))
    assert (result["steps"], result["epochs"]) == (5, 2.5)
    tensors = read_weights(tmp_path).tensors
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())


def test_epochs_in_a_recipe_scale_with_their_number():
    _, recipe = choose_recipe(create_method("rtmo_tiny"), "mmpose", (("epochs", "60"),))
    assert (recipe.second_stage, recipe.warm_epochs, recipe.augment.closing) == (28, 0.5, 2)
    assert [epoch for epoch, _ in recipe.cosine] == [0.5, 28, 28, 28.1, 58, 60]
    method = create_method(TINY)
    assert choose_recipe(method, "paper", (("epochs", "21"),))[1].decay_at == (17, 20)
    overrides = (("epochs", "21"), ("decay_at", "3,4"))
    assert choose_recipe(method, "paper", overrides)[1].decay_at == (3, 4)


def test_compared_recipes_give_the_fields_that_differ():
    recipes = create_method("hrnet_w16_tiny").recipes
    table = compare_recipes({name: recipes[name] for name in ("paper", "mmpose")})
    assert table == {
        "learning_rate": {"paper": 5e-6, "mmpose": 5e-4},
        "batch_size": {"paper": 64, "mmpose": 512},
    }


def test_loggers_receive_the_numbers_of_the_log(eight, tmp_path, monkeypatch):
    logged: list[tuple[dict[str, float], int]] = []
    run = SimpleNamespace(log=lambda numbers, step: logged.append((numbers, step)))
    init_calls: list[dict[str, Any]] = []
    fake = SimpleNamespace(init=lambda **options: (init_calls.append(options), run)[1])
    monkeypatch.setattr(loggers.importlib, "import_module", lambda name: fake)
    train(make_config(eight, tmp_path, 1, wandb="small people"))
    assert init_calls[0]["project"] == "small people"
    assert init_calls[0]["config"]["method"] == TINY
    assert [step for _, step in logged] == [1, 2]
    assert [numbers["loss"] for numbers, _ in logged] == read_losses(tmp_path)


@pytest.mark.parametrize("flag", ["tensorboard", "wandb"])
def test_loggers_that_are_not_installed_are_named(tmp_path, monkeypatch, flag):
    for name in ("torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=rf"--{flag}: {flag} is not installed; pip install"):
        if flag == "wandb":
            loggers.create_wandb_logger("p", "n", {}, tmp_path)
        else:
            loggers.create_tensorboard_logger(tmp_path)


def test_a_hang_up_asks_to_stop_unless_nohup_ignores_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with signals.StopSignals() as stop_signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop_signals.received == signal.SIGHUP
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert signal.SIGHUP not in signals.list_stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)
