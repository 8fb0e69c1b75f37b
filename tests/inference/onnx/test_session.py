"""The network run by onnxruntime and by OpenVINO gives the same people."""

import subprocess

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.onnx import session, traced_graph
from smallpose.inference.onnx.session import OnnxNetwork
from smallpose.inference.onnx.traced_graph import trace_network
from smallpose.methods import METHODS
from smallpose.methods.full_image import FullImageMethod

pytest.importorskip("onnx", reason="needs the extra [onnx]")

TOLERANCE = 1e-2  # px; sums in single precision are rounded in another order


def draw_images(sizes):
    rng = np.random.default_rng(5)
    small = [rng.integers(0, 255, (h // 8, w // 8, 3), np.uint8) for w, h in sizes]
    return [np.kron(p, np.ones((8, 8, 1), np.uint8)) for p in small]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Return a folder for graphs, so that two engines run the same one."""
    return tmp_path_factory.mktemp("graphs")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "name",
    [
        "simple_baseline_r18_tiny",
        "simcc_r18_tiny",
        "vitpose_tiny",
        "rle_r18_tiny",
        "rtmo_tiny",
        "cid_hrnet_w8_tiny",
        pytest.param("dekr_hrnet_w8_tiny", marks=pytest.mark.slow),
    ],
)
def test_an_engine_gives_the_same_people(name, engine, graphs, monkeypatch):
    pytest.importorskip(engine, reason=f"needs {engine}")
    monkeypatch.setenv("SMALLPOSE_CACHE", str(graphs))
    torch.manual_seed(1)
    method = create_method(name).move_to("cpu")
    method.score_threshold = 0.0
    if hasattr(method, "max_people"):
        method.max_people = 5
    sizes = [(160, 120), (96, 192)]
    image_of = dict(zip(("0", "1"), draw_images(sizes), strict=True))
    images = make_images([1, 2], list(image_of), *zip(*sizes, strict=True))
    rows = [0, 0, 1]
    boxes = [[8.0, 4, 60, 100], [70, 20, 50, 90], [4, 10, 80, 170]]
    people = make_instances(COCO17, images, rows, boxes, np.full((3, 17, 3), 2.0))
    plain = predict_people(method, people, None, image_of.__getitem__)
    by_engine = predict_people(
        method, people, None, image_of.__getitem__, InferenceOptions(engine=engine)
    )
    assert method.network is None
    assert len(plain) >= 3 and plain.image_ids.tolist() == by_engine.image_ids.tolist()
    np.testing.assert_allclose(by_engine.keypoints, plain.keypoints, atol=TOLERANCE, rtol=1e-4)
    np.testing.assert_allclose(by_engine.scores, plain.scores, rtol=1e-3, atol=1e-5)


def test_options_that_onnxruntime_does_not_support_are_refused(tmp_path, capsys):
    words = [
        "predict",
        "simcc_r18_tiny",
        str(tmp_path),
        "--weights",
        "x",
        "--out",
        "f.json",
        "--onnx",
    ]
    assert main([*words, "--half"]) == 2
    assert "--onnx: cannot be combined with --half" in capsys.readouterr().err
    method = create_method("simcc_r18_tiny").to("meta")
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine, reason=f"needs {engine}")
        with pytest.raises(InputError, match="runs on CPUs only"):
            predict_people(method, None, None, None, InferenceOptions(engine=engine))


@pytest.mark.parametrize("name", [name for name in METHODS if "tiny" in name])
def test_every_method_uses_the_network_it_was_given(name):
    method = create_method(name).move_to("cpu").eval()
    w, h = method.input_wh
    batch_sizes = []

    def network(images):
        batch_sizes.append(len(images))
        return method(images)

    method.network = network
    images = torch.zeros(1, 3, h, w)
    with torch.inference_mode():
        if isinstance(method, FullImageMethod):
            method.detect(images, False)
        else:
            method.compute_outputs(images, True)
    assert batch_sizes


def test_a_graph_is_kept_by_the_hash_of_its_weights(tmp_path, monkeypatch):
    method = create_method("simple_baseline_r18_tiny").move_to("cpu").eval()
    images = torch.randn(1, 3, 96, 64)
    first = trace_network(method, [images], method)
    (path,) = tmp_path.glob("cache/graphs/*.graph")
    with monkeypatch.context() as patch:
        patch.setattr(torch.onnx, "export", None)  # a second conversion would fail
        assert trace_network(method, [images], method) == first
    with torch.no_grad():
        method.head.final_layer.bias += 1
    assert trace_network(method, [images], method) != first
    assert len(list(path.parent.iterdir())) == 2
    method.code = "method.py:Own"  # the code of a user's method may change
    trace_network(method, [images + 1], method)
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"\0" * 500, None])
def test_a_damaged_graph_of_the_cache_is_made_again(tmp_path, damage):
    method = create_method("simple_baseline_r18_tiny").move_to("cpu").eval()
    images = torch.zeros(1, 3, 32, 32)
    first = trace_network(method, [images], method)
    (path,) = tmp_path.glob("cache/graphs/*.graph")
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] if damage is None else damage)
    assert trace_network(method, [images], method) == first
    assert path.read_bytes() == kept


def test_a_cache_that_cannot_be_written_keeps_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    method = create_method("simple_baseline_r18_tiny").move_to("cpu").eval()
    images = torch.zeros(1, 3, 32, 32)
    first = trace_network(method, [images], method)
    for folder in (tmp_path / "file", "/proc/none"):
        monkeypatch.setenv("SMALLPOSE_CACHE", str(folder))
        assert trace_network(method, [images], method) == first


def test_only_the_graphs_used_last_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(traced_graph, "MAX_CACHED", 2)
    method = create_method("simple_baseline_r18_tiny").move_to("cpu").eval()
    for side in (32, 64, 96):
        trace_network(method, [torch.zeros(1, 3, side, side)], method)
    assert len(list(tmp_path.glob("cache/graphs/*.graph"))) == 2


def test_only_the_sessions_of_recent_sizes_are_kept(monkeypatch):
    monkeypatch.setattr(session, "MAX_SIZES", 2)
    method = create_method("simple_baseline_r18_tiny").move_to("cpu").eval()
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    network = OnnxNetwork(method)
    sizes = [(64 + 32 * n, 64) for n in range(4)]
    for h, w in [*sizes, sizes[-1]]:
        images = torch.randn(2, 3, h, w)
        with torch.inference_mode():
            torch.testing.assert_close(network(images), method(images), rtol=1e-3, atol=1e-4)
    assert list(network.sessions) == sizes[2:]


LOAD_TWICE = """
import gc, signal
import numpy as np, openvino
from openvino import opset13
from smallpose.inference.onnx.session import get_openvino_core
def load():
    x = opset13.parameter([1, 8], np.float32)
    product = opset13.matmul(x, opset13.constant(np.ones((8, 8), np.float32)), False, False)
    core = get_openvino_core()
    return core, core.compile_model(openvino.Model([product], [x]), "CPU")
first, second = load(), load()
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_handled_after_openvinos_models_have_gone(warm_python, tmp_path):
    """The stack of signal handlers was unmapped memory: Ctrl-C ended Python with SIGSEGV."""
    pytest.importorskip("openvino", reason="needs the extra [openvino]")
    words = [warm_python, "-c", LOAD_TWICE]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("handled\n", 0), done.stderr
