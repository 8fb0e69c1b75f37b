"""What a run survives: full disks, hostile files, missing images, repeated signals."""

import errno
import json
import os
import pickle
import resource
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.methods import create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.system.files import hash_file
from smallpose.training.run import TrainingConfig, train

STATE_TOO_LARGE = 3 << 20  # bytes: between the weights (1.5 MB) and the state (three times that)
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
    with pytest.raises(RunError, match=r"state.pt: no space left while writing; the previous file"):
        train(make_config(eight, tmp_path / "run"))
    monkeypatch.undo()
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["step"] == 1
    assert not list((tmp_path / "run").glob(".*.part"))
    train(make_config(eight, tmp_path / "run", resume=True))
    assert read_losses(tmp_path / "run") == read_losses(tmp_path / "full")


def train_on_a_small_disk(data: Path, out: Path, answers: Any) -> None:
    """Train with a limit on file sizes, which acts like a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (STATE_TOO_LARGE, STATE_TOO_LARGE))
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
    # The weights are smaller and were written before, complete and with their description.
    assert "the final weights are safe in" in str(error)
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["sha256"] == hash_file(tmp_path / "model.safetensors")
    assert card["trained_on"][0]["name"] == eight.name and card["input_wh"] == [64, 96]
    create_method(TINY, weights=tmp_path)


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


def test_the_number_of_workers_changes_nothing(eight, tmp_path):
    """Row 32."""
    one = train(make_config(eight, tmp_path / "0", workers=0))
    two = train(make_config(eight, tmp_path / "2", workers=2))
    assert read_losses(tmp_path / "0") == read_losses(tmp_path / "2")
    assert one["weights"] == two["weights"]


def test_a_run_limited_to_steps_goes_through_its_full_schedule(eight, tmp_path):
    result = train(make_config(eight, tmp_path, 100, overrides=(("steps", "5"),)))
    assert (result["steps"], result["epochs"]) == (5, 2.5)
    tensors = read_weights(tmp_path).tensors
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())
