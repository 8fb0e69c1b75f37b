"""The adapter's functions, called as `shared/parity/adapter.md` writes them, on known answers.

Losses with a reference are compared with it; the others have inputs whose loss is worked out here.
"""

import importlib.util
import math
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"
SPEC = importlib.util.spec_from_file_location(
    "parity_adapter_as_written", Path(__file__).with_name("adapter.py")
)
assert SPEC is not None and SPEC.loader is not None
adapter = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(adapter)

needs_references = pytest.mark.skipif(
    not PARITY.exists(), reason="no parity material beside the repository (../shared/parity)"
)
LOG2 = math.log(2)
CALLS = {
    "train_losses": "model method images targets stage",
    "dcc": "model pose_feats bbox_cs grids",
    "oks_nms": "keypoints scores areas thr",
    "nearby_joints_nms": "keypoints keypoint_scores dist_thr",
    "box_nms": "boxes scores thr",
    "cal_gmm_mask": "heatmap target weight",
    "cal_loss": "variant heatmap offset target target_offset mask gmm_mask weight",
}


def fill(*shape: int, value: float = 0.0) -> torch.Tensor:
    return torch.full(shape, value)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_have_the_pages_names_and_order(name):
    assert list(signature(getattr(adapter, name)).parameters) == CALLS[name].split()
    if PARITY.exists():
        assert f"{name}({', '.join(CALLS[name].split())})" in (PARITY / "adapter.md").read_text()


@needs_references
@pytest.mark.parametrize(
    "name", ["keypoint_mse", "keypoint_mse_noweight", "keypoint_mse_pixelweight_mask", "rle"]
)
def test_losses_with_references_equal_them(name):
    references = np.load(PARITY / "references" / "losses.npz")
    start = f"{name}/in/"
    tensors = {
        key.removeprefix(start): torch.from_numpy(references[key])
        for key in references.files
        if key.startswith(start)
    }
    gradients = [key for key in references.files if key.startswith(f"{name}/grad/")]
    for key in gradients:
        tensors[key.rsplit("/", 1)[1]].requires_grad_()
    value = adapter.loss(name, **tensors)
    value.sum().backward()
    np.testing.assert_allclose(value.detach(), references[f"{name}/value"], rtol=1e-5)
    for key in gradients:
        gradient = tensors[key.rsplit("/", 1)[1]].grad
        largest = np.abs(references[key]).max()
        np.testing.assert_allclose(gradient, references[key], atol=1e-4 * largest)


def test_kl_discrete_is_a_mean_over_bins_and_keypoints_and_a_sum_over_the_batch():
    labels = {"gx": fill(2, 5, 20), "gy": fill(2, 5, 30)}
    for label in labels.values():
        label[..., 3] = 1
    weight = fill(2, 5, value=1)
    weight[0, 0] = 0
    got = adapter.loss("kl_discrete", x=fill(2, 5, 20), y=fill(2, 5, 30), **labels, weight=weight)
    assert got.item() == pytest.approx(9 / 5 * (math.log(20) / 20 + math.log(30) / 30))


@pytest.mark.parametrize(("error", "expected"), [(1.0, 17 / 18), (1 / 18, 1 / 72)])
def test_soft_weight_smooth_l1_is_dekrs_term_of_the_offsets(error, expected):
    weight = fill(2, 6, 8, 6)
    weight[:, ::2] = 0.5
    got = adapter.loss(
        "soft_weight_smooth_l1",
        output=fill(2, 6, 8, 6, value=error),
        target=fill(2, 6, 8, 6),
        weight=weight,
    )
    assert got.item() == pytest.approx(0.002 * 0.5 * expected)


def test_focal_heatmap_is_cids_term_of_peoples_own_heatmaps():
    target, weight = fill(2, 5, 8, 6), fill(2, 5)
    target[0, 0, 4, 4] = target[1, 1, 2, 2] = 1
    weight[0, 0] = 1  # the second peak has no weight
    got = adapter.loss(
        "focal_heatmap", output=fill(2, 5, 8, 6, value=0.5), target=target, weight=weight
    )
    assert got.item() == pytest.approx(4 * 48 * LOG2 / 4)


def test_focal_heatmap_with_a_mask_has_weight_1():
    target, mask = fill(2, 5, 8, 6), fill(2, 1, 8, 6)
    target[0, 0, 0, 0] = 1
    mask[:, :, :3] = 1
    got = adapter.loss(
        "focal_heatmap_mask", output=fill(2, 5, 8, 6, value=0.5), target=target, mask=mask
    )
    assert got.item() == pytest.approx(2 * 5 * 18 * LOG2 / 4)


def test_focal_heatmap_without_a_peak_is_not_divided():
    got = adapter.loss(
        "focal_heatmap_nopos", output=fill(1, 2, 4, 4, value=0.5), target=fill(1, 2, 4, 4)
    )
    assert got.item() == pytest.approx(32 * LOG2 / 4)


def test_info_nce_is_a_sum_over_instances():
    features = fill(6, 40)
    features[:3, 0] = 5
    features[3:, 1] = 2
    got = adapter.loss("info_nce", features=features)
    assert got.item() == pytest.approx(6 * math.log(3 + 3 * math.exp(-1 / 0.05)))


def test_varifocal_weighs_negatives_by_their_score():
    target = fill(40, 1)
    target[0] = 0.5
    got = adapter.loss("varifocal", output=fill(40, 1), target=target, weight=fill(40, 1, value=2))
    assert got.item() == pytest.approx(2 * (0.5 + 39 * 0.75 / 4) * LOG2)


def test_iou_square_is_rtmos_term_of_the_boxes():
    output = torch.tensor([[0.0, 0, 10, 10]]).repeat(9, 1)
    target = torch.tensor([[5.0, 0, 15, 10]]).repeat(9, 1)  # IoU 1/3
    got = adapter.loss("iou_square", output=output, target=target)
    assert got.item() == pytest.approx(5 * 9 * 8 / 9)


def test_oks_is_rtmos_term_of_the_keypoints_for_each_person():
    sigmas = torch.tensor(adapter.COCO17.sigmas, dtype=torch.float32)
    output, target, weight = fill(4, 17, 2), fill(4, 17, 2), fill(4, 17, value=1)
    output[1, :, 0] = 2 * sigmas * 30  # exp(-1/2) each, of an area of 30²
    weight[2] = 0
    weight[3, 5] = 0
    got = adapter.loss("oks", output=output, target=target, weight=weight, areas=fill(4, value=900))
    expected = [0, 30 * (1 - math.exp(-0.5)), 30, 30 / 17]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_bce_vis_is_a_mean_of_logits_cross_entropies():
    weight = fill(4, 17)
    weight[:2] = 1
    got = adapter.loss("bce_vis", output=fill(4, 17), target=fill(4, 17), weight=weight)
    assert got.item() == pytest.approx(LOG2 / 2)


def test_mle_cc_is_a_mean_over_keypoints_for_each_person():
    weight = fill(4, 17)
    weight[0] = 1
    weight[1, :8] = 1
    got = adapter.loss(
        "mle_cc",
        x=fill(4, 17, 20, value=1 / 20),
        y=fill(4, 17, 30, value=1 / 30),
        gx=fill(4, 17, 20, value=2),
        gy=fill(4, 17, 30, value=1),
        weight=weight,
    )
    expected = -math.log(2 + 1e-4) * np.array([1, 8 / 17, 0, 0])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_l1_sum_is_a_sum():
    assert adapter.loss("l1_sum", output=fill(9, 4, value=-1), target=fill(9, 4)).item() == 36


def test_losses_that_the_page_does_not_name_are_not_implemented():
    with pytest.raises(NotImplementedError):
        adapter.loss("oks_loss", output=fill(1))


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("total", 0.5 * 0.25 / 4 + 0.7 * 1.5 / 4),
        ("total_pixel_weighted", 0.5 * (0.5 * math.exp(2)) ** 2 / 4 + 0.7 * 1.5 / 4),
        ("total_pred_mask", 0.5 * 0.25 / 4 + 0.7 * 0.5 / (0.5 + 1e-5) / 4),
        ("total_binary_mask", 0.5 * 0.25 / 4 + 0.7 * 2 / 4),
    ],
)
def test_cal_loss_has_the_variants_of_its_authors(variant, expected):
    heatmap = torch.tensor([[0.5, 0], [0, 0]])[None, None].repeat(2, 1, 1, 1)
    target = torch.tensor([[1.0, 0], [0, 0]])[None, None].repeat(2, 1, 1, 1)
    mask = torch.tensor([[1.0, 1], [0, 0]])[None, None].repeat(2, 1, 1, 1)
    gmm_mask = torch.tensor([[1.0, 0], [0, 0.5]])[None, None].repeat(2, 1, 1, 1)
    offset, weight = fill(2, 2, 2, 2, value=1), torch.tensor([[[1.0]], [[0.0]]])
    got = adapter.cal_loss(
        variant, heatmap, offset, target, fill(2, 2, 2, 2), mask, gmm_mask, weight
    )
    assert got.item() == pytest.approx(expected / 2)  # the second crop's keypoint does not count


def test_cal_gmm_mask_is_where_maxima_fall():
    target, heatmap = fill(1, 2, 16, 12), fill(1, 2, 16, 12)
    target[0, :, 8, 6] = 1
    heatmap[0, :, 8, 7] = 1  # always one pixel to the right
    mask = adapter.cal_gmm_mask(heatmap, target, fill(1, 2, 1, value=1))
    assert mask.shape == (1, 2, 16, 12)
    assert [divmod(int(i), 12) for i in mask.flatten(2).argmax(dim=2)[0]] == [(8, 7), (8, 7)]
    assert mask.max() == pytest.approx(1, abs=1e-4)


def test_encode_cal_returns_a_heatmap_an_offset_and_a_mask():
    points = np.full((1, 17, 2), 96.0)
    targets = adapter.encode("cal", points, np.ones((1, 17)))
    shapes = {name: array.shape for name, array in targets.items()}
    assert shapes == {"heatmap": (17, 64, 48), "offset": (34, 64, 48), "mask": (17, 64, 48)}


def test_the_boxes_corners_decide_the_width_of_decoupled_heatmaps():
    points, visible = np.full((1, 17, 2), 200.0), np.ones((1, 17))
    corners = np.array([[[120, 120], [120, 280], [280, 120], [280, 280]]], np.float32)
    targets = adapter.encode("decoupled", points, visible, bbox_corners=corners)
    # Sides of 40 map px: the smallest of CornerNet's three radii, a third of which is sigma.
    sigma = (-112 + math.sqrt(112**2 + 16 * 0.7 * 0.3 * 1600)) / 2 / 3
    for name in ("heatmaps", "instance_heatmaps"):
        row = np.squeeze(targets[name])[0, targets[name].squeeze()[0].max(axis=1).argmax()]
        assert row[row.argmax() + 2] == pytest.approx(math.exp(-4 / 2 / sigma**2), rel=1e-5)
    tight = points[:, :1] + np.array([[-8, -8], [-8, 8], [8, -8], [8, 8]])
    points[0, :2] = [[192, 192], [208, 208]]
    given = adapter.encode("decoupled", points, visible, bbox_corners=tight)
    derived = adapter.encode("decoupled", points, visible, bbox_corners=None)
    assert all((given[name] == derived[name]).all() for name in given)


def test_decode_spr_returns_scores_of_roots_and_of_keypoints():
    heatmaps, displacements = np.zeros((18, 64, 48), np.float32), np.zeros((34, 64, 48), np.float32)
    heatmaps[17, 10, 20], heatmaps[17, 40, 5] = 0.5, 0.75
    heatmaps[:17] = 0.25
    keypoints, (root, scores) = adapter.decode(
        "spr", heatmaps=heatmaps, displacements=displacements
    )
    assert (keypoints[:, 0] == [[20, 160], [80, 40]]).all()
    assert root.tolist() == [0.75, 0.5]
    assert scores.shape == (2, 17) and (scores == 0.25).all()


def test_decode_decoupled_multiplies_maxima_by_the_people_scores():
    heatmaps = np.zeros((2, 17, 64, 48), np.float32)
    heatmaps[:, :, 10, 20] = 0.5
    keypoints, scores = adapter.decode(
        "decoupled", instance_heatmaps=heatmaps, instance_scores=np.array([[1.0], [0.5]])
    )
    assert (keypoints == [80, 40]).all()
    assert scores[:, 0].tolist() == [0.5, 0.25]


def test_suppressions_keep_the_best_of_each_group():
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 100, (17, 2))
    people, areas = np.stack([pose, pose + 1, pose + 500]), np.full(3, 10000.0)
    scores = np.array([0.5, 0.9, 0.7])
    assert list(adapter.oks_nms(people, scores, areas, 0.5)) == [1, 2]
    assert list(adapter.oks_nms(people, scores, areas, thr=0.9999)) == [1, 2, 0]
    by_keypoint = np.repeat(scores[:, None], 17, axis=1)
    assert list(adapter.nearby_joints_nms(people, by_keypoint, 0.05)) == [1, 2]
    assert list(adapter.nearby_joints_nms(people, by_keypoint, dist_thr=1e-3)) == [1, 2, 0]
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], np.float32)
    assert list(adapter.box_nms(boxes, scores, 0.65)) == [1, 2]
    assert list(adapter.box_nms(boxes, scores, thr=0.95)) == [1, 2, 0]


@pytest.fixture(scope="module")
def rtmo() -> Any:
    torch.manual_seed(0)
    return adapter.build("rtmo_s")


def test_dcc_returns_keypoints_bins_and_sigmas(rtmo):
    bbox_cs = torch.tensor([[50.0, 60, 40, 80], [100, 90, 20, 30], [9, 9, 5, 5]])
    grids = torch.tensor([[55.5, 55.5], [103.5, 87.5], [7.5, 7.5]])
    got = adapter.dcc(rtmo, torch.randn(3, 256), bbox_cs, grids)
    shapes = {name: tuple(t.shape) for name, t in got.items()}
    assert shapes == {
        "keypoints": (3, 17, 2),
        "x_hms": (3, 17, 192),
        "y_hms": (3, 17, 256),
        "sigmas": (3, 17),
    }
    for axis, name in enumerate(("x_hms", "y_hms")):
        np.testing.assert_allclose(got[name].sum(dim=-1), 1, rtol=1e-5)
        steps = torch.linspace(-0.5, 0.5, got[name].shape[-1])
        position = bbox_cs[:, axis, None] + bbox_cs[:, 2 + axis, None] * steps
        expected = (got[name] * position[:, None]).sum(dim=-1)
        np.testing.assert_allclose(got["keypoints"][..., axis], expected, rtol=1e-4)
    assert (got["sigmas"] > 0).all() and (got["sigmas"] < 0.1).all()


def test_train_losses_of_full_images_take_people_by_the_pages_keys(rtmo):
    rng = np.random.default_rng(1)
    keypoints = rng.uniform(20, 100, (2, 17, 2))
    corners = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    target = {
        "keypoints": keypoints,
        "visible": np.ones((2, 17)),
        "bboxes": corners,
        "areas": np.full(2, 4000.0),
    }
    image = torch.from_numpy(rng.uniform(0, 255, (1, 3, 128, 128))).float()
    first, second, closing = (
        adapter.train_losses(rtmo, "rtmo_s", image, [target], stage)
        for stage in ("stage1", "stage2", "stage3_aux")
    )
    names = {f"loss_{name}" for name in ("bbox", "vis", "mle", "oks", "cls")}
    assert set(first) == set(second) == names
    assert set(closing) == names | {"loss_bbox_aux"}
    assert second["loss_mle"].item() == pytest.approx(5 * first["loss_mle"].item())
    assert not rtmo.training
    empty = {key: value[:0] for key, value in target.items()}
    terms = adapter.train_losses(rtmo, "rtmo_s", image, [empty], "stage1")
    assert terms["loss_bbox"].item() == 0


def test_train_losses_of_crops_take_people_by_the_pages_keys():
    rng = np.random.default_rng(2)
    model = adapter.build("simplebaseline_res50")
    points, visible = rng.uniform(0, 190, (2, 1, 17, 2)), np.ones((2, 1, 17))
    visible[0, 0, 3] = 0
    targets = [
        {"keypoints": p, "visible": v, "bboxes": np.array([[0, 0, 192, 256]]), "areas": np.ones(1)}
        for p, v in zip(points, visible, strict=True)
    ]
    images = torch.from_numpy(rng.normal(0, 1, (2, 3, 256, 192))).float()
    terms = adapter.train_losses(model, "simplebaseline_res50", images, targets, "train")
    encoded = [adapter.encode("msra", p, v) for p, v in zip(points, visible, strict=True)]
    expected = adapter.loss(
        "keypoint_mse",
        output=adapter.forward(model, "simplebaseline_res50", images)["heatmaps"],
        target=torch.from_numpy(np.stack([e["heatmaps"] for e in encoded])),
        weight=torch.from_numpy(np.concatenate([e["keypoint_weights"] for e in encoded])),
    )
    assert terms["loss_kpt"].item() == pytest.approx(expected.item())
    terms["loss_kpt"].backward()
