"""Compare CAL with its authors' code: network, targets, mask, loss, gradients, decoding.

    git clone https://github.com/ilovepose/Low-resolution-human-pose CLONE
    python bench/cal.py --authors CLONE

Weights are derived from the tensors' names, as in bench/parity.py. Of the authors' code only the
files that define CAL run; their other imports (scikit-learn's mixture of one Gaussian, a GPU) are
replaced here.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from smallpose import create_method
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import map_to_image
from smallpose.methods.cal import compute_confidence_mask, heatmap_and_offset_loss
from smallpose.models.codecs.cal import decode_cal, encode_cal, flip_back_cal

HERE = Path(__file__).parent
# Sizes of crops and maps, sigma and offset weight of the authors' three settings.
SETTINGS = (
    ((192, 256), (48, 64), 2.0, 1.0),
    ((96, 128), (24, 32), 1.0, 0.7),
    ((48, 64), (12, 16), 0.3, 0.7),
)
# The adapter's variants of the loss: the authors' flags pixel_hm, pred_mask and gt_mask.
VARIANTS = {
    "total": (False, False, True),
    "total_pixel_weighted": (True, False, True),
    "total_pred_mask": (False, True, False),
    "total_binary_mask": (False, False, False),
}
PAIRS = [[i, i + 1] for i in range(1, 17, 2)]
STAGES = {"STAGE2": (1, 2), "STAGE3": (4, 3), "STAGE4": (3, 4), "STAGE4OM": (3, 4)}


class OneGaussian:
    """scikit-learn's GaussianMixture with one component: maximum-likelihood mean and covariance."""

    def __init__(self, **_: Any) -> None:
        pass

    def fit(self, points: np.ndarray) -> "OneGaussian":
        points = points.astype(np.float64)
        self.mean = points.mean(axis=0)
        self.covariance = np.cov(points.T, bias=True) + 1e-6 * np.eye(2)
        return self

    def score_samples(self, points: np.ndarray) -> np.ndarray:
        from scipy.stats import multivariate_normal

        return multivariate_normal(self.mean, self.covariance).logpdf(points)


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


adapter = load_module("parity_adapter", HERE.parent / "tests/parity/adapter.py")


def load_authors_code(clone: Path) -> SimpleNamespace:
    """Load the authors' functions under the terms of this benchmark."""
    lib = clone / "lib"
    mixture = ModuleType("sklearn.mixture")
    mixture.GaussianMixture = OneGaussian  # type: ignore[attr-defined]
    sys.modules["sklearn"], sys.modules["sklearn.mixture"] = ModuleType("sklearn"), mixture
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment]
    for package in ("core", "utils"):
        sys.modules[package] = ModuleType(package)
    transforms = load_module("utils.transforms", lib / "utils" / "transforms.py")
    load_module("utils.image", lib / "utils" / "image.py")
    load_module("core.inference", lib / "core" / "inference.py")
    # Their data set's module imports cv2 and more helpers; only its target generation is needed.
    for name in ("rotate_points", "get_warpmatrix"):
        setattr(transforms, name, None)
    dataset = (lib / "dataset" / "JointsDataset.py").read_text()
    body = "class Targets:\n" + dataset[dataset.index("    def generate_target") :]
    namespace: dict[str, Any] = {
        "np": np,
        "draw_dense_reg": sys.modules["utils.image"].draw_dense_reg,
    }
    exec(compile(body, "JointsDataset.py", "exec"), namespace)
    return SimpleNamespace(
        network=load_module("authors_hrnet", lib / "models" / "pose_hrnet.py"),
        loss=load_module("core.loss", lib / "core" / "loss.py").JointsOffsetLoss,
        decode=load_module("core.evaluate", lib / "core" / "evaluate.py").get_final_preds_offset,
        flip_back=transforms.flip_back,
        targets=namespace["Targets"],
    )


class Config(dict):
    """A dict whose entries are also attributes."""

    __getattr__ = dict.__getitem__


def build_authors_network(theirs: SimpleNamespace) -> torch.nn.Module:
    """Build HRNet-W32 with two last stages, as in the authors' settings for 128 × 96."""
    extra = Config(
        {
            name: Config(
                NUM_MODULES=modules,
                NUM_BRANCHES=branches,
                BLOCK="BASIC",
                NUM_BLOCKS=[4] * branches,
                NUM_CHANNELS=[32 * 2**i for i in range(branches)],
                FUSE_METHOD="SUM",
            )
            for name, (modules, branches) in STAGES.items()
        }
    )
    extra.update(PRETRAINED_LAYERS=["*"], FINAL_CONV_KERNEL=1)
    extra.update(FINAL_HM=Config(BLOCK="BASIC"), FINAL_OM=Config(BLOCK="BASIC"))
    config = Config(MODEL=Config(EXTRA=extra, NUM_JOINTS=17, INIT_WEIGHTS=False))
    return theirs.network.get_pose_net(config, is_train=False).eval()


def compare_networks(theirs: SimpleNamespace) -> dict[str, Any]:
    """Compare names, shapes and raw outputs with the same weights."""
    parity = load_module("parity_for_cal", HERE / "parity.py")
    ours = create_method("cal_hrnet_w32", "coco17").eval()
    other = build_authors_network(theirs)
    state = parity.fill_state_dict(ours.state_dict())
    shapes = [{k: tuple(v.shape) for k, v in m.state_dict().items()} for m in (ours, other)]
    if shapes[0] != shapes[1]:
        missing = sorted(set(shapes[0]) ^ set(shapes[1]))
        return {"keys_equal": False, "differing": missing[:9]}
    ours.load_state_dict(state)
    other.load_state_dict(state)
    images = parity.make_images("cal", 2, 256, 192)
    with torch.no_grad():
        outputs, expected = ours(images), other(images)
    pairs = zip(outputs, expected, strict=True)
    errors = [float((a - b).abs().max() / b.abs().max()) for a, b in pairs]
    return {
        "keys": len(state),
        "keys_equal": True,
        "parameters": sum(p.numel() for p in other.parameters()),
        "raw": max(errors),
    }


def compare_parts(theirs: SimpleNamespace, seed: int, setting: tuple) -> dict[str, float]:
    """Compute the largest errors of targets, mask, loss, gradients, keypoints and flip."""
    (w, h), map_wh, sigma, offset_weight = setting
    rng = np.random.default_rng(seed)
    points = (rng.uniform(-0.3, 1.3, (6, 17, 2)) * (w, h)).astype(np.float32)
    points[0, :3] = [[0, 0], [w - 1, h - 1], [w / 2, h / 2]]
    visible = (rng.random((6, 17)) > 0.25).astype(np.float32)
    generator = theirs.targets.__new__(theirs.targets)
    vars(generator).update(
        num_joints=17,
        heatmap_size=np.array(map_wh),
        image_size=np.array((w, h)),
        feat_stride=(np.array((w, h)) - 1.0) / (np.array(map_wh) - 1.0),
        sigma=sigma,
        locref_stdev=1.5,
        mask_sigma=1.0,
        kpd=4.0,
        use_different_joints_weight=False,
        target_type="gaussian",
    )
    generated = [
        generator.generate_target(p.astype(np.float64), np.stack([v] * 3, axis=1))
        for p, v in zip(points, visible, strict=True)
    ]
    true_heatmaps, true_offsets, disc, _, weights = (
        torch.from_numpy(np.stack([target[i] for target in generated])) for i in range(5)
    )
    ours = encode_cal(torch.from_numpy(points), torch.from_numpy(visible), (w, h), map_wh, sigma)
    pairs = zip(ours, (true_heatmaps, true_offsets, disc, weights[..., 0]), strict=True)
    errors = {"targets": max(float((a - b).abs().max()) for a, b in pairs)}

    noise = torch.from_numpy(rng.normal(0, 0.2, true_heatmaps.shape)).float()
    heatmaps = torch.roll(true_heatmaps, (1, -2), (2, 3)) * 0.6 + noise
    heatmaps[1, 1] = -1
    offsets = torch.from_numpy(rng.normal(0, 1, true_offsets.shape)).float()
    errors.update(mask=0.0, losses=0.0, gradients=0.0)
    for confident in (True, False):
        criterion = theirs.loss(
            True,
            offset_weight,
            False,
            False,
            confident,
            alpha=0.1,
            beta=0.9,
            gama=1,
            smooth_l1=False,
            bce=False,
        )
        leaves = [[t.clone().requires_grad_() for t in (heatmaps, offsets)] for _ in "ab"]
        expected_mask = criterion.gmm_mask(leaves[0][0], true_heatmaps, weights)
        mask = compute_confidence_mask(leaves[1][0], ours[0], ours[3])
        errors["mask"] = max(errors["mask"], float((mask - expected_mask).abs().max()))
        expected, _ = criterion(
            *leaves[0], true_heatmaps, true_offsets, disc, expected_mask, weights
        )
        heatmap_loss, offset_loss = heatmap_and_offset_loss(
            (leaves[1][0], leaves[1][1]), ours, mask if confident else ours[2]
        )
        loss = heatmap_loss + offset_weight * offset_loss
        expected.backward()
        loss.backward()
        errors["losses"] = max(errors["losses"], abs(loss.item() / expected.item() - 1))
        for a, b in zip(*leaves, strict=True):
            error = float((a.grad - b.grad).abs().max() / a.grad.abs().max())
            errors["gradients"] = max(errors["gradients"], error)

    maps = heatmaps, offsets, true_heatmaps, true_offsets, disc
    for variant, flags in VARIANTS.items():
        criterion = theirs.loss(
            True, 0.7, *flags, alpha=0.1, beta=0.9, gama=1, smooth_l1=False, bce=False
        )
        expected, _ = criterion(*maps, expected_mask, weights)
        loss = adapter.cal_loss(variant, *maps, expected_mask, weights)
        errors[variant] = abs(loss.item() / expected.item() - 1)

    center, scale = rng.uniform(50, 400, (6, 2)), rng.uniform(60, 300, (6, 2))
    # The authors count scales in units of 200 px.
    expected_points, expected_scores = theirs.decode(
        heatmaps.numpy().copy(),
        offsets.numpy().copy(),
        1.5,
        center,
        scale / 200,
        None,
        None,
        list(map_wh),
    )
    decoded, scores = decode_cal(heatmaps, offsets, (w, h))
    keypoints = map_to_image(decoded.double().numpy(), center, scale, (w, h))
    errors["keypoints"] = float((np.abs(keypoints - expected_points) / scale.max()).max())
    errors["scores"] = float(np.abs(scores.numpy() - expected_scores[..., 0]).max())
    flipped_heatmaps = theirs.flip_back(heatmaps.numpy().copy(), PAIRS)
    fields = offsets.numpy().copy()
    fields[:, 0::2] = theirs.flip_back(-fields[:, 0::2], PAIRS)
    fields[:, 1::2] = theirs.flip_back(fields[:, 1::2], PAIRS)
    ours = flip_back_cal(heatmaps, offsets, torch.from_numpy(COCO17.flip_indices))
    errors["flip"] = max(
        float(np.abs(a.numpy() - b).max())
        for a, b in zip(ours, (flipped_heatmaps, fields), strict=True)
    )
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--authors", type=Path, metavar="CLONE", help="Clone of the authors' repository."
    )
    parser.add_argument(
        "--batches",
        type=int,
        default=6,
        metavar="N",
        help="Number of random batches for each setting (default: 6).",
    )
    args = parser.parse_args()
    if args.authors is None:
        print("skipped: pass a clone of the authors' code with --authors CLONE")
        return 0
    theirs = load_authors_code(args.authors)
    row = compare_networks(theirs)
    for seed in range(args.batches):
        for setting in SETTINGS:
            for name, error in compare_parts(theirs, seed, setting).items():
                row[name] = max(row.get(name, 0.0), error)
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
