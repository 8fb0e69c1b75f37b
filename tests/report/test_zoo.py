"""The page of checkpoints has what each run recorded, with intervals, and checks the files."""

import hashlib
import json
import shutil

import pytest

from smallpose.catalog.run_options import DEFAULTS, write_run_options
from smallpose.cli.main import main

TINY = "simple_baseline_r18_tiny"


@pytest.fixture
def runs(project, tmp_path):
    """Copy runs and give them weights."""
    folders = []
    for name in ("A", "B"):
        folder = shutil.copytree(project.runs[name], tmp_path / name)
        (folder / "model.safetensors").write_bytes(name.encode())
        result = json.loads((folder / "result.json").read_text())
        result["weights"]["sha256"] = hashlib.sha256(name.encode()).hexdigest()
        (folder / "result.json").write_text(json.dumps(result))
        folders.append(folder)
    return folders


def test_every_run_has_its_recipe_hash_metrics_and_environment(runs, tmp_path):
    assert main(["zoo", *map(str, runs), "--out", str(tmp_path / "zoo")]) == 0
    page = (tmp_path / "zoo" / "README.md").read_text()
    entries = json.loads((tmp_path / "zoo" / "zoo.json").read_text())
    assert [e["name"] for e in entries] == ["A", "B"]
    for entry in entries:
        assert entry["weights"]["sha256"] == hashlib.sha256(entry["name"].encode()).hexdigest()
        assert f"SHA-256 `{entry['weights']['sha256']}`" in page
        assert entry["recipe"]["learning_rate"] == 0.001
        assert entry["environment"]["device"] == "<cpu>"
        assert "learning_rate `0.001`" in page
        assert "augment.flip `0.5`" in page
        ap = entry["metrics"]["AP"]
        assert ap["interval"][0] <= ap["value"] <= ap["interval"][1]
        assert f"{ap['value']:.1f} ({ap['interval'][0]:.1f}–{ap['interval'][1]:.1f})" in page


def test_the_zoo_has_the_training_sets_that_weights_declare(runs, tmp_path):
    declared = [{"name": "COCO train2017"}, {"name": "own set", "labels_sha256": "ab" * 32}]
    (runs[0] / "model.json").write_text(json.dumps({"trained_on": declared}))
    (runs[1] / "model.json").write_text(json.dumps({"format": 1}))
    assert main(["zoo", *map(str, runs), "--out", str(tmp_path / "zoo")]) == 0
    entries = json.loads((tmp_path / "zoo" / "zoo.json").read_text())
    assert [e["trained_on"] for e in entries] == [declared, None]
    page = (tmp_path / "zoo" / "README.md").read_text()
    assert "trained on: name `COCO train2017`; name `own set`" in page
    assert "trained on: not declared" in page  # and never that it has seen nothing


def test_changed_weights_are_refused(runs, tmp_path, capsys):
    (runs[0] / "model.safetensors").write_bytes(b"changed")
    assert main(["zoo", str(runs[0]), "--out", str(tmp_path / "zoo")]) == 2
    assert "not the file this run wrote" in capsys.readouterr().err
    assert not (tmp_path / "zoo").exists()


def write_page(folder, tmp_path):
    assert main(["zoo", str(folder), "--out", str(tmp_path / "zoo")]) == 0
    return (tmp_path / "zoo" / "README.md").read_text()


def test_the_train_command_is_that_of_the_run_with_the_options_it_has_kept(runs, tmp_path):
    """Weights, interpolation, targets and most overrides were left out: another network."""
    changed = {"data": "/machine/own", "sigmas": "/machine/s.json", "recipe": "own", "adapt": True}
    changed |= {"weights": "/machine/runs/demo", "heatmap_targets": "unbiased", "zoom": 2}
    changed |= {"overrides": (("learning_rate", "0.001"), ("augment.coarse", "0.3"))}
    write_run_options(runs[0], {**DEFAULTS, "method": TINY, **changed})
    page = write_page(runs[0], tmp_path)
    assert (
        f"\nsmallpose train {TINY} learning_rate=0.001 augment.coarse=0.3 --data SET --sigmas "
        "SIGMAS.json --recipe own --weights WEIGHTS --adapt --zoom 2 --heatmap-targets unbiased "
        "--out RUN\n"
    ) in page
    assert "- `WEIGHTS`: the initial weights, `demo` in this run\n" in page
    assert "machine" not in page


def test_a_method_of_ones_own_is_named_with_its_file(runs, tmp_path):
    write_run_options(runs[0], {**DEFAULTS, "overrides": (), "method": "mine/my_method.py:coffee"})
    page = write_page(runs[0], tmp_path)
    assert "smallpose predict my_method.py:coffee --weights model.safetensors " in page
    assert "smallpose train my_method.py:coffee --out RUN\n" in page
    assert "- `my_method.py`: the file of the method" in page
    (runs[0] / "options.json").unlink()
    record = json.loads((runs[0] / "result.json").read_text())
    (runs[0] / "result.json").write_text(json.dumps(record | {"method": "coffee"}))
    assert "smallpose predict FILE.py:coffee --weights " in write_page(runs[0], tmp_path)


def test_no_train_command_is_printed_for_a_run_without_its_options(runs, tmp_path):
    page = write_page(runs[0], tmp_path)
    assert "the command of the training cannot be told: the run has no `options.json`" in page
    assert "smallpose train" not in page
    assert "smallpose predict" in page
