"""The published graphs compute in onnxruntime what TensorFlow.js 4.22.0 computes."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from smallpose.core.errors import SmallposeError
from smallpose.external import EXTERNAL
from smallpose.external.package_weights import find_weights
from smallpose.external.tfjs import TfjsNetwork

REFERENCE = json.loads((Path(__file__).parent / "tfjs_reference.json").read_text())


def draw_pixels(side: int):
    """Draw the pixels of `record_reference.js`: Park and Miller's generator, seed 1."""
    pixels = np.empty(side * side * 3, np.float32)
    state = 1
    for index in range(len(pixels)):
        state = state * 16807 % 2147483647
        pixels[index] = state % 256
    return pixels.reshape(1, side, side, 3)


@pytest.mark.parametrize("name", REFERENCE)
def test_a_published_graph_equals_tensorflow_js(name):
    try:
        path = find_weights(EXTERNAL[name].weights)
    except SmallposeError as error:
        pytest.skip(f"no weights of {name}: {error}")
    pixels = draw_pixels(REFERENCE[name]["side"])
    if EXTERNAL[name].normalisation == "RGB, x / 127.5 - 1":
        pixels = pixels / np.float32(127.5) - np.float32(1)
    outputs = TfjsNetwork(path, dynamic_size=name == "posenet").run(pixels)
    expected = REFERENCE[name]["outputs"]
    assert {output.removesuffix(":0") for output in expected} == set(outputs)
    for output, record in expected.items():
        values = outputs[output.removesuffix(":0")]
        assert list(values.shape) == record["shape"]
        sampled = values.reshape(-1)[:: record["step"]]
        np.testing.assert_allclose(sampled, record["values"], atol=1e-3)
