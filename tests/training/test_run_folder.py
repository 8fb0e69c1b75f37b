"""The folder of a run: one run at a time writes it, and it resumes only with the same options."""

import json
import os
from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.io.coco_annotations import read_coco
from smallpose.system.lock import hold_lock
from smallpose.training import run_folder
from smallpose.training.run import TrainingConfig, train

TINY = "simple_baseline_r18_tiny"


def make_config(data: Path, out: Path, epochs: int = 6, **more: object) -> TrainingConfig:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return TrainingConfig(method=TINY, data=data, out=out, overrides=overrides, **more)


def test_a_folder_with_a_run_is_not_overwritten(eight, tmp_path):
    train(make_config(eight, tmp_path, 1))
    with pytest.raises(InputError, match="already holds a run"):
        train(make_config(eight, tmp_path, 1))


def test_a_run_is_not_resumed_with_other_options(eight, tmp_path):
    train(make_config(eight, tmp_path, 1))
    with pytest.raises(InputError, match="began with seed 0, this is 1"):
        train(make_config(eight, tmp_path, 1, seed=1, resume=True))
    with pytest.raises(InputError, match="began with batch_size 4, this is 2"):
        train(make_config(eight, tmp_path, 1, overrides=(("batch_size", "2"),), resume=True))


@pytest.mark.parametrize("key", ["subset", "cache", "derived"])
def test_a_run_is_not_resumed_without_what_it_began_with(eight, tmp_path, key):
    ids = read_coco(eight / "annotations" / "train.json").images.ids[:6].tolist()
    subset = {"subset": 1, "seed": 0, "people": 6, "images": ids}
    (tmp_path / "subset.json").write_text(json.dumps(subset))
    value = {"subset": tmp_path / "subset.json", "cache": tmp_path / "cache", "derived": True}[key]
    train(make_config(eight, tmp_path / "run", 1, **{key: value}))
    with pytest.raises(InputError, match=f"began with {key} .*, this is without"):
        train(make_config(eight, tmp_path / "run", 1, resume=True))
    train(make_config(eight, tmp_path / "plain", 1))
    with pytest.raises(InputError, match=f"began without {key}, this is "):
        train(make_config(eight, tmp_path / "plain", 1, resume=True, **{key: value}))


def test_a_finished_run_without_state_is_not_overwritten(eight, tmp_path):
    train(make_config(eight, tmp_path, 1))
    before = (tmp_path / "result.json").read_bytes()
    (tmp_path / "state.pt").unlink()
    for resume, what in ((False, "already holds a run"), (True, "has finished .* is gone")):
        with pytest.raises(InputError, match=what):
            train(make_config(eight, tmp_path, 2, resume=resume))
    assert (tmp_path / "result.json").read_bytes() == before


def test_two_runs_never_train_in_one_folder(eight, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "WAIT_S", 0.1)
    with (
        hold_lock(tmp_path / ".lock"),
        pytest.raises(InputError, match=f"locked by process {os.getpid()} since"),
    ):
        train(make_config(eight, tmp_path, 1))
    train(make_config(eight, tmp_path, 1))
    assert not (tmp_path / ".lock").exists()


def test_resuming_an_empty_folder_begins_at_step_0(eight, tmp_path, capsys):
    train(make_config(eight, tmp_path, 1, resume=True))
    assert "nothing to resume" in capsys.readouterr().err
