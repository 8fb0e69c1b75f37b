"""TensorFlow.js graphs are read: attributes, numbers in halves of 32 bits, and nodes in order."""

import base64
import json

import numpy as np
import pytest

pytest.importorskip("onnx")

from smallpose.core.errors import InputError
from smallpose.external.tfjs import read_graph

WEIGHTS = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)


HALVES = WEIGHTS.astype("<f2").tobytes()


def write_model(folder, weights=HALVES):
    """Write y = x + w with the nodes in the wrong order and the numbers in two files."""
    shape = {"shape": {"dim": [{"size": "1"}, {"size": "2"}]}}
    nodes = [
        {
            "name": "y",
            "op": "AddV2",
            "input": ["x", "w:0", "^x"],
            "attr": {"T": {"type": "DT_FLOAT"}},
        },
        {"name": "w", "op": "Const"},
        {
            "name": "x",
            "op": "Placeholder",
            "attr": {
                "shape": shape,
                "dtype": {"type": "DT_FLOAT"},
                "mode": {"s": base64.b64encode(b"SAME").decode()},
                "strides": {"list": {"i": ["1", "2"]}},
                "none": {"list": {}},
                "names": {"list": {"s": [base64.b64encode(b"Relu").decode()]}},
                "flag": {"b": True},
            },
        },
    ]
    record = {
        "name": "w",
        "shape": [2, 2],
        "dtype": "float32",
        "quantization": {"dtype": "float16"},
    }
    count = {"name": "n", "shape": [], "dtype": "int32"}
    model = {
        "modelTopology": {"node": nodes},
        "signature": {"outputs": {"y:0": {"name": "y:0"}}},
        "weightsManifest": [{"paths": ["a.bin", "b.bin"], "weights": [record, count]}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    content = weights + np.int32(7).tobytes()
    (folder / "a.bin").write_bytes(content[:5])
    (folder / "b.bin").write_bytes(content[5:])
    return folder / "model.json"


def test_a_graph_is_read_with_its_numbers(tmp_path):
    graph = read_graph(write_model(tmp_path))
    assert [node.name for node in graph.nodes] == ["x", "y"]
    assert graph.nodes[1].inputs == ("x", "w")
    assert graph.outputs == ("y",)
    assert graph.constants["w"].dtype == np.float32
    np.testing.assert_array_equal(graph.constants["w"], WEIGHTS)
    assert graph.constants["n"] == 7
    attributes = graph.nodes[0].attributes
    assert attributes["shape"] == (1, 2)
    assert attributes["dtype"] == np.float32
    assert (attributes["mode"], attributes["strides"]) == ("SAME", (1, 2))
    assert (attributes["none"], attributes["names"]) == ((), ("Relu",))
    assert attributes["flag"] is True


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    path = write_model(tmp_path, b"\0" * 9)
    with pytest.raises(InputError, match="13 bytes instead of 12"):
        read_graph(path)
    (tmp_path / "b.bin").unlink()
    with pytest.raises(InputError, match=r"no TensorFlow.js graph with its numbers .*b\.bin"):
        read_graph(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="use the files of the package"):
        read_graph(path)
