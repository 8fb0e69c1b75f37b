"""Runs whose batches a thread prepares are those without, also interrupted, resumed or failing."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from smallpose.core.errors import InputError
from smallpose.training.run import Interrupted, TrainingConfig, train
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"


def make_config(data: Path, out: Path, prefetch: int | None, **more: Any) -> TrainingConfig:
    overrides = {"epochs": "3", "batch_size": "3", "validate_every": "2"} | more.pop("fields", {})
    return TrainingConfig(
        data=data, out=out, prefetch=prefetch, overrides=overrides, **{"method": TINY} | more
    )


def read_losses(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", [TINY, "rtmo_tiny"])
def test_a_run_is_bit_equal_with_and_without_a_thread(eight, tmp_path, method):
    fields = {"batch_size": "3"} if method == TINY else {"batch_size": "2", "epochs": "2"}
    results = []
    for prefetch in (0, 1, 4):
        out = tmp_path / str(prefetch)
        results.append(train(make_config(eight, out, prefetch, method=method, fields=fields)))
        assert results[-1]["environment"]["prefetch"] == prefetch
        assert read_losses(out) == read_losses(tmp_path / "0")
    assert results[0]["weights"] == results[1]["weights"] == results[2]["weights"]


def test_an_interrupted_run_resumes_bit_equal_with_any_number(eight, tmp_path, monkeypatch):
    full = train(make_config(eight, tmp_path / "full", 0))
    backward = Trainer._backward

    def interrupt(self: Trainer, batch: Any) -> float:
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return backward(self, batch)

    monkeypatch.setattr(Trainer, "_backward", interrupt)
    with pytest.raises(Interrupted, match="interrupted at step 5 of 9"):
        train(make_config(eight, tmp_path / "cut", 2))
    monkeypatch.undo()
    result = train(make_config(eight, tmp_path / "cut", 1, resume=True))
    assert result["weights"] == full["weights"]
    assert read_losses(tmp_path / "cut") == read_losses(tmp_path / "full")


def test_images_beyond_the_last_step_are_not_read(stick_set, tmp_path):
    """Results name unreadable images; those must not depend on what was prepared ahead."""
    data = stick_set(train=(12, 1), test=(1, 1))
    for file in sorted((data / "images" / "coco").glob("1_*.png"))[3:9]:
        file.write_bytes(b"<html>")
    results = []
    for prefetch in (0, 4):
        config = make_config(
            data,
            tmp_path / str(prefetch),
            prefetch,
            fields={"batch_size": "2", "steps": "2"},
            max_unreadable=0.9,
        )
        results.append(train(config))
    assert results[0]["unreadable"] == results[1]["unreadable"]
    assert results[0]["weights"] == results[1]["weights"]


def test_too_many_unreadable_images_end_the_run_at_the_same_step(stick_set, tmp_path):
    data = stick_set(train=(12, 1), test=(1, 1))
    for file in sorted((data / "images" / "coco").glob("1_*.png"))[3:6]:
        file.write_bytes(b"<html>")
    messages = []
    for prefetch in (0, 4):
        config = make_config(
            data, tmp_path / str(prefetch), prefetch, fields={"batch_size": "1"}, max_unreadable=0.2
        )
        with pytest.raises(InputError, match="of 12 images cannot be read") as raised:
            train(config)
        messages.append(str(raised.value))
        assert read_losses(tmp_path / str(prefetch)) == read_losses(tmp_path / "0")
    assert messages[0] == messages[1]


def test_a_thread_beside_workers_is_refused(eight, tmp_path):
    with pytest.raises(InputError, match=r"--prefetch 2: is for a thread .*; leave one of the two"):
        train(make_config(eight, tmp_path, 2, workers=1))
