"""`predict` records the run, so that a score on the images of its training is told as such."""

import json

from smallpose.cli.main import main


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_run_that_is_scored_on_its_training_images_is_doubted(eight, tmp_path, capsys):
    options = ("--data", eight, "--recipe", "quick", "steps=1", "batch_size=2")
    assert run("train", "simple_baseline_r18_tiny", *options, "--out", tmp_path / "run") == 0
    labels, results = eight / "annotations" / "train.json", tmp_path / "results.json"
    words = ("--data", labels, "--images", eight / "images", "--out", results)
    assert run("predict", tmp_path / "run", *words) == 0
    record = json.loads((tmp_path / "results.environment.json").read_text())
    assert record["run"]["folder"] == "run"
    capsys.readouterr()
    assert run("evaluate", labels, results) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "4 of 4 images with people are among those that" in text
    assert "so AP is too high for new images" in text
