"""Weights that are finite but make the network overflow: an error, and no result file."""

import numpy as np
import pytest
import torch
from PIL import Image

from smallpose.cli.main import main
from smallpose.core.errors import RunError
from smallpose.methods import create_method
from smallpose.methods.base import Recipe
from smallpose.training.checkpoint import save_model

ALL = (
    "simple_baseline_r18_tiny",
    "hrnet_w16_tiny",
    "simcc_r18_tiny",
    "cal_hrnet_w16_tiny",
    "dekr_hrnet_w8_tiny",
    "cid_hrnet_w8_tiny",
    "rtmo_tiny",
    "hrformer_tiny",
    "vitpose_tiny",
    "rle_r18_tiny",
    "vitpose_rle_tiny",
)


def blow_up(method: torch.nn.Module) -> None:
    """Give the first layer weights that are finite and overflow float32 behind it."""
    with torch.no_grad():
        for parameter in method.parameters():
            if parameter.ndim > 1:
                parameter.fill_(1e30)


@pytest.mark.parametrize("name", ALL)
def test_outputs_that_are_not_finite_are_an_error(name):
    method = create_method(name, "coco17").eval()
    w, h = method.input_wh
    images = torch.full((1, 3, h, w), 100.0)
    with torch.inference_mode():
        method.run_network(images)
        blow_up(method)
        with pytest.raises(RunError, match="not finite"):
            method.run_network(images)


def test_predict_writes_nothing_when_poses_are_not_finite(tmp_path, capsys):
    method = create_method("simple_baseline_r18_tiny", "coco17")
    blow_up(method)
    save_model(method, tmp_path, Recipe())
    pixels = np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    out = tmp_path / "found.json"
    weights = str(tmp_path / "model.safetensors")
    command = ["predict", "simple_baseline_r18_tiny", "--weights", weights, str(tmp_path / "a.png")]
    assert main([*command, "--out", str(out)]) == 4
    assert "not finite" in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()
