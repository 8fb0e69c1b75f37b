"""Exports in float16 and with int8 weights are smaller, run, and decode in float32."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

import onnx
import onnxruntime
from tests.inference.onnx.test_export import create_with_peaks, make_image

from smallpose.inference.onnx.export import export_onnx


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    method = create_with_peaks("simcc_r18_tiny")
    folder = tmp_path_factory.mktemp("precision")
    for precision in ("float32", "float16", "int8"):
        export_onnx(method, folder / precision, precision=precision)
    return folder


def list_weight_types(folder):
    model = onnx.load(folder / "network.onnx")
    return {i.data_type for i in model.graph.initializer if np.prod(i.dims) > 1000}


def test_the_weights_have_the_precision_and_the_file_its_size(folders):
    types = onnx.TensorProto
    assert list_weight_types(folders / "float16") == {types.FLOAT16}
    assert types.UINT8 in list_weight_types(folders / "int8")
    sizes = {p.name: (p / "network.onnx").stat().st_size for p in folders.iterdir()}
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["int8"] < 0.5 * sizes["float32"]


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 0.01), ("int8", 0.3)])
def test_inputs_and_outputs_stay_and_scores_are_near(precision, tolerance, folders):
    crops = np.stack([make_image(96, 64), make_image(96, 64)[::-1]])
    results = {}
    for name in ("float32", precision):
        session = onnxruntime.InferenceSession(str(folders / name / "network.onnx"))
        assert session.get_inputs()[0].type == "tensor(uint8)"
        results[name] = session.run(None, {"crops": crops})
        assert all(column.dtype == np.float32 for column in results[name])
    scores = results["float32"][1]
    distance = np.abs(results[precision][1] - scores)
    assert np.median(distance) < tolerance * np.abs(scores).max()
    assert distance.any()  # another precision was computed
    metadata = onnx.load(folders / precision / "network.onnx").metadata_props
    assert {one.key: one.value for one in metadata}["precision"] == precision


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("rtmo_tiny", "float16"),
        ("vitpose_tiny", "int8"),
        pytest.param("rtmo_tiny", "int8", marks=pytest.mark.long),
        pytest.param("vitpose_tiny", "float16", marks=pytest.mark.long),
    ],
)
def test_onnxruntime_runs_the_files_of_other_networks(name, precision, tmp_path):
    layout = "rtmlib" if name == "rtmo_tiny" else "own"
    method = create_with_peaks(name)
    export_onnx(method, tmp_path, layout=layout, precision=precision)
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"))
    (images,) = session.get_inputs()
    w, h = method.input_wh
    values = np.zeros((1, h, w, 3), np.uint8)
    if layout == "rtmlib":
        values = np.zeros((1, 3, h, w), np.float32)
    assert all(np.isfinite(column).all() for column in session.run(None, {images.name: values}))
