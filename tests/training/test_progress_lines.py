"""Without a terminal a training prints a few lines, however many epochs it has."""

import pytest

from smallpose.training import progress
from smallpose.training.progress import TrainingProgressBar


def train(epochs, steps_per_epoch=7):
    bar = TrainingProgressBar("method B", 0, epochs * steps_per_epoch, steps_per_epoch)
    for step in range(1, epochs * steps_per_epoch + 1):
        bar.update(step, loss=0.5, per_s=10.0)


@pytest.mark.parametrize(("epochs", "num_lines"), [(1, 1), (9, 9), (10, 10), (34, 9), (210, 10)])
def test_a_log_gets_ten_lines_at_most_and_always_the_last(epochs, num_lines, capsys):
    """The recipe `own` has 34 epochs for 60 samples, each of which had its line."""
    train(epochs)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == num_lines
    assert lines[-1].startswith(f"method B: epoch {epochs}/{epochs}, loss 0.5, ")


def test_a_long_training_gets_a_line_every_ten_minutes(capsys, monkeypatch):
    clock = iter(range(0, 10**9, 30))  # 30 s a look at the clock
    monkeypatch.setattr(progress, "time", type("Clock", (), {"monotonic": lambda: next(clock)}))
    train(100, steps_per_epoch=10)
    num_lines = len(capsys.readouterr().err.splitlines())
    assert 40 < num_lines <= 100
