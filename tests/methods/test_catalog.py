"""The catalogue of methods says what the networks are, and listing it needs no PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import smallpose
from smallpose.catalog.methods import FILE, read_catalog
from smallpose.methods import METHODS
from smallpose.methods.describe import describe_method

PATH = Path(smallpose.__file__).parent / "catalog" / FILE


def test_the_catalogue_is_what_the_networks_are(without_initial_weights, request):
    described = {name: describe_method(create) for name, create in METHODS.items()}
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    if request.config.getoption("--golden"):
        PATH.write_text(text)
    assert text == PATH.read_text(), "run: make golden"


def test_counts_are_of_the_joints_that_are_named():
    facts = read_catalog()["simple_baseline_r50"]
    # A 1 × 1 convolution of 256 channels with a bias for each joint.
    assert facts["parameters"] - facts["parameters_coco17"] == 4 * 257
    assert facts["parameters_coco17"] == 33_999_697  # MMPose's checkpoint has as many


def test_methods_are_listed_without_torch_and_say_their_joints():
    code = (
        "import sys; from smallpose.cli.main import main; main(['methods']); "
        "sys.exit('torch' in sys.modules or 'smallpose.methods' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "M parameters for the 21 joints" in text
    assert "rtmo_tiny: CSPDarknet at a quarter of its width" in text
    assert "in the paper: A 43.2 AP, 32.4 AP_S; B 68.2 AP, 65.9 AP_S" in text
