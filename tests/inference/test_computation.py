"""One place chooses the engine and the precision, and says what it took."""

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli import options as cli_options
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference import InferenceOptions, computation, options, predict_people
from smallpose.inference.computation import (
    apply_speed_options,
    choose_computation,
    has_fast_bfloat16,
)
from smallpose.inference.environment import describe_method_environment
from smallpose.methods import METHODS

AUTO = InferenceOptions(precision="auto")
SPLIT = ["simple_baseline_r18_tiny", "hrnet_w16_tiny", "simcc_r18_tiny", "vitpose_tiny"]
MEASURED = [*SPLIT, "rtmo_tiny"]
TINY = [name for name in METHODS if "tiny" in name]


@pytest.fixture
def with_bfloat16(monkeypatch):
    monkeypatch.setattr(computation, "has_fast_bfloat16", lambda device: True)


@pytest.fixture
def without_bfloat16(monkeypatch):
    monkeypatch.setattr(computation, "has_fast_bfloat16", lambda device: False)


def create(name):
    torch.manual_seed(3)
    return create_method(name, COCO17).move_to("cpu").eval()


def make_crops(method):
    w, h = method.input_wh
    return torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(1)) - 0.5


def compute(method, images, options):
    with torch.inference_mode(), apply_speed_options(method, options):
        outputs = method.run_network(images)
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


@pytest.mark.parametrize("name", SPLIT)
def test_the_two_parts_are_the_network(name):
    method = create(name)
    images = make_crops(method)
    split = method.split_network()
    with torch.inference_mode():
        parts, whole = split.compute_last(split.layers(images)), method(images)
    for part, column in zip(
        *((x if isinstance(x, tuple) else (x,)) for x in (parts, whole)), strict=True
    ):
        assert torch.equal(part, column)


@pytest.mark.parametrize("name", TINY)
def test_auto_takes_bfloat16_for_measured_methods_alone(name, with_bfloat16, capsys):
    method = create(name)
    chosen = choose_computation(method, AUTO)
    assert (chosen.precision == torch.bfloat16) == (name in MEASURED)
    assert describe_method_environment(method, AUTO)["precision"] == (
        "bfloat16 (last layers float32)" if name in MEASURED else "float32"
    )
    for _ in range(2):
        with apply_speed_options(method, AUTO):
            assert (method.network is not None) == (name in MEASURED)
            assert method.precision is None
    assert method.network is None
    text = capsys.readouterr().err
    assert text.count(f"--precision auto: {name} in ") == 1  # once, not for each batch


@pytest.mark.parametrize("name", MEASURED)
def test_a_class_with_a_forward_of_its_own_is_not_computed_in_inherited_parts(name, with_bfloat16):
    method = create(name)
    base = type(method)
    own = type("Own", (base,), {"forward": lambda self, images: base.forward(self, 2 * images)})
    method.__class__ = own
    assert choose_computation(method, AUTO).precision == torch.float32
    with apply_speed_options(method, AUTO):
        assert method.network is None
    method.__class__ = type("Renamed", (base,), {})  # the same network, which RTMO alone refuses
    is_taken = choose_computation(method, AUTO).precision == torch.bfloat16
    assert is_taken == (name != "rtmo_tiny")


@pytest.mark.parametrize("name", SPLIT)
def test_in_bfloat16_the_first_layers_differ_and_the_last_are_float32(name, with_bfloat16):
    method = create(name)
    images = make_crops(method)
    types = []
    last = method.head.mlp_head_x if name == "simcc_r18_tiny" else method.head.final_layer
    hook = last.register_forward_hook(lambda layer, inputs, output: types.append(output.dtype))
    exact, rounded = (compute(method, images, o) for o in (InferenceOptions(), AUTO))
    hook.remove()
    assert types == [torch.float32, torch.float32]
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == torch.float32
        assert not torch.equal(a, b)
        assert (a - b).abs().max() < 0.05 * a.abs().max()


@pytest.mark.parametrize("name", MEASURED)
def test_auto_equals_float32_to_the_bit_where_the_processor_has_no_bfloat16(
    name, without_bfloat16, capsys
):
    method = create(name)
    images = make_crops(method)
    for a, b in zip(
        compute(method, images, InferenceOptions()), compute(method, images, AUTO), strict=True
    ):
        assert torch.equal(a, b)
    assert f"{name} in float32; this CPU has no fast bfloat16" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_of_rtmo_the_middle_stages_alone_are_rounded(
    engine, with_bfloat16, tmp_path, monkeypatch, capsys
):
    if engine == "openvino":
        pytest.importorskip("openvino", reason="needs the extra [openvino]")
        pytest.importorskip("onnx", reason="needs the extra [onnx]")
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path))
    method = create("rtmo_tiny")
    images = 255 * make_crops(method) + 127
    options = InferenceOptions(engine=engine, precision="auto")
    exact = compute(method, images, InferenceOptions())
    with torch.inference_mode(), apply_speed_options(method, options):
        network, split = method.network, method.split_network()
        fine = network.first(images)
        levels = network.middle(fine)
        rounded = list(method.run_network(images))
        expected_fine = split.first(images)
        expected = split.last(*(level.float() for level in levels))
    torch.testing.assert_close(fine, expected_fine, rtol=1e-4, atol=1e-4)
    for a, b, c in zip(exact, rounded, expected, strict=True):
        assert b.dtype == torch.float32
        assert (a - b).abs().max() <= 0.05 * a.abs().max()
        torch.testing.assert_close(b, c, rtol=1e-4, atol=1e-5)
    assert not torch.equal(exact[0], rounded[0])
    assert "rtmo_tiny in bfloat16; only its backbone from stride 8" in capsys.readouterr().err
    assert not any(layer.training for layer in method.modules())


def test_bfloat16_is_fast_where_the_processor_says_so(monkeypatch):
    cpu = torch.device("cpu")
    for avx, amx in ((False, False), (True, False), (False, True)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda v=avx: v, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda v=amx: v, raising=False)
        assert has_fast_bfloat16(cpu) == (avx or amx)
    assert not has_fast_bfloat16(torch.device("mps"))


def test_the_default_is_float32_by_pytorch():
    method = create("simcc_r18_tiny")
    chosen = choose_computation(method, InferenceOptions())
    assert (chosen.engine, chosen.precision_name) == ("torch", "float32")
    with apply_speed_options(method, InferenceOptions()):
        assert method.network is None and method.precision is None


@pytest.mark.parametrize("name", SPLIT)
def test_openvino_computes_the_first_layers_in_bfloat16(name, with_bfloat16, tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra [openvino]")
    pytest.importorskip("onnx", reason="needs the extra [openvino]")
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path))
    method = create(name)
    images = make_crops(method)
    exact = compute(method, images, InferenceOptions())
    options = InferenceOptions(engine="openvino", precision="auto")
    for a, b in zip(exact, compute(method, images, options), strict=True):
        assert (a - b).abs().max() < 0.05 * a.abs().max()
    assert not method.training and not any(layer.training for layer in method.modules())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "onnxruntime", "precision": "bfloat16"}, "computes in float32 on CPUs"),
        ({"precision": "float16"}, "is for GPUs"),
        ({"precision": "int8"}, "--precision int8: is unknown; use float32, bfloat16, float16"),
        ({"engine": "tvm"}, "--engine tvm: is unknown; use torch, onnxruntime, openvino"),
        ({"engine": "openvino", "compile": True}, "--compile: cannot be combined"),
        ({"precision": "auto", "compile": True}, "--compile: cannot be combined"),
    ],
)
def test_options_that_exclude_each_other_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        choose_computation(create("simcc_r18_tiny"), InferenceOptions(**settings))


def test_onnxruntime_stays_in_float32_with_auto(with_bfloat16):
    chosen = choose_computation(
        create("simcc_r18_tiny"), InferenceOptions(engine="onnxruntime", precision="auto")
    )
    assert (chosen.precision, chosen.reason) == (
        torch.float32,
        "onnxruntime computes in float32 on CPUs",
    )


def test_the_command_has_the_same_names():
    assert cli_options.ENGINES == options.ENGINES
    assert cli_options.PRECISIONS == options.PRECISIONS


def test_people_are_placed_alike_in_both_precisions(with_bfloat16):
    method = create("simcc_r18_tiny")
    image = np.random.default_rng(2).integers(0, 255, (120, 160, 3), np.uint8)
    images = make_images([1], ["0"], [160], [120])
    boxes = [[8.0, 4, 60, 100], [70, 20, 50, 90]]
    people = make_instances(COCO17, images, [0, 0], boxes, np.full((2, 17, 3), 2.0))
    read = {"0": image}.__getitem__
    plain, auto = (predict_people(method, people, None, read, o) for o in (None, AUTO))
    assert plain.keypoints.shape == auto.keypoints.shape
    np.testing.assert_allclose(auto.keypoints[..., 2], plain.keypoints[..., 2], atol=0.05)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engine": "openvino"}, "--engine openvino: is for PyTorch networks, and [^;]* in LiteRT"),
        ({"precision": "half"}, "--half: is for PyTorch networks"),
        ({"engine": "openvino", "compile": True}, "--engine openvino and --compile: are for"),
    ],
)
def test_options_that_another_engine_does_not_take_are_named_as_they_are_given(given, message):
    method = create("simple_baseline_r18_tiny")
    method.engine = "LiteRT"  # as of a published model
    with pytest.raises(InputError, match=message):
        choose_computation(method, InferenceOptions(**given))
