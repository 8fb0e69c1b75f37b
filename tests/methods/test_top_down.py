"""Top-down methods and their tiny twins: any skeleton, hostile labels, masks, weights."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from smallpose import create_method
from smallpose.core.skeleton import AIC14, COCO17, SMALLPOSE, Skeleton
from smallpose.dataloading.affine import compute_box_window, compute_warp_matrix, warp_points

TWINS = [
    "hrnet_w16_tiny",
    "simcc_r18_tiny",
    "rle_r18_tiny",
    "vitpose_tiny",
    "vitpose_rle_tiny",
    "hrformer_tiny",
    "cal_hrnet_w16_tiny",
    "simple_baseline_r18_tiny",
]


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("skeleton", [COCO17, AIC14, Skeleton("two", ("nose", "tail"))])
def test_any_skeleton_will_do(name, skeleton):
    method = create_method(name, skeleton)
    assert 0.3e6 < method.num_parameters < 1.5e6
    w, h = method.input_wh
    points, scores = method.decode(method.compute_outputs(torch.randn(2, 3, h, w), flip_test=True))
    assert points.shape == (2, len(skeleton), 2)
    assert scores.shape == (2, len(skeleton))


@pytest.mark.parametrize("name", TWINS)
def test_the_flip_test_of_a_symmetric_image_is_symmetric(name):
    """x of a joint and of its partner add up to the mirror's axis, twice."""
    torch.manual_seed(1)
    method = create_method(name, SMALLPOSE)
    w, h = method.input_wh
    pictures = torch.randn(2, 3, h, w)
    both = method.compute_outputs(pictures, flip_test=True)
    turned = method.compute_outputs(pictures.flip(-1), flip_test=True)
    if name.startswith(("hrnet", "hrformer", "simple_baseline")):
        return  # the shift by a column makes it an approximation
    back = method.flip_back(turned)
    pairs = zip(both, back, strict=True) if isinstance(both, tuple) else [(both, back)]
    for here, there in pairs:
        assert torch.allclose(here, there, atol=1e-4)


@pytest.mark.parametrize("name", TWINS)
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
    method_loss = method.loss(method(torch.randn(4, 3, h, w)), method.targets(keypoints))
    loss = sum(method_loss.values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", TWINS)
def test_joints_that_are_not_labelled_teach_nothing(name):
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


@pytest.mark.parametrize("name", TWINS)
def test_weights_come_back_from_a_file(name, tmp_path):
    torch.manual_seed(0)
    method = create_method(name, COCO17)
    path = tmp_path / "model.safetensors"
    save_file({key: t.contiguous() for key, t in method.state_dict().items()}, path)
    again = create_method(name, COCO17, weights=path)
    assert all((again.state_dict()[key] == t).all() for key, t in method.state_dict().items())
    wider = create_method(name, SMALLPOSE, weights=path, adapt=True)
    for layer in method.keypoint_layers:
        here, there = method.get_submodule(layer).weight, wider.get_submodule(layer).weight
        each = len(here) // 17
        wrist, wrist_of_21 = (s.joints.index("left_wrist") for s in (COCO17, SMALLPOSE))
        for row in range(each):
            assert (here[wrist * each + row] == there[wrist_of_21 * each + row]).all()


def test_imagenet_weights_begin_cal_but_not_its_offsets(tmp_path):
    hrnet, cal = (create_method(n) for n in ("hrnet_w16_tiny", "cal_hrnet_w16_tiny"))
    path = tmp_path / "imagenet.pth"
    kept = {name: t + 1 for name, t in hrnet.backbone.state_dict().items()}
    of_classifier = ("classifier.weight", "stage4.0.fuse_layers.1.0.0.0.weight")
    torch.save(kept | dict.fromkeys(of_classifier, torch.zeros(9, 9)), path)
    begun = create_method("cal_hrnet_w16_tiny", weights=path).state_dict()
    assert all((begun[name] == t).all() for name, t in kept.items())
    assert any("_om." in name for name in begun)
    assert begun.keys() == cal.state_dict().keys()


@pytest.mark.parametrize("udp", [False, True])
def test_a_window_lands_where_its_warp_says(udp):
    center, scale = compute_box_window(np.array([[10.0, 20, 60, 160]]), (192, 256))
    matrix = compute_warp_matrix(center[0], scale[0], (192, 256), udp=udp)
    corners = center + np.array([[-0.5, -0.5], [0, 0], [0.5, 0.5]]) * scale
    last = np.array([191, 255]) if udp else np.array([192, 256])
    wanted = np.array([[0, 0], last / 2, last])
    assert np.allclose(warp_points(corners, matrix), wanted)


def test_the_udp_warp_turns_about_the_centre_at_any_angle():
    center, scale = np.array([50.0, 80.0]), np.array([75.0, 100.0])
    matrix = compute_warp_matrix(center, scale, (192, 256), 90.0, udp=True)
    # 10 px to the right of the centre come to lie below it.
    right = warp_points(center + np.array([10, 0]), matrix)
    assert np.allclose(right, [95.5, 127.5 + 10 * 255 / 100])
