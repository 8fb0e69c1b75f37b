"""A run's folder: written by one process at a time, gone on with only as what it began as."""

import json
import os
from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.io.coco_annotations import read_coco
from smallpose.system.lock import locked
from smallpose.training import run_folder
from smallpose.training.run import Experiment, train

TINY = "simple_baseline_r18_tiny"


def experiment(data: Path, out: Path, epochs: int = 6, **more: object) -> Experiment:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return Experiment(method=TINY, data=data, out=out, overrides=overrides, **more)


def test_a_folder_with_a_run_is_not_overwritten(eight, tmp_path):
    train(experiment(eight, tmp_path, 1))
    with pytest.raises(InputError, match="holds a run already"):
        train(experiment(eight, tmp_path, 1))


def test_a_run_is_not_resumed_with_other_options(eight, tmp_path):
    train(experiment(eight, tmp_path, 1))
    with pytest.raises(InputError, match="began with seed 0, this is 1"):
        train(experiment(eight, tmp_path, 1, seed=1, resume=True))
    with pytest.raises(InputError, match="began with batch_size 4, this is 2"):
        train(experiment(eight, tmp_path, 1, overrides=(("batch_size", "2"),), resume=True))


@pytest.mark.parametrize("key", ["subset", "cache", "derived"])
def test_a_run_is_not_resumed_without_what_it_began_with(eight, tmp_path, key):
    ids = read_coco(eight / "annotations" / "train.json").images.ids[:6].tolist()
    asked = {"subset": 1, "seed": 0, "people": 6, "images": ids}
    (tmp_path / "subset.json").write_text(json.dumps(asked))
    value = {"subset": tmp_path / "subset.json", "cache": tmp_path / "cache", "derived": True}[key]
    train(experiment(eight, tmp_path / "run", 1, **{key: value}))
    with pytest.raises(InputError, match=f"began with {key} .*, this is without"):
        train(experiment(eight, tmp_path / "run", 1, resume=True))
    train(experiment(eight, tmp_path / "plain", 1))
    with pytest.raises(InputError, match=f"began without {key}, this is "):
        train(experiment(eight, tmp_path / "plain", 1, resume=True, **{key: value}))


def test_a_run_that_has_ended_is_not_written_over_when_its_state_is_gone(eight, tmp_path):
    train(experiment(eight, tmp_path, 1))
    kept = (tmp_path / "result.json").read_bytes()
    (tmp_path / "state.pt").unlink()
    for resume, what in ((False, "holds a run already"), (True, "has ended .* is gone")):
        with pytest.raises(InputError, match=what):
            train(experiment(eight, tmp_path, 2, resume=resume))
    assert (tmp_path / "result.json").read_bytes() == kept


def test_two_never_train_in_one_folder(eight, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "WAIT_S", 0.1)
    with (
        locked(tmp_path / ".lock"),
        pytest.raises(InputError, match=f"locked by process {os.getpid()} since"),
    ):
        train(experiment(eight, tmp_path, 1))
    train(experiment(eight, tmp_path, 1))
    assert not (tmp_path / ".lock").exists()


def test_resuming_where_nothing_is_begins(eight, tmp_path, capsys):
    train(experiment(eight, tmp_path, 1, resume=True))
    assert "nothing to resume" in capsys.readouterr().err
