"""Signals: the first one saves, the second one ends the process, and nohup is respected."""

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from smallpose.training import signals
from smallpose.training.run import TrainingConfig, train
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"


def make_config(data: Path, out: Path, epochs: int = 3, **more: Any) -> TrainingConfig:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return TrainingConfig(method=TINY, data=data, out=out, overrides=overrides, **more)


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
