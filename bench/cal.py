"""Is our CAL its authors'? Network, targets, mask, loss with gradients and decoding beside theirs.

    git clone https://github.com/ilovepose/Low-resolution-human-pose CLONE
    python bench/cal.py --authors CLONE

Weights come from the tensors' names, as in bench/parity.py. Of the authors' code only the files run
that say what CAL is; what those import besides (scikit-learn's mixture of one Gaussian, a GPU) is
stood in for here.
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
from smallpose.methods import cal as method
from smallpose.models.codecs import cal

HERE = Path(__file__).parent
# Sides of crops and maps, sigma and the offsets' share, as in the authors' three kinds of setting.
SETTINGS = (
    ((192, 256), (48, 64), 2.0, 1.0),
    ((96, 128), (24, 32), 1.0, 0.7),
    ((48, 64), (12, 16), 0.3, 0.7),
)
PAIRS = [[i, i + 1] for i in range(1, 17, 2)]
STAGES = {"STAGE2": (1, 2), "STAGE3": (4, 3), "STAGE4": (3, 4), "STAGE4OM": (3, 4)}


class OneGaussian:
    """scikit-learn's GaussianMixture of one component: most likely mean and covariance."""

    def __init__(self, **_: Any) -> None:
        pass

    def fit(self, points: np.ndarray) -> "OneGaussian":
        exact = points.astype(np.float64)
        self.mean = exact.mean(axis=0)
        self.spread = np.cov(exact.T, bias=True) + 1e-6 * np.eye(2)
        return self

    def score_samples(self, points: np.ndarray) -> np.ndarray:
        from scipy.stats import multivariate_normal

        return multivariate_normal(self.mean, self.spread).logpdf(points)


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def authors(clone: Path) -> SimpleNamespace:
    """Their functions by our words."""
    lib = clone / "lib"
    mixture = ModuleType("sklearn.mixture")
    mixture.GaussianMixture = OneGaussian  # type: ignore[attr-defined]
    sys.modules["sklearn"], sys.modules["sklearn.mixture"] = ModuleType("sklearn"), mixture
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment]
    for package in ("core", "utils"):
        sys.modules[package] = ModuleType(package)
    transforms = load("utils.transforms", lib / "utils" / "transforms.py")
    load("utils.image", lib / "utils" / "image.py")
    load("core.inference", lib / "core" / "inference.py")
    # Their data set's module wants cv2 and helpers of theirs; only how targets are made is asked.
    for name in ("rotate_points", "get_warpmatrix"):
        setattr(transforms, name, None)
    dataset = (lib / "dataset" / "JointsDataset.py").read_text()
    body = "class Targets:\n" + dataset[dataset.index("    def generate_target") :]
    made: dict[str, Any] = {"np": np, "draw_dense_reg": sys.modules["utils.image"].draw_dense_reg}
    exec(compile(body, "JointsDataset.py", "exec"), made)
    return SimpleNamespace(
        network=load("authors_hrnet", lib / "models" / "pose_hrnet.py"),
        loss=load("core.loss", lib / "core" / "loss.py").JointsOffsetLoss,
        decode=load("core.evaluate", lib / "core" / "evaluate.py").get_final_preds_offset,
        flip_back=transforms.flip_back,
        targets=made["Targets"],
    )


class Config(dict):
    """A dict whose entries are attributes, too."""

    __getattr__ = dict.__getitem__


def network(theirs: SimpleNamespace) -> torch.nn.Module:
    """HRNet-W32 with its two last stages, as the settings of 128 × 96 describe it."""
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
    """Names, shapes and raw outputs on the same weights."""
    parity = load("parity_for_cal", HERE / "parity.py")
    ours, other = create_method("cal_hrnet_w32", "coco17").eval(), network(theirs)
    state = parity.fill(ours.state_dict())
    shapes = [{k: tuple(v.shape) for k, v in m.state_dict().items()} for m in (ours, other)]
    if shapes[0] != shapes[1]:
        missing = sorted(set(shapes[0]) ^ set(shapes[1]))
        return {"keys_equal": False, "differing": missing[:9]}
    ours.load_state_dict(state)
    other.load_state_dict(state)
    pictures = parity.pictures("cal", 2, 256, 192)
    with torch.no_grad():
        mine, wanted = ours(pictures), other(pictures)
    errors = [float((a - b).abs().max() / b.abs().max()) for a, b in zip(mine, wanted, strict=True)]
    return {
        "keys": len(state),
        "keys_equal": True,
        "parameters": sum(p.numel() for p in other.parameters()),
        "raw": max(errors),
    }


def compare_parts(theirs: SimpleNamespace, seed: int, setting: tuple) -> dict[str, float]:
    """Largest errors of targets, mask, loss, gradients, keypoints and the mirrored half."""
    (w, h), map_wh, sigma, share = setting
    rng = np.random.default_rng(seed)
    points = (rng.uniform(-0.3, 1.3, (6, 17, 2)) * (w, h)).astype(np.float32)
    points[0, :3] = [[0, 0], [w - 1, h - 1], [w / 2, h / 2]]
    seen = (rng.random((6, 17)) > 0.25).astype(np.float32)
    maker = theirs.targets.__new__(theirs.targets)
    vars(maker).update(
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
    made = [
        maker.generate_target(p.astype(np.float64), np.stack([v] * 3, axis=1))
        for p, v in zip(points, seen, strict=True)
    ]
    maps, fields, disc, _, weights = (
        torch.from_numpy(np.stack([m[i] for m in made])) for i in range(5)
    )
    given = torch.from_numpy(points), torch.from_numpy(seen)
    ours = cal.encode_cal(*given, (w, h), map_wh, sigma)
    pairs = zip(ours, (maps, fields, disc, weights[..., 0]), strict=True)
    errors = {"targets": max(float((a - b).abs().max()) for a, b in pairs)}

    noise = torch.from_numpy(rng.normal(0, 0.2, maps.shape)).float()
    heatmaps = torch.roll(maps, (1, -2), (2, 3)) * 0.6 + noise
    heatmaps[1, 1] = -1
    offsets = torch.from_numpy(rng.normal(0, 1, fields.shape)).float()
    errors.update(mask=0.0, losses=0.0, gradients=0.0)
    for confident in (True, False):
        criterion = theirs.loss(
            True,
            share,
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
        wanted_mask = criterion.gmm_mask(leaves[0][0], maps, weights)
        mask = method.confidence_mask(leaves[1][0], ours[0], ours[3])
        errors["mask"] = max(errors["mask"], float((mask - wanted_mask).abs().max()))
        wanted, _ = criterion(*leaves[0], maps, fields, disc, wanted_mask, weights)
        on_maps, on_offsets = method.heatmap_and_offset_loss(
            (leaves[1][0], leaves[1][1]), ours, mask if confident else ours[2]
        )
        got = on_maps + share * on_offsets
        wanted.backward()
        got.backward()
        errors["losses"] = max(errors["losses"], abs(got.item() / wanted.item() - 1))
        for a, b in zip(*leaves, strict=True):
            off = float((a.grad - b.grad).abs().max() / a.grad.abs().max())
            errors["gradients"] = max(errors["gradients"], off)

    center, scale = rng.uniform(50, 400, (6, 2)), rng.uniform(60, 300, (6, 2))
    # The authors count scales in units of 200 px.
    wanted_points, wanted_scores = theirs.decode(
        heatmaps.numpy().copy(),
        offsets.numpy().copy(),
        1.5,
        center,
        scale / 200,
        None,
        None,
        list(map_wh),
    )
    found, scores = cal.decode_cal(heatmaps, offsets, (w, h))
    placed = map_to_image(found.double().numpy(), center, scale, (w, h))
    errors["keypoints"] = float((np.abs(placed - wanted_points) / scale.max()).max())
    errors["scores"] = float(np.abs(scores.numpy() - wanted_scores[..., 0]).max())
    turned = theirs.flip_back(heatmaps.numpy().copy(), PAIRS)
    away = offsets.numpy().copy()
    away[:, 0::2] = theirs.flip_back(-away[:, 0::2], PAIRS)
    away[:, 1::2] = theirs.flip_back(away[:, 1::2], PAIRS)
    back = cal.flip_back_cal(heatmaps, offsets, torch.from_numpy(COCO17.flip_indices))
    errors["flip"] = max(
        float(np.abs(a.numpy() - b).max()) for a, b in zip(back, (turned, away), strict=True)
    )
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--authors", type=Path, metavar="CLONE")
    parser.add_argument("--many", type=int, default=6, help="random batches for each setting")
    args = parser.parse_args()
    if args.authors is None:
        print("left out: name a clone of the authors' code by --authors")
        return 0
    theirs = authors(args.authors)
    row = compare_networks(theirs)
    for seed in range(args.many):
        for setting in SETTINGS:
            for name, error in compare_parts(theirs, seed, setting).items():
                row[name] = max(row.get(name, 0.0), error)
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
