"""--resume knows the options of its run, and a run can be lengthened."""

import json
from pathlib import Path

import pytest
import torch

from smallpose.catalog.run_options import complete_options, read_run_options, write_run_options
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.methods import create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.system.image_limits import MAX_IMAGE_PIXELS, get_max_pixels
from smallpose.system.link_roots import list_link_roots
from smallpose.training.checkpoint import save_model
from smallpose.training.run import TrainingConfig, train

TINY = "simple_baseline_r18_tiny"


def run_train(*words: object) -> int:
    return main(["train", *map(str, words)])


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def finished(eight, tmp_path_factory) -> Path:
    """A finished run of 4 steps with options that differ from their defaults."""
    out = tmp_path_factory.mktemp("resume") / "run"
    words = ("--data", eight, "--out", out, "--seed", 3, "--setting", "A", "--workers", 1)
    assert run_train(TINY, *words, "--recipe", "quick", "batch_size=2", "steps=4") == 0
    return out


def copy_run(source: Path, out: Path) -> Path:
    out.mkdir()
    for file in source.iterdir():
        if file.is_file():
            (out / file.name).write_bytes(file.read_bytes())
    return out


def test_resume_without_options_continues_with_those_of_the_run(finished, tmp_path, capsys):
    for words in (
        ("--out", copy_run(finished, tmp_path / "a"), "--resume"),
        (copy_run(finished, tmp_path / "b"), "--resume"),
        (TINY, "--out", copy_run(finished, tmp_path / "c"), "--resume"),
    ):
        before = read_json(finished / "result.json")
        assert run_train(*words) == 0, capsys.readouterr().err
        assert "resumed from step 4" in capsys.readouterr().err
        out = next(Path(word) for word in words if Path(str(word)).is_dir())
        after = read_json(out / "result.json")
        assert after["weights"] == before["weights"] and after["recipe"] == before["recipe"]
        assert (after["seed"], after["setting"], after["steps"]) == (3, "A", 4)


def test_what_contradicts_the_run_is_refused(finished, tmp_path, capsys):
    out = copy_run(finished, tmp_path / "run")
    for words, what in (
        (("--seed", 0), "began with seed 3, this is 0; leave the option out"),
        (("--setting", "B"), "began with setting A, this is B"),
        (("batch_size=4",), "began with batch_size 2, this is 4"),
        (("steps=3",), "began with steps 4, this is 3; a run can only get longer"),
        (("steps=6", "batch_size=4"), "began with batch_size 2, this is 4"),
        (("steps=6", "augment.rotate_deg=1"), "began with augment"),
    ):
        assert run_train("--out", out, "--resume", *words) == 2
        assert what in capsys.readouterr().err
    assert (out / "state.pt").read_bytes() == (finished / "state.pt").read_bytes()


def test_a_longer_run_goes_on_at_the_rate_of_the_longer_schedule(finished, eight, tmp_path, capsys):
    out = copy_run(finished, tmp_path / "run")
    assert run_train("--out", out, "--resume", "steps=8") == 0
    assert "lengthened from 4 to 8 steps" in capsys.readouterr().err
    result = read_json(out / "result.json")
    assert (result["steps"], result["recipe"]["steps"]) == (8, 8)
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps) and steps[-1] == 8
    # The rate of the last step is that of a run of 8 steps from the beginning.
    rates = [get_rate(out)]
    words = ("--data", eight, "--seed", 3, "--setting", "A", "--recipe", "quick", "batch_size=2")
    assert run_train(TINY, *words, "--out", tmp_path / "whole", "steps=8") == 0
    rates.append(get_rate(tmp_path / "whole"))
    assert rates[0] == rates[1] > 0
    assert read_run_options(out)["overrides"] == {"batch_size": "2", "steps": "8"}
    # Interrupted or not, it resumes without options again.
    assert run_train("--out", out, "--resume") == 0
    assert "lengthened" not in capsys.readouterr().err


def test_what_a_run_was_allowed_to_read_is_kept_and_not_allowed_again(finished, tmp_path, capsys):
    """A run's folder may come from others, who would open the whole disk by it."""
    out = copy_run(finished, tmp_path / "run")
    allowed = ("--link-root", tmp_path / "photos", "--max-pixels", 90_000_000)
    assert run_train("--out", out, "--resume", *allowed) == 0
    assert "began with" not in capsys.readouterr().err
    kept = read_run_options(out)
    assert (kept["link_root"], kept["max_pixels"]) == ((str(tmp_path / "photos"),), 90_000_000)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "smallpose.training.run.train",
            lambda config: seen.append((list_link_roots(with_sources=False), get_max_pixels())),
        )
        assert run_train("--out", out, "--resume") == 0
    assert seen == [((), MAX_IMAGE_PIXELS)]
    words = f"--link-root {tmp_path / 'photos'} --max-pixels 90000000"
    assert (
        f"{out}: the run began with {words}, which its folder cannot allow, because it may come "
        f"from others; if images are refused and you trust them, add {words}\n"
    ) in capsys.readouterr().err
    assert run_train("--out", out, "--resume") == 0
    assert read_run_options(out) == kept


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.parametrize("place", ["run/evil.py", "evil.py"])
def test_code_that_a_run_names_is_not_run_unless_it_was_there_at_the_beginning(
    place, is_recorded, finished, tmp_path, capsys, monkeypatch
):
    """A run of others could bring its own code, and was executed by --resume."""
    monkeypatch.chdir(tmp_path)
    out = copy_run(finished, tmp_path / "run")
    Path(place).write_text("raise SystemExit('was run')")
    options = read_json(out / "options.json") | {"method": f"{place}:coffee"}
    code = str((tmp_path / place).resolve()) if is_recorded else "/other/evil.py"
    (out / "options.json").write_text(json.dumps(options | {"code": code}))
    if is_recorded and place == "evil.py":  # the user's own, as the path of this machine tells
        with pytest.raises(SystemExit, match="was run"):
            run_train("run", "--resume")
        assert "run: the method is loaded from evil.py:coffee\n" in capsys.readouterr().err
        return
    assert run_train("run", "--resume") == 2
    assert capsys.readouterr().err == (
        f"--resume run: its method is in {place}, which may have come with it or has moved; if you "
        "trust the file, name it: smallpose train FILE.py:coffee --out run --resume\n"
    )
    with pytest.raises(SystemExit, match="was run"):
        run_train(f"{place}:coffee", "--out", "run", "--resume")


def test_the_file_of_weights_is_trusted_by_the_user_alone(finished, tmp_path):
    out = copy_run(finished, tmp_path / "run")
    trusting = read_json(out / "options.json") | {"trust": True}
    (out / "options.json").write_text(json.dumps(trusting))
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smallpose.training.run.train", lambda config: seen.append(config.trust))
        assert run_train("--out", out, "--resume") == 0
        assert run_train("--out", out, "--resume", "--i-trust-this-file") == 0
    assert seen == [False, True]
    assert run_train("--out", out, "--resume") == 0
    assert read_run_options(out)["trust"] is True  # for the page


def get_rate(run: Path) -> float:
    state = torch.load(run / "state.pt", weights_only=True)
    return state["optimizer"]["param_groups"][0]["lr"]


def test_epochs_lengthen_a_run_whose_decays_move_along(eight, tmp_path):
    make = lambda **more: TrainingConfig(  # noqa: E731
        method=TINY, data=eight, out=tmp_path, recipe="paper", **more
    )
    train(make(overrides={"epochs": "1", "batch_size": "8"}))
    result = train(make(overrides={"epochs": "2", "batch_size": "8"}, resume=True))
    assert (result["steps"], result["recipe"]["epochs"]) == (2, 2)
    with pytest.raises(InputError, match="began with epochs 2, this is 1"):
        train(make(overrides={"epochs": "1", "batch_size": "8"}, resume=True))


def test_decays_that_were_given_for_a_shorter_run_are_told_in_the_longer_one(
    eight, tmp_path, capsys
):
    words = ("--out", tmp_path / "run", "--workers", 1)
    chosen = ("batch_size=8", "epochs=3", "decay_at=.5")
    assert (
        run_train(TINY, "--data", eight, *words, "--recipe", "quick", "schedule=steps", *chosen)
        == 0
    )
    assert "in the first fifth" not in capsys.readouterr().err
    assert run_train(*words, "--resume", "epochs=4") == 0
    assert (
        "the learning rate falls to a tenth at epoch 0.5 of 4 (decay_at), in the first fifth of "
        "the training; add decay_at=3.2,3.8, or decay_at=0.5 if it is meant so"
    ) in capsys.readouterr().err


def test_a_resumed_run_remembers_the_sets_of_its_initial_weights(eight, finished, tmp_path):
    weights = tmp_path / "weights"
    copy_run(finished, weights)
    options = {"method": TINY, "data": eight, "out": tmp_path / "run", "setting": "A"}
    overrides = {"steps": "1", "batch_size": "2"}
    train(TrainingConfig(**options, weights=str(weights), overrides=overrides))
    first = read_json(tmp_path / "run" / "model.json")["trained_on"]
    assert len(first) == 2
    for file in weights.iterdir():
        file.unlink()  # they are not needed any more
    assert run_train("--out", tmp_path / "run", "--resume", "steps=2") == 0
    assert read_json(tmp_path / "run" / "model.json")["trained_on"] == first


def test_options_survive_the_file_and_missing_ones_have_their_defaults(tmp_path):
    given = {"method": "m", "data": tmp_path, "swap": (("a", "b"),), "seed": 2, "overrides": ()}
    complete = complete_options(given, {})
    write_run_options(tmp_path, complete)
    stored = read_run_options(tmp_path)
    assert complete_options({}, stored) == complete
    assert complete_options({"seed": 0, "overrides": (("steps", "3"),)}, stored) == {
        **complete,
        "seed": 0,
        "overrides": (("steps", "3"),),
    }
    assert read_run_options(tmp_path / "none") == {}


def test_resume_without_a_run_asks_for_what_is_missing(tmp_path, capsys):
    assert run_train("--out", tmp_path / "new", "--resume") == 2
    assert "no such run; check the path, or begin the run with METHOD" in capsys.readouterr().err
    assert run_train(TINY, "--out", tmp_path / "new", "--resume") == 2
    assert "--data SET is missing" in capsys.readouterr().err


def test_weights_of_another_input_size_are_refused_and_trained_on_with_a_note(tmp_path, capsys):
    method = create_method(TINY)
    method.input_wh = (96, 128)
    save_model(method, tmp_path, method.recipes["quick"])
    with pytest.raises(InputError, match=r"trained at 96 × 128 px, and .* takes 64 × 96"):
        create_method(TINY, weights=tmp_path)
    weights = read_weights(tmp_path / "model.safetensors")
    weights.load_into(create_method(TINY), partial=True)
    assert "trained at 96 × 128 px" in capsys.readouterr().err
