"""The whole line as a newcomer runs it, on the smallest world and with hardly any training."""

import json
import subprocess
import sys

import pytest

from smallpose.cli.main import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    command = [sys.executable, "-m", "smallpose", "demo", "--size", "tiny", "--epochs", "1"]
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out, done.stdout


@pytest.mark.slow
def test_the_demo_runs_every_station_and_names_the_page(demo):
    out, said = demo
    for verb in ("synth", "build", "stats", "train", "predict", "evaluate", "report"):
        assert f"$ smallpose {verb} " in said
    page = out / "report" / "index.html"
    assert page.is_file()
    assert said.rstrip().endswith(f"open {page}")


@pytest.mark.slow
def test_what_predict_and_evaluate_say_is_what_the_training_said(demo):
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
def test_the_demo_runs_again_over_itself_but_over_nothing_else(demo, capsys):
    out, _ = demo
    (out / "thesis.tex").write_text("precious")
    assert main(["demo", "--out", str(out)]) == 3
    assert "holds 'thesis.tex', which no demo made" in capsys.readouterr().err
    assert (out / "world").is_dir()
    (out / "thesis.tex").unlink()


def test_a_folder_of_ones_own_work_is_never_cleared(tmp_path, capsys):
    """Its names are the demo's, as in the README; only the mark tells them apart."""
    for name in ("world", "set", "A", "B", "report"):
        (tmp_path / name).mkdir()
    (tmp_path / "B" / "model.safetensors").write_bytes(b"days of training")
    assert main(["demo", "--out", str(tmp_path)]) == 3
    assert "holds 'A', which no demo made; name another folder" in capsys.readouterr().err
    assert (tmp_path / "B" / "model.safetensors").is_file()
