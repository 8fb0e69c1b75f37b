"""`smallpose weights train`: a method without published weights predicts with those made here."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smallpose.catalog.trained_weights import (
    get_trained_folder,
    has_trained_weights,
    take_trained_weights,
)
from smallpose.cli import train_weights as command
from smallpose.cli.main import main
from smallpose.cli.train_weights import train_weights
from smallpose.core.errors import RunError
from smallpose.external import create_model
from smallpose.methods import create_method
from smallpose.synthetic.plan import SIZES
from smallpose.training.checkpoint import save_model

NAME = "rtmo_tiny"
FEW_STEPS = ("steps=2", "batch_size=2", "augment.scale_range=0.3,0.3", "test_side=128")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of its own."""
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put_weights(folder):
    method = create_method(NAME)
    folder.mkdir(parents=True)
    save_model(method, folder, method.recipes["quick"])


@pytest.fixture
def small_synthetic(monkeypatch):
    """Draw fewer people than `tiny` has, in half of the time; this process knows their number."""
    monkeypatch.setitem(SIZES, "tiny", replace(SIZES["tiny"], stills=20, frames=5, plates=1))
    run_verb = command.run_verb

    def run(verb, *words, **options):
        if verb == "synth":
            assert main([verb, *map(str, words), "--workers", "1"]) == 0
        else:
            run_verb(verb, *words, **options)

    monkeypatch.setattr(command, "run_verb", run)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_executable", "small_synthetic", "kept_backgrounds")
def test_weights_trained_on_synthetic_people_are_found_by_predict_without_naming_them(
    cache, tmp_path, capsys
):
    folder = train_weights(NAME, size="tiny", overrides=FEW_STEPS)
    assert folder == cache / "trained" / NAME
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "model.json",
        "source.json",
    }
    source = json.loads((folder / "source.json").read_text())
    assert source["steps"] == 2 and "no real people" in source["data"]
    assert "Apache-2.0" in source["licence"] and set(source["test"]) == {
        "AP",
        "AP_S",
        "AP_M",
        "AP_L",
    }
    capsys.readouterr()
    photos = Path(__file__).parents[2] / "docs" / "screens"
    out = tmp_path / "found.json"
    assert main(["predict", NAME, str(photos / "leaderboard.png"), "--out", str(out)]) == 0
    assert "trained on synthetic people alone" in capsys.readouterr().err
    assert out.exists()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert main(["weights", "train", NAME]) == 0  # it is there, so nothing is trained
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert main(["weights", "get", NAME]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder)


def test_an_interrupted_step_is_repeated_and_finished_ones_are_not(cache, monkeypatch):
    calls = []
    fails_at = "build"

    def run(verb, *words, one_thread=True):
        calls.append(verb)
        assert one_thread == (verb != "train")
        if verb == fails_at:
            raise RunError("smallpose build", "ended with exit code 3", "read its error above")
        if verb == "train":
            run = Path(words[words.index("--out") + 1])
            put_weights(run)
            scores = {"coco": dict.fromkeys(("AP", "AP_S", "AP_M", "AP_L"), 0.5)}
            content = {"steps": 1, "weights": {"sha256": "0"}}
            content["evaluation"] = {"protocols": scores}
            (run / "result.json").write_text(json.dumps(content))
            assert "--resume" in words

    monkeypatch.setattr(command, "run_verb", run)
    with pytest.raises(RunError, match="smallpose build"):
        train_weights(NAME)
    assert not has_trained_weights(NAME)
    fails_at = ""
    train_weights(NAME)
    assert calls == ["synth", "build", "build", "train"]
    assert has_trained_weights(NAME) and not (cache / "trained" / NAME / "work").exists()


def test_a_model_without_weights_takes_those_trained_here_and_says_what_they_saw(capsys):
    assert take_trained_weights(NAME, None) is None
    assert take_trained_weights("hrnet_w32", None) is None
    folder = get_trained_folder(NAME)
    put_weights(folder)
    assert take_trained_weights(NAME, "other.pth") == "other.pth"
    assert capsys.readouterr().err == ""
    trained = create_model(NAME)
    assert "synthetic people alone" in capsys.readouterr().err
    expected = create_method(NAME, weights=folder)
    same = trained.state_dict()
    assert all(bool((same[key] == value).all()) for key, value in expected.state_dict().items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "names no method; name one of rtmo_tiny"),
        (["train", "hrnet_w32"], "name rtmo_tiny, or train on a set of your own"),
        (["train", NAME, "--package", "x"], "is for the weights of a published model; leave it"),
        (["get", NAME], "are published nowhere; 'smallpose weights train rtmo_tiny' trains it"),
    ],
)
def test_a_wrong_call_says_what_to_type(words, message, capsys):
    assert main(["weights", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
