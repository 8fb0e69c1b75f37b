"""What an export says about precision, where runtimes and people find it."""

import json

import pytest
import torch

from smallpose.inference.onnx.session import get_openvino_core
from smallpose.methods import create_method

pytest.importorskip("onnx", reason="needs the extra [onnx]")

import onnx

from smallpose.inference.onnx.export import export_onnx


@pytest.mark.parametrize("name", ["simcc_r18_tiny", "rtmo_tiny"])
def test_openvinos_hint_is_in_the_readme_the_description_and_every_graph(name, tmp_path):
    torch.manual_seed(0)
    files = export_onnx(create_method(name), tmp_path)
    assert tmp_path / "README.md" in files
    description = json.loads((tmp_path / "method.json").read_text())
    assert description["openvino"] == {"INFERENCE_PRECISION_HINT": "f32"}
    for graph in description["files"]:
        model = onnx.load(tmp_path / graph)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["openvino.INFERENCE_PRECISION_HINT"] == "f32"
        assert metadata["method"] == name and metadata["precision"] == "float32"
        onnx.checker.check_model(model)
        assert f"`{graph}`" in (tmp_path / "README.md").read_text()
    assert "{'INFERENCE_PRECISION_HINT': 'f32'}" in (tmp_path / "README.md").read_text()


def test_openvino_takes_the_hint_of_the_readme(tmp_path):
    pytest.importorskip("openvino", reason="needs the extra [openvino]")
    torch.manual_seed(0)
    export_onnx(create_method("simcc_r18_tiny"), tmp_path)
    hints = json.loads((tmp_path / "method.json").read_text())["openvino"]
    compiled = get_openvino_core().compile_model(tmp_path / "network.onnx", "CPU", hints)
    precision = compiled.get_property("INFERENCE_PRECISION_HINT")
    assert "f32" in str(precision) or "float32" in str(precision)
