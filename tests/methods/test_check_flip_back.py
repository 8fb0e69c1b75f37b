"""A user's `flip_back` that leaves left and right, or x, as they are is refused; ours pass."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, MPII16, SMALLPOSE, Skeleton
from smallpose.methods import METHODS, create_method
from smallpose.methods.check_flip_back import check_flip_back
from smallpose.methods.flip_test import run_flip_test
from smallpose.methods.full_image import FullImageMethod
from smallpose.models.codecs.heatmap_coding import DECODINGS, TARGETS, HeatmapCoding

TUTORIAL = (Path(__file__).parents[2] / "docs" / "extend.md").read_text()
COFFEE = re.search(r'```python\n("""my_method.py.*?)```', TUTORIAL, re.DOTALL)[1]
RIGHT = """        x, y = outputs[:, self._flip_indices].unbind(-1)
        return torch.stack([1 - 1 / self.input_wh[0] - x, y], dim=-1)
"""
TINY_VARIANTS = [
    "simple_baseline_r18_tiny",
    "hrnet_w16_tiny",
    "hrformer_tiny",
    "simcc_r18_tiny",
    "cal_hrnet_w16_tiny",
    "vitpose_tiny",
    "rle_r18_tiny",
    "vitpose_rle_tiny",
    "rtmpose_tiny",
    "expected_oks_tiny",
]
NO_SWAP = "flip_back mirrors x, but does not exchange left and right joints; index the joints by"
NO_MIRROR = "flip_back exchanges left and right joints, but does not mirror x; mirror x, too"
NEITHER = "flip_back neither mirrors x nor exchanges left and right joints; do both"


@torch.no_grad()
def compute_outputs(method):
    torch.manual_seed(0)
    w, h = method.input_wh
    method.eval()
    return method(method.prepare(torch.randint(0, 256, (2, h, w, 3), dtype=torch.uint8)))


def change(outputs, function):
    if isinstance(outputs, tuple):
        return tuple(function(part) for part in outputs)
    return function(outputs)


def same(outputs):
    return outputs


KINDS = {
    "untrained": same,
    "all zero": torch.zeros_like,
    "all equal": lambda part: torch.full_like(part, 0.5),
    "random": torch.randn_like,
    "sharp": lambda part: (20 * torch.randn_like(part)).softmax(-1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TINY_VARIANTS)
def test_our_methods_pass_and_their_mistakes_do_not(name, kind):
    """A zero-initialised or a trained head must be told from a wrong `flip_back`, too."""
    method = METHODS[name](SMALLPOSE)
    outputs = change(compute_outputs(method), KINDS[kind])
    check_flip_back(method, outputs, "here")
    indices = method._flip_indices.clone()
    method._flip_indices = torch.arange(len(indices))
    with pytest.raises(InputError, match=f"here: {NO_SWAP}"):
        check_flip_back(method, outputs, "here")
    method.flip_back = same
    with pytest.raises(InputError, match=NEITHER):
        check_flip_back(method, outputs, "here")


def test_every_top_down_method_is_tried_here():
    tiny = {name for name in METHODS if name.endswith("_tiny")}
    full_image = {n for n in tiny if isinstance(METHODS[n](COCO17), FullImageMethod)}
    assert tiny - full_image == set(TINY_VARIANTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in METHODS if not n.endswith("_tiny") and not n.startswith("rtmo_")]
)
def test_published_sizes_pass(name):
    method = METHODS[name](COCO17)
    if not isinstance(method, FullImageMethod):
        check_flip_back(method, compute_outputs(method), "here")


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("is_shifted", [True, False])
def test_a_shift_by_a_column_is_free(targets, decoding, is_shifted):
    method = METHODS["simple_baseline_r18_tiny"](COCO17)
    method.set_heatmap_coding(HeatmapCoding(targets=targets, decoding=decoding))
    outputs = compute_outputs(method)
    method.flip_back = lambda maps: (
        maps[:, method._flip_indices].flip(-1).roll(int(is_shifted), dims=-1)
    )
    check_flip_back(method, outputs, "here")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (RIGHT.replace("[:, self._flip_indices]", ""), NO_SWAP),
        ("        return outputs[:, self._flip_indices]\n", NO_MIRROR),
        ("        return outputs\n", NEITHER),
        (
            RIGHT.replace("1 - 1 / self.input_wh[0] - x", "-x"),
            r"flip_back moves keypoints by \d+ px from where they are in the mirrored crop; ",
        ),
        (
            RIGHT.replace("- x, y]", "- x, outputs[..., 1] + 0.5]"),
            r"flip_back moves keypoints by \d+ px",
        ),
    ],
)
def test_a_mistake_is_one_line_before_any_data_is_read(lines, message, tmp_path):
    assert COFFEE.count(RIGHT) == 1
    (tmp_path / "my_method.py").write_text(COFFEE.replace(RIGHT, lines))
    with pytest.raises(InputError, match=rf"my_method\.py:coffee: {message}") as caught:
        create_method(f"{tmp_path}/my_method.py:coffee")
    assert "\n" not in str(caught.value)


def test_scores_are_exchanged_with_their_keypoints():
    method = METHODS["rle_r18_tiny"](MPII16)
    outputs = compute_outputs(method)
    right = method.flip_back
    method.flip_back = lambda o: torch.cat([right(o)[..., :2], o[..., 2:]], dim=-1)
    with pytest.raises(InputError, match="exchanges left and right keypoints, but not what their"):
        check_flip_back(method, outputs, "here")


@pytest.mark.parametrize("swap", [None, ()])
def test_joints_without_sides_are_mirrored_or_never_flipped(swap):
    skeleton = Skeleton("tree", ("root", "trunk", "crown"), custom_pairs=swap)
    method = METHODS["simple_baseline_r18_tiny"](skeleton)
    outputs = compute_outputs(method)
    check_flip_back(method, outputs, "here")
    method.flip_back = same
    if swap is None:  # the flip test is left out
        check_flip_back(method, outputs, "here")
        return
    with pytest.raises(InputError, match="flip_back"):
        check_flip_back(method, outputs, "here")


def test_a_decoding_that_finds_nothing_is_not_judged():
    method = METHODS["simple_baseline_r18_tiny"](COCO17)
    method.decode = lambda maps: (
        maps.new_zeros(*maps.shape[:2], 2),
        maps.new_zeros(maps.shape[:2]),
    )
    check_flip_back(method, compute_outputs(method), "here")
    method.decode = lambda maps: 1 / 0
    check_flip_back(method, compute_outputs(method), "here")


def decode_softargmax(maps, stride=4):
    """Return the expectation of softmaxed maps in px of their cells' corners."""
    shares = maps.flatten(2).softmax(-1).view_as(maps)
    x = (shares.sum(2) * torch.arange(maps.shape[3])).sum(-1)
    y = (shares.sum(3) * torch.arange(maps.shape[2])).sum(-1)
    return torch.stack([x, y], dim=-1) * stride, shares.amax((2, 3))


def decode_sigmoid(points):
    """Return shares of a crop of 64 × 96 px that are logits; they are changed in place."""
    points.sigmoid_()
    points *= torch.tensor([64.0, 96.0])
    return points, torch.ones(points.shape[:2])


@pytest.mark.parametrize("scale", [0, 1e-3, 0.1, 1, 10])
@pytest.mark.parametrize("form", ["maps", "points"])
def test_joints_near_the_middle_are_not_taken_for_a_mistake(form, scale):
    """As x and its mirror image are almost equal there, a shift of a pixel explains either.

    And a mistake is none there, so that one passed with untrained weights.
    """
    method = METHODS["simple_baseline_r18_tiny"](COCO17)
    assert method.input_wh == (64, 96)
    swap = method._flip_indices
    generator = torch.Generator().manual_seed(1)
    if form == "maps":
        method.decode = decode_softargmax
        method.flip_back = lambda maps: maps[:, swap].flip(-1)
        outputs = scale * torch.randn((2, 17, 24, 16), generator=generator)
    else:
        method.decode = decode_sigmoid
        method.flip_back = lambda points: points[:, swap] * torch.tensor([-1.0, 1.0])
        outputs = scale * torch.randn((2, 17, 2), generator=generator)
    check_flip_back(method, outputs, "here")
    right = method.flip_back
    method.flip_back = lambda outputs: right(outputs)[:, swap]
    with pytest.raises(InputError, match=NO_SWAP):
        check_flip_back(method, outputs, "here")
    method.flip_back = lambda outputs: outputs[:, swap]
    with pytest.raises(InputError, match=NO_MIRROR):
        check_flip_back(method, outputs, "here")


class _Outputs(NamedTuple):
    maps: torch.Tensor
    widths: torch.Tensor


@pytest.mark.parametrize("form", [lambda *parts: list(parts), _Outputs, dict])
def test_outputs_of_any_form_are_flipped(form):
    method = METHODS["simple_baseline_r18_tiny"](COCO17)
    swap, right = method._flip_indices, method.flip_back
    parts = (compute_outputs(method), torch.rand(2, 17))
    outputs = dict(zip(("maps", "widths"), parts, strict=True)) if form is dict else form(*parts)
    decode = method.decode

    def get(outputs, key):
        if isinstance(outputs, dict):
            return outputs[key]
        return getattr(outputs, key) if form is _Outputs else outputs[key == "widths"]

    def flip_back(outputs):
        parts = (right(get(outputs, "maps")), get(outputs, "widths")[:, swap])
        return dict(zip(("maps", "widths"), parts, strict=True)) if form is dict else form(*parts)

    method.flip_back = flip_back
    method.decode = lambda outputs: (decode(get(outputs, "maps"))[0], get(outputs, "widths"))
    check_flip_back(method, outputs, "here")
    averaged = run_flip_test(lambda images: outputs, flip_back, torch.zeros(2, 3, 4, 4))
    assert type(averaged) is type(outputs)
    expected = (parts[0] + right(parts[0])) / 2
    assert torch.equal(get(averaged, "maps"), expected)
    method.flip_back = same
    with pytest.raises(InputError, match=NEITHER):
        check_flip_back(method, outputs, "here")


@pytest.mark.parametrize("to_shares", ["outputs", "2 * outputs - 1"])
def test_shares_of_the_crop_are_not_taken_for_a_wrong_flip_back(to_shares, tmp_path):
    """`flip_back` was blamed, with advice that breaks it."""
    line = "return outputs * size, scores"
    assert COFFEE.count(line) == 1
    (tmp_path / "my_method.py").write_text(COFFEE.replace(line, f"return {to_shares}, scores"))
    with pytest.raises(InputError, match=r"coffee: decode returns all keypoints in -1 to 1"):
        create_method(f"{tmp_path}/my_method.py:coffee")
