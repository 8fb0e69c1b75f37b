"""`smallpose predict --tile auto`, and the warning of people below what a model resolved."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.training.checkpoint import save_model

NUMBER = {"value": 0.5, "low": 0.4, "high": 0.6}
CURVE = {
    "models": {
        "rtmo_tiny": {
            "clean": {
                "heights": [
                    {"px": 256, "people": 9, "AP": NUMBER, "OKS": NUMBER, "found": NUMBER}
                    | {"PCK": NUMBER}
                ],
                "half_ap_px": {"value": 10_000.0, "low": None, "high": None},
            }
        }
    }
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    torch.manual_seed(0)
    method = create_method("rtmo_tiny")
    save_model(method, folder / "run", method.recipes["quick"])
    (folder / "photos").mkdir()
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    cv2.imwrite(str(folder / "photos" / "a.png"), image)
    return folder


def run_predict(*words) -> int:
    return main(["predict", *map(str, words)])


def test_tiles_are_chosen_and_printed(files, tmp_path, capsys):
    base = (files / "run", files / "photos", "--out", tmp_path / "o.json", "--tile", "auto")
    assert run_predict(*base, "--smallest", 48) == 0
    assert "640 × 480 px: " in capsys.readouterr().err
    assert run_predict(*base, "--smallest", 400) == 0
    message = capsys.readouterr().err
    assert "640 × 480 px: no tiles, so 1 view; people of 400 px are" in message
    assert run_predict(*base[:4], "--smallest", 48) == 2
    assert "--tile auto" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_predict(*base[:4], "--tile", "some")
    assert "use 0 or more, or auto" in capsys.readouterr().err


def test_people_below_what_the_model_resolved_are_counted(files, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(files / "run", run)
    (run / "curve.json").write_text(json.dumps(CURVE))
    words = (files / "photos", "--out", tmp_path / "o.json", "--score-above", 0)
    assert run_predict(run, *words) == 0
    num_people = len(json.loads((tmp_path / "o.json").read_text()))
    expected = f"warning: {num_people:,} of {num_people:,} people predicted are less than 10000 px"
    assert num_people and expected in capsys.readouterr().err
    assert run_predict(files / "run", *words) == 0
    assert "warning" not in capsys.readouterr().err
    assert run_predict(files / "run", *words, "--curve", run / "curve.json") == 0
    assert expected in capsys.readouterr().err
    assert run_predict(files / "run", *words, "--curve", tmp_path / "none.json") == 2
