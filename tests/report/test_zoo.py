"""The page of checkpoints has what each run recorded, with intervals, and checks the files."""

import hashlib
import json
import shutil

import pytest

from smallpose.cli.main import main


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


def test_the_train_command_has_epochs_and_steps(runs, tmp_path):
    record = json.loads((runs[0] / "result.json").read_text())
    record["recipe"] |= {"epochs": 3, "steps": 70}
    (runs[0] / "result.json").write_text(json.dumps(record))
    assert main(["zoo", str(runs[0]), "--out", str(tmp_path / "zoo")]) == 0
    page = (tmp_path / "zoo" / "README.md").read_text()
    assert "--recipe quick --seed 0 epochs=3 steps=70\n" in page
