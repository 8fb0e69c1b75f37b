"""The tiny variants of top-down methods: any skeleton, hostile labels, masks, weights."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from smallpose import create_method
from smallpose.core.skeleton import AIC14, COCO17, SMALLPOSE, Skeleton
from smallpose.dataloading.affine import compute_box_window, compute_warp_matrix, warp_points

TINY_VARIANTS = [
    "hrnet_w16_tiny",
    "simcc_r18_tiny",
    "rle_r18_tiny",
    "vitpose_tiny",
    "vitpose_rle_tiny",
    "hrformer_tiny",
    "cal_hrnet_w16_tiny",
    "simple_baseline_r18_tiny",
    "rtmpose_tiny",
    "expected_oks_tiny",
]


@pytest.mark.parametrize("name", TINY_VARIANTS)
@pytest.mark.parametrize("skeleton", [COCO17, AIC14, Skeleton("two", ("nose", "tail"))])
def test_a_method_accepts_any_skeleton(name, skeleton):
    method = create_method(name, skeleton)
    assert 0.3e6 < method.num_parameters < 1.5e6
    w, h = method.input_wh
    points, scores = method.decode(method.compute_outputs(torch.randn(2, 3, h, w), flip_test=True))
    assert points.shape == (2, len(skeleton), 2)
    assert scores.shape == (2, len(skeleton))


@pytest.mark.parametrize("name", TINY_VARIANTS)
def test_the_flip_test_of_a_symmetric_image_is_symmetric(name):
    """The x of a joint and of its left-right counterpart add up to twice the mirror's axis."""
    torch.manual_seed(1)
    method = create_method(name, SMALLPOSE)
    w, h = method.input_wh
    images = torch.randn(2, 3, h, w)
    outputs = method.compute_outputs(images, flip_test=True)
    mirrored = method.compute_outputs(images.flip(-1), flip_test=True)
    if name.startswith(("hrnet", "hrformer", "simple_baseline")):
        return  # the shift by a column makes it an approximation
    flipped = method.flip_back(mirrored)
    is_tuple = isinstance(outputs, tuple)
    pairs = zip(outputs, flipped, strict=True) if is_tuple else [(outputs, flipped)]
    for a, b in pairs:
        assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("name", TINY_VARIANTS)
def test_hostile_labels_leave_loss_and_gradient_finite(name):
    torch.manual_seed(0)
    method = create_method(name, COCO17).train()
    w, h = method.input_wh
    keypoints = torch.rand(4, 17, 3) * torch.tensor([w, h, 0]) + torch.tensor([0, 0, 2.0])
    for joint, bad in enumerate((math.nan, math.inf, -math.inf, 1e30, -1e9, 1e4)):
        keypoints[0, joint, joint % 2] = bad
    keypoints[1, :, 2] = 0
    keypoints[1, :, :2] = math.nan
    keypoints[2, :, :2] = -500
    terms = method.loss(method(torch.randn(4, 3, h, w)), method.targets(keypoints))
    loss = sum(terms.values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", TINY_VARIANTS)
def test_unlabelled_joints_do_not_change_the_loss(name):
    torch.manual_seed(0)
    method = create_method(name, COCO17)
    w, h = method.input_wh
    keypoints = torch.rand(2, 17, 3) * torch.tensor([w, h, 0]) + torch.tensor([0, 0, 2.0])
    keypoints[:, 5, 2] = 0
    elsewhere = keypoints.clone()
    elsewhere[:, 5, :2] = 1.0
    outputs = method(torch.randn(2, 3, h, w))
    losses = [sum(method.loss(outputs, method.targets(k)).values()) for k in (keypoints, elsewhere)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", TINY_VARIANTS)
def test_weights_come_back_from_a_file(name, tmp_path):
    torch.manual_seed(0)
    method = create_method(name, COCO17)
    path = tmp_path / "model.safetensors"
    save_file({key: t.contiguous() for key, t in method.state_dict().items()}, path)
    loaded = create_method(name, COCO17, weights=path)
    assert all((loaded.state_dict()[key] == t).all() for key, t in method.state_dict().items())
    adapted = create_method(name, SMALLPOSE, weights=path, adapt=True)
    for layer in method.keypoint_layers:
        old, new = method.get_submodule(layer).weight, adapted.get_submodule(layer).weight
        rows_per_joint = len(old) // 17
        wrist, wrist_of_21 = (s.joints.index("left_wrist") for s in (COCO17, SMALLPOSE))
        for row in range(rows_per_joint):
            new_row = wrist_of_21 * rows_per_joint + row
            assert (old[wrist * rows_per_joint + row] == new[new_row]).all()


def test_imagenet_weights_initialise_cal_but_not_its_offsets(tmp_path):
    hrnet, cal = (create_method(n) for n in ("hrnet_w16_tiny", "cal_hrnet_w16_tiny"))
    path = tmp_path / "imagenet.pth"
    backbone = {name: t + 1 for name, t in hrnet.backbone.state_dict().items()}
    classifier_keys = ("classifier.weight", "stage4.0.fuse_layers.1.0.0.0.weight")
    torch.save(backbone | dict.fromkeys(classifier_keys, torch.zeros(9, 9)), path)
    state = create_method("cal_hrnet_w16_tiny", weights=path, partial=True).state_dict()
    assert all((state[name] == t).all() for name, t in backbone.items())
    assert any("_om." in name for name in state)
    assert state.keys() == cal.state_dict().keys()


@pytest.mark.parametrize("udp", [False, True])
def test_a_warp_maps_the_corners_of_its_window_to_the_corners_of_the_crop(udp):
    center, scale = compute_box_window(np.array([[10.0, 20, 60, 160]]), (192, 256))
    matrix = compute_warp_matrix(center[0], scale[0], (192, 256), udp=udp)
    corners = center + np.array([[-0.5, -0.5], [0, 0], [0.5, 0.5]]) * scale
    last = np.array([191, 255]) if udp else np.array([192, 256])
    expected = np.array([[0, 0], last / 2, last])
    assert np.allclose(warp_points(corners, matrix), expected)


def test_the_udp_warp_rotates_about_the_centre():
    center, scale = np.array([50.0, 80.0]), np.array([75.0, 100.0])
    matrix = compute_warp_matrix(center, scale, (192, 256), 90.0, udp=True)
    # A point 10 px to the right of the centre is mapped below it.
    right = warp_points(center + np.array([10, 0]), matrix)
    assert np.allclose(right, [95.5, 127.5 + 10 * 255 / 100])
