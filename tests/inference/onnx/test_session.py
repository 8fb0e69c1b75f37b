"""Onnxruntime computes the network, and everybody is found where he was."""

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference import Options, find
from smallpose.inference.onnx.session import MOST_SIZES, OnnxNetwork
from smallpose.methods import METHODS
from smallpose.methods.full_image import WholeImageMethod

pytest.importorskip("onnxruntime")

APART = 1e-2  # px; single precision rounds in another order


def pictures(sizes):
    rng = np.random.default_rng(5)
    made = [rng.integers(0, 255, (h // 8, w // 8, 3), np.uint8) for w, h in sizes]
    return [np.kron(p, np.ones((8, 8, 1), np.uint8)) for p in made]


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
def test_onnxruntime_finds_the_same_people(name):
    torch.manual_seed(1)
    method = create_method(name).on("cpu")
    method.score_above = 0.0
    if hasattr(method, "most"):
        method.most = 5
    sizes = [(160, 120), (96, 192)]
    held = dict(zip(("0", "1"), pictures(sizes), strict=True))
    images = make_images([1, 2], list(held), *zip(*sizes, strict=True))
    rows, boxes = [0, 0, 1], [[8.0, 4, 60, 100], [70, 20, 50, 90], [4, 10, 80, 170]]
    people = make_instances(COCO17, images, rows, boxes, np.full((3, 17, 3), 2.0))
    plain = find(method, people, None, held.__getitem__)
    by_onnx = find(method, people, None, held.__getitem__, Options(onnx=True))
    assert method.network is None
    assert len(plain) >= 3 and plain.image_ids.tolist() == by_onnx.image_ids.tolist()
    np.testing.assert_allclose(by_onnx.keypoints, plain.keypoints, atol=APART, rtol=1e-4)
    np.testing.assert_allclose(by_onnx.scores, plain.scores, rtol=1e-3, atol=1e-5)


def test_what_onnxruntime_does_not_do_is_said(tmp_path, capsys):
    words = ["predict", "simcc_r18_tiny", str(tmp_path), "--weights", "x", "--out", "f", "--onnx"]
    assert main([*words, "--half"]) == 2
    assert "--onnx: computes in single precision" in capsys.readouterr().err
    method = create_method("simcc_r18_tiny").to("meta")
    with pytest.raises(InputError, match="is for CPUs"):
        find(method, None, None, None, Options(onnx=True))


@pytest.mark.parametrize("name", [name for name in METHODS if "tiny" in name])
def test_no_method_goes_round_the_network_it_was_given(name):
    method = create_method(name).on("cpu").eval()
    w, h = method.input_wh
    asked = []

    def network(pictures):
        asked.append(len(pictures))
        return method(pictures)

    method.network = network
    pictures = torch.zeros(1, 3, h, w)
    with torch.inference_mode():
        if isinstance(method, WholeImageMethod):
            method.find(pictures, False)
        else:
            method.outputs(pictures, True)
    assert asked


def test_graphs_of_few_sizes_are_kept():
    method = create_method("simple_baseline_r18_tiny").on("cpu").eval()
    network = OnnxNetwork(method)
    sizes = [(64 + 32 * n, 64) for n in range(MOST_SIZES + 2)]
    for h, w in [*sizes, sizes[-1]]:
        pictures = torch.randn(2, 3, h, w)
        with torch.inference_mode():
            torch.testing.assert_close(network(pictures), method(pictures), rtol=1e-3, atol=1e-4)
    assert list(network.sessions) == sizes[2:]
