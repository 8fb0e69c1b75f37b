"""Graphs take any number of crops, and one that does not is refused before it is written."""

import re
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.errors import InputError, RunError
from smallpose.core.skeleton import COCO17
from smallpose.methods import create_method

pytest.importorskip("onnx", reason="needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

from smallpose.inference.onnx import free_axis
from smallpose.inference.onnx.export import export_onnx
from smallpose.inference.onnx.exported_method import ExportedGraphs

TUTORIAL = (Path(__file__).parents[3] / "docs" / "extend.md").read_text()
CODE = re.search(r'```python\n("""my_method.py.*?)```', TUTORIAL, re.DOTALL)[1]
FROZEN = (
    (".unflatten(1, (-1, 2))", ".view(len(images), -1, 2)", r"Reshape /method\S*/Reshape fails"),
    ("outputs[..., 0] * 0 + 1", "outputs.new_ones(outputs.shape[:2])", "2 rows for the output"),
)


def create(code, folder):
    (folder / "my_method.py").write_text(code)
    return create_method(f"{folder}/my_method.py:coffee", COCO17)


def test_the_tutorials_method_takes_any_number_of_crops(tmp_path):
    method = create(CODE, tmp_path)
    export_onnx(method, tmp_path / "ox")
    graphs = ExportedGraphs(tmp_path / "ox", ["network.onnx"])
    w, h = method.input_wh
    crops = np.random.default_rng(0).integers(0, 256, (5, h, w, 3), np.uint8)
    points, scores = graphs.run("network.onnx", crops)
    for count in (1, 3):
        some, some_scores = graphs.run("network.onnx", crops[:count])
        np.testing.assert_allclose(some, points[:count], atol=1e-3)
        assert some_scores.shape == scores[:count].shape


@pytest.mark.parametrize(("free", "fixed", "problem"), FROZEN)
@pytest.mark.parametrize("has_runtime", [True, False])
def test_a_fixed_number_is_refused_with_its_operation(
    free, fixed, problem, has_runtime, tmp_path, monkeypatch, capfd
):
    assert free in CODE
    if not has_runtime:
        monkeypatch.setattr(free_axis, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"my_method\.py:coffee: .*{problem}.*x\.unflatten"):
        export_onnx(create(CODE.replace(free, fixed), tmp_path), tmp_path / "ox")
    assert not (tmp_path / "ox").exists()
    assert capfd.readouterr().err == ""


def test_a_failure_of_the_runtime_is_one_line(tmp_path, capfd):
    export_onnx(create(CODE, tmp_path), tmp_path / "ox")
    graphs = ExportedGraphs(tmp_path / "ox", ["network.onnx"])
    with pytest.raises(RunError, match=r"network\.onnx: the runtime cannot compute .*; predict"):
        graphs.run("network.onnx", np.zeros((1, 3, 3, 3), np.uint8))
    (tmp_path / "ox" / "network.onnx").write_bytes(b"no graph")
    with pytest.raises(RunError, match="the runtime cannot compute"):
        ExportedGraphs(tmp_path / "ox", ["network.onnx"])
    assert capfd.readouterr().err == ""
