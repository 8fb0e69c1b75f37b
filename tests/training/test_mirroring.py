"""Training mirrors images only where it knows left and right, and says what it assumes."""

import json
import shutil

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.skeleton import SMALLPOSE
from smallpose.methods import create_method

TINY = "simple_baseline_r18_tiny"


@pytest.fixture
def renamed(eight, tmp_path):
    """Return a function that copies the set with other names of its joints."""

    def rename(names):
        shutil.copytree(eight, tmp_path / "own")
        for path in (tmp_path / "own" / "annotations").iterdir():
            content = json.loads(path.read_text())
            content["categories"][0]["keypoints"] = names
            path.write_text(json.dumps(content))
        (tmp_path / "own" / "manifest.json").unlink(missing_ok=True)
        (tmp_path / "sigmas.json").write_text(json.dumps(SMALLPOSE.sigmas.tolist()))
        return tmp_path / "own"

    return rename


def train(data, *words):
    out = data.parent / f"run{len(list(data.parent.glob('run*')))}"
    call = ["train", TINY, "--data", data, "--out", out, "--sigmas", data.parent / "sigmas.json"]
    assert main([str(word) for word in (*call, "--recipe", "quick", "epochs=1", *words)]) == 0
    card = json.loads((out / "model.json").read_text())
    return card["recipe"]["augment"]["flip"], card["skeleton"].get("swap"), out


def test_numbered_joints_are_not_mirrored_until_pairs_are_declared(renamed, capfd):
    data = renamed([f"j{i}" for i in range(21)])
    flip, swap, out = train(data)
    assert (flip, swap) == (0, None)
    text = capfd.readouterr().err
    assert text.count("images are mirrored neither in training nor in tests: no left and") == 1
    assert "--swap left:right" in text and "flip test is left out" not in text
    flip, swap, out = train(data, "--swap", "j2:j3,j4:j5")
    assert (flip, swap) == (0.5, [[2, 3], [4, 5]])
    assert "mirrored" not in capfd.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", TINY, "--data", str(data), "--out", str(out), "--swap", "j2"])
    assert "is not a list of pairs of joints; write it as in" in capfd.readouterr().err


def test_joints_without_a_side_are_named_once_for_weights(renamed, capfd):
    data = renamed([*SMALLPOSE.joints[:-2], "near_ankle", "far_ankle"])
    flip, _, out = train(data)
    assert flip == 0.5
    text = capfd.readouterr().err
    assert text.count("these joints stay in place") == 1 and ": near_ankle, far_ankle; " in text
    image = np.zeros((64, 48, 3), dtype=np.uint8)
    method = create_method(TINY, weights=out)
    method.predict(image, np.array([[0.0, 0, 40, 60]]), flip_test=True)
    assert "stay in place" not in capfd.readouterr().err  # these weights have said it
    assert train(data, "--swap", "none")[0] == 0.5
    assert "stay in place" not in capfd.readouterr().err
