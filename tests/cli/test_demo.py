"""The whole pipeline as a newcomer runs it, on the smallest data and with hardly any training."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from smallpose.cli.main import VERBS, main
from smallpose.synthetic.plan import SIZES

ROOT = Path(__file__).parents[2]
VERBS_WITH_FILES = [v for group in VERBS.values() for v in group if v != "demo"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory, warm_python):
    """The folder of a demo, where the examples of the help texts expect it, and its output.

    Its processes are forks with their imports, which take half of the time of so small a demo.
    """
    out = tmp_path_factory.mktemp("demo") / "runs" / "demo"
    command = [str(warm_python), "-m", "smallpose", "demo", "--size", "tiny", "--epochs", "1"]
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out, done.stdout


@pytest.mark.slow
def test_the_demo_runs_every_step_of_the_pipeline_and_names_the_page(demo):
    out, output = demo
    for verb in ("synth", "build", "stats", "train", "predict", "evaluate", "report"):
        assert f"$ smallpose {verb} " in output
    assert output.startswith("The steps of the demo:\n  1. synth ")
    assert re.search(r"step 7 of 7, about (\d+ min )?\d+ s left\n\$ smallpose report ", output)
    page = out / "report" / "index.html"
    assert page.is_file()
    assert output.rstrip().endswith(f"open {page}")


@pytest.mark.slow
def test_the_demo_ends_with_photographs_that_it_does_not_count(demo):
    out, output = demo
    counted, _, last = output.partition("The whole pipeline took ")
    assert "movenet" not in counted
    drawn = list((out / "photos" / "drawn").glob("*.jpg"))
    lines = [line for line in last.splitlines() if "predict movenet" in line or "drawn" in line]
    assert lines and (drawn or "MoveNet did not run" in last or "pip install" in last)


@pytest.mark.slow
def test_predict_and_evaluate_give_the_numbers_of_the_training(demo):
    out, _ = demo
    trained = json.loads((out / "B" / "result.json").read_text())["evaluation"]
    scored = json.loads((out / "score_B.json").read_text())
    assert scored["protocols"]["coco"] == trained["protocols"]["coco"]
    assert scored["people"] == trained["people"]


@pytest.mark.slow
def test_setting_a_is_scored_on_the_17_and_b_on_the_21(demo):
    out, _ = demo
    for setting, keypoints in (("A", 17), ("B", 21)):
        result = json.loads((out / setting / "result.json").read_text())
        assert result["setting"] == setting
        assert len(result["evaluation"]["settings"]["sigmas"]) == keypoints


@pytest.mark.slow
@pytest.mark.usefixtures(
    "unrendered_figures", "warm_executable", "few_placed_people", "kept_backgrounds"
)
@pytest.mark.parametrize("verb", VERBS_WITH_FILES)
def test_the_example_in_the_help_of_a_verb_runs_when_pasted(
    verb, demo, tmp_path, monkeypatch, capsys
):
    """As it is, but for the length of trainings and simulations; its output fits 80 columns.

    The demo itself renders figures and draws a synthetic set of full size.
    """
    out, _ = demo
    monkeypatch.setitem(SIZES, "tiny", replace(SIZES["tiny"], stills=20, frames=5, plates=1))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(out)
    monkeypatch.chdir(tmp_path)
    example = import_module(f"smallpose.cli.{verb}").EXAMPLE.replace("\\\n", " ")
    for line in example.splitlines():
        # A shell expands the patterns of files.
        expand = f"printf '%s\\0' {line}"
        words = subprocess.run(
            ["bash", "-c", expand], capture_output=True, check=True, text=True
        ).stdout.split("\0")[:-1]
        assert words[0] == "smallpose"
        if words[1] == "train":
            words += ["steps=2"]
        if words[1] == "benchmark":
            words += ["--steps", "2", "--settings", "B", "--methods", "simple_baseline_r18_tiny"]
        assert main(words[1:]) == 0, line
    printed = capsys.readouterr().out.splitlines()
    # Paths and addresses stay whole.
    assert [line for line in printed if len(line) > 80 and " " in line.strip()] == []


@pytest.mark.slow
def test_the_demo_replaces_its_own_folder_but_no_other_file(demo, tmp_path, capsys):
    out = tmp_path / "demo"
    shutil.copytree(demo[0], out, symlinks=True)
    (out / "thesis.tex").write_text("precious")
    assert main(["demo", "--out", str(out)]) == 3
    assert "contains 'thesis.tex', which no demo wrote" in capsys.readouterr().err
    assert (out / "synthetic").is_dir()


def test_a_folder_without_the_marker_of_a_demo_is_never_cleared(tmp_path, capsys):
    """Its names are the demo's, as in the README; only the marker tells them apart."""
    for name in ("synthetic", "set", "A", "B", "report"):
        (tmp_path / name).mkdir()
    (tmp_path / "B" / "model.safetensors").write_bytes(b"days of training")
    assert main(["demo", "--out", str(tmp_path)]) == 3
    assert "contains 'A', which no demo wrote; give another folder" in capsys.readouterr().err
    assert (tmp_path / "B" / "model.safetensors").is_file()


def list_keys(value):
    """Return every key of nested JSON values."""
    if isinstance(value, dict):
        return set(value).union(*(list_keys(v) for v in value.values()))
    if isinstance(value, list):
        return set().union(*(list_keys(v) for v in value))
    return set()


@pytest.mark.slow
def test_every_json_key_of_the_demo_is_documented_in_outputs(demo, tmp_path):
    """But for keys that are names: of files, sources, methods, joints, metrics, recipe fields."""
    out, _ = demo
    truth, predictions = out / "set" / "annotations" / "test.json", out / "predictions_B.json"
    breakdowns = "source,crowding,joint,visibility,density,height,image,"
    breakdowns += "densities,failures,calibration,curves"
    for words in (
        ["evaluate", truth, predictions, "--intervals", "20", "--diagnose"],
        ["compare", truth, out / "untrained" / "found.json", predictions, "--intervals", "20"],
        ["stats", truth, "--out", tmp_path / "stats"],
        ["audit", out / "set"],
        ["methods"],
        ["claims", out / "A", out / "B"],
    ):
        more = []
        if words[0] == "evaluate":
            more = ["--breakdown", breakdowns, "--measure", "angle:left_elbow", "--video"]
        assert main([str(w) for w in [*words, *more, "--json", tmp_path / f"{words[0]}.json"]]) == 0
    assert main(["zoo", str(out / "B"), "--out", str(tmp_path)]) == 0
    files = [*tmp_path.glob("*.json"), *out.glob("*.json"), *(out / "set").glob("*.json")]
    files += [*(out / "B").glob("*.json"), *(out / "set" / "annotations").glob("*.json")]
    files = [file for file in files if file.name != "croissant.json"]  # Croissant's own keys
    keys = set().union(*(list_keys(json.loads(file.read_text())) for file in files))
    recipe = json.loads((out / "B" / "result.json").read_text())["recipe"]
    methods = json.loads((tmp_path / "methods.json").read_text())
    names = list_keys(recipe) | set(methods)
    names |= set().union(*(list_keys(m["recipes"]) for m in methods.values()))
    documented = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "outputs.md").read_text()))
    is_name = re.compile(
        r"A[PR](50|75)?(_[SML])?(_\w+)?|.*[/.–].*|test|train|A|B|untrained|predictions_B"
    )
    missing = {k for k in keys - names - documented if not is_name.fullmatch(k)}
    assert not missing, sorted(missing)
