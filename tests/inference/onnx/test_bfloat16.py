"""OpenVINO computes all layers of a split network in bfloat16, and the last one in float32."""

import pytest
import torch
from torch import nn

from smallpose import create_method
from smallpose.core.skeleton import COCO17
from smallpose.inference import InferenceOptions
from smallpose.inference.computation import apply_speed_options, has_fast_bfloat16
from smallpose.inference.onnx import session
from smallpose.inference.onnx.bfloat16 import join_last_layer, transpose_convolution

pytest.importorskip("onnx", reason="needs the extra [openvino]")
openvino = pytest.importorskip("openvino", reason="needs the extra [openvino]")

SPLIT = ["simple_baseline_r18_tiny", "hrnet_w16_tiny", "simcc_r18_tiny", "vitpose_tiny"]
HEAVY = ("Convolution", "Deconvolution", "MatMul", "FullyConnected")


def create(name):
    torch.manual_seed(3)
    return create_method(name, COCO17).move_to("cpu").eval()


@pytest.mark.parametrize("bias", [True, False])
def test_a_1x1_convolution_is_its_own_transpose(bias):
    layer = nn.Conv2d(5, 3, 1, bias=bias)
    images = torch.randn(2, 5, 4, 6)
    torch.testing.assert_close(transpose_convolution(layer)(images), layer(images))


@pytest.mark.parametrize("name", SPLIT)
def test_the_joined_network_computes_the_maps_and_leaves_the_method_as_it_is(name):
    method = create(name)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    split = method.split_network()
    network = join_last_layer(split)
    w, h = method.input_wh
    images = torch.rand(2, 3, h, w) - 0.5
    with torch.no_grad():
        maps, expected = network(images), split.last(split.layers(images))
    torch.testing.assert_close(maps, expected)
    assert all(torch.equal(before[key], value) for key, value in method.state_dict().items())
    assert all(weight.requires_grad for weight in method.parameters())


def list_precisions(compiled):
    """List (layer type, precision) of the nodes that multiply, in the order they are computed."""
    nodes = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    read = lambda info, key: info[key] if isinstance(info[key], str) else info[key].astype(str)  # noqa: E731
    pairs = [(read(info, "layerType"), read(info, "runtimePrecision")) for info in nodes]
    return [pair for pair in pairs if pair[0] in HEAVY]


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """Collect what OpenVINO compiles, on a processor with bfloat16."""
    if not has_fast_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no bfloat16")
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path))
    networks = []

    class Recorded(session.OpenvinoNetwork):
        def compile_graph(self, graph):
            networks.append(super().compile_graph(graph))
            return networks[-1]

    monkeypatch.setattr(session, "OpenvinoNetwork", Recorded)
    return networks


@pytest.mark.parametrize("name", SPLIT)
def test_only_the_last_layer_is_computed_in_float32(name, networks):
    method = create(name)
    w, h = method.input_wh
    options = InferenceOptions(engine="openvino", precision="auto")
    with torch.inference_mode(), apply_speed_options(method, options):
        method.run_network(torch.rand(2, 3, h, w) - 0.5)
    (compiled,) = networks
    *others, last = list_precisions(compiled)
    assert last == ("Deconvolution", "f32")
    assert len(others) > 10 and {precision for _, precision in others} == {"bf16"}
    assert sum(kind == "Deconvolution" for kind, _ in others) == {
        "simple_baseline_r18_tiny": 2,
        "hrnet_w16_tiny": 0,
        "simcc_r18_tiny": 3,
        "vitpose_tiny": 1,
    }.get(name)


def test_only_the_middle_stages_of_rtmo_are_computed_in_bfloat16(networks):
    method = create("rtmo_tiny")
    options = InferenceOptions(engine="openvino", precision="auto")
    with torch.inference_mode(), apply_speed_options(method, options):
        method.run_network(255 * torch.rand(2, 3, 64, 96))
    precisions = [{precision for _, precision in list_precisions(one)} for one in networks]
    assert precisions == [{"f32"}, {"bf16"}, {"f32"}]
