"""Are ours MMPose's? Every method run beside MMPose's on the same weights, pictures and people.

    python bench/parity.py --mmpose ENV [--methods hrnet_w32,rtmo_s] [--parts 1]

ENV: an environment with MMPose 1.3.2 (see bench/mmpose/README.md). Ours go through
tests/parity/adapter.py. CAL is not in MMPose: see bench/cal.py.
"""

import argparse
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
METHODS = (
    "simplebaseline_res50",
    "hrnet_w32",
    "simcc_res50",
    "rle_res50",
    "vitpose_s",
    "vitpose_s_rle",
    "hrformer_s",
    "cal_hrnet_w32",
    "dekr_hrnet_w32",
    "cid_hrnet_w32",
    "rtmo_s",
    "rtmo_m",
    "rtmo_l",
)
WHOLE = ("rtmo", "cid", "dekr")


def load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parts = load("parity_parts", HERE / "mmpose/parts.py")
adapter = load("parity_adapter", HERE.parent / "tests/parity/adapter.py")


def ask(environment: Path, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """MMPose's answers."""
    with tempfile.TemporaryDirectory() as folder:
        job, theirs = Path(folder, "job.pt"), Path(folder, "theirs.pt")
        torch.save(tasks, job)
        command = [str(environment / "bin/python"), str(HERE / "mmpose/peer.py"), job, theirs]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": ""})
        return torch.load(theirs, weights_only=False)


def chance(key: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(key.encode()))


# Entries a network computes for itself, which no weights may change.
CONSTANT = (
    "relative_position_index",
    "regular_matrix",
    "flow_model.loc",
    "flow_model.cov",
    "flow_model.mask",
    "dim_t",
    "x_bins",
    "y_bins",
    ".sigmas",
)
# So that thresholds in the decoding are sometimes passed.
SHIFTED = {"out_cls.": -1.0, "keypoint_root_conv.": -1.0, "heatmap_conv_layers.2.": 0.2}
GAIN = {
    "flow_model": 0.5,
    "out_bbox": 0.5,
    "transform_matrix_conv": 0.5,
    "keypoint_root_conv": 0.4,
    "displacement_conv_layers.3.": 4.0,
    "gfd_module.heatmap_conv": 0.15,
}


def fill(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights that depend on names and shapes alone, of a size that no layer blows up."""
    filled = {}
    for key, old in state.items():
        if not old.is_floating_point() or key.endswith(CONSTANT):
            filled[key] = old.clone()
            continue
        z = chance(key).standard_normal(tuple(old.shape))
        leaf = key.rsplit(".", 1)[-1]
        if leaf == "running_var":
            new = 0.75 + 0.5 * chance(key).random(tuple(old.shape))
        elif leaf in ("running_mean", "bias", "in_proj_bias", "beta"):
            new = 0.08 * z + next((s for part, s in SHIFTED.items() if part in key), 0)
        elif leaf in ("pos_embed", "pos_enc", "relative_position_bias_table"):
            new = 0.3 * z
        elif leaf == "gamma" or old.ndim <= 1:
            new = (0.5 if ".bn2." in key or ".bn3." in key or "fuse" in key else 0.9) * (
                1 + 0.1 * z
            )
            new = 0.1 * new if "sigma_fc" in key else new
        else:
            gain = next((g for part, g in GAIN.items() if part in key), 1.0)
            new = z * gain / math.sqrt(math.prod(old.shape[1:]))
        filled[key] = torch.as_tensor(np.asarray(new, np.float32))
    return filled


def pictures(method: str, n: int, h: int, w: int) -> torch.Tensor:
    """Tiles of several sizes and noise, as the network wants them."""
    rng = chance(f"pictures {h} {w}")
    total = rng.integers(0, 64, (n, h, w, 3)).astype(np.float64)
    for tile in (16, 32, 64):
        coarse = rng.integers(0, 256, (n, -(-h // tile), -(-w // tile), 3))
        total += coarse.repeat(tile, 1).repeat(tile, 2)[:, :h, :w]
    rgb = (total / total.max() * 255).astype(np.uint8).astype(np.float32)
    if method.startswith("rtmo"):
        x = rgb[..., ::-1]
    else:
        x = (rgb - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32))


def people(method: str, n: int, size: tuple[int, int], groups: int = 5) -> list[dict[str, Any]]:
    """Truths of n pictures: people on and beyond borders, joints unlabelled, one without any."""
    rng, truths = chance(f"people {method} {size}"), []
    w, h = size
    whole = method.startswith(WHOLE)
    for number in range(n):
        some = groups if whole else 1
        if whole:
            center = rng.uniform(0, 1, (some, 1, 2)) * (w, h)
            points = center + rng.normal(0, 1, (some, 17, 2)) * rng.uniform(2, h / 8, (some, 1, 1))
        else:
            points = rng.uniform(-0.15, 1.15, (some, 17, 2)) * (w, h)
            points[0, :3] = [[0, 0], [w - 1, h - 1], [w - 0.5, 3.5]]
        seen = (rng.random((some, 17)) > 0.3).astype(np.float32)
        if whole and number and not method.startswith("rtmo"):
            seen[-1] = 0
        low, high = points.min(axis=1) - 3, points.max(axis=1) + 3
        counts = np.ones((h // 4, w // 4), np.float32)
        counts[5:15, 3:10] = 0
        truths.append(
            {
                "keypoints": points,
                "keypoints_visible": seen,
                "bboxes": np.concatenate([low, high], axis=1),
                "areas": ((high - low).prod(axis=1) * 0.53).astype(np.float32),
                "heatmap_mask": counts if whole else np.ones_like(counts),
            }
        )
    return truths


def method_task(method: str) -> tuple[Any, dict[str, Any]]:
    """Ours, filled, and the task for theirs."""
    model = adapter.build(method)
    state = fill(model.state_dict())
    model.load_state_dict(state)
    w, h = (256, 192) if method.startswith(WHOLE) else model.input_wh
    n = 2 if method.startswith(WHOLE) else 3
    rng = chance(f"windows {method}")
    metas = [
        {
            "input_center": rng.uniform(50, 400, 2),
            "input_scale": np.array([w, h]) * rng.uniform(0.4, 3),
            "input_size": (w, h),
        }
        for _ in range(n)
    ]
    task: dict[str, Any] = {
        "do": "method",
        "method": method,
        "state": state,
        "metas": metas,
        "constants": [k for k in state if k.endswith(CONSTANT)],
        "images": pictures(method, n, h, w),
        "truth": people(method, n, (w, h)),
        "stages": (1, 2) if method.startswith("rtmo") else (0,),
    }
    if method.startswith("rtmo"):
        for truth in task["truth"]:
            truth["heatmap_mask"][:] = 1
    if method.startswith("cid"):
        task["extra"] = {
            "instance_coords": torch.tensor([[3, 5], [40, 21], [63, 47]]),
            "instance_imgids": torch.tensor([0, 1, 1]),
        }
    if method.startswith(("cid", "dekr")):
        task["codec"] = {"input_size": (w, h), "heatmap_size": (w // 4, h // 4)}
    return model, task


def classifier_task(method: str, model: Any, state: dict[str, Any]) -> dict[str, Any]:
    """RTMO's coordinate classifier alone: pose vectors, padded boxes and cells of 50 people."""
    rng = chance(f"classifier {method}")
    channels = model.head.dcc.pose_to_kpts[0].in_features
    center, size = rng.uniform(-20, 660, (50, 2)), np.exp(rng.uniform(0, 6.5, (50, 2)))
    cells = np.round((center + rng.normal(0, 1, (50, 2)) * size) / 16) * 16 + 7.5
    given = rng.normal(0, 1, (50, channels)), np.concatenate([center, size], axis=1), cells
    inputs = tuple(torch.from_numpy(np.asarray(part, np.float32)) for part in given)
    return {"do": "dcc", "method": method, "state": state, "inputs": inputs}


def relative(ours: Any, theirs: Any) -> float:
    """The largest error in parts of their largest value."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return math.inf
    if not theirs.size:
        return 0.0
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))


def compare_method(method: str, model: Any, task: dict[str, Any], theirs: dict[str, Any]) -> dict:
    """One row of the table."""
    own = {k: list(v.shape) for k, v in model.state_dict().items()}
    row: dict[str, Any] = {
        "method": method,
        "keys": len(own),
        "keys_equal": own == theirs["keys"]
        and all((model.state_dict()[k] == v).all() for k, v in theirs["constants"].items()),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    raw = adapter.forward(model, method, task["images"], **task.get("extra", {}))
    errors = {k: relative(raw[k], v) for k, v in theirs["raw"].items()}
    if method.startswith("cid"):
        errors["root_heatmaps"] = relative(raw["root_heatmaps"], theirs["raw"]["root_heatmaps"])
    row["raw"] = max(errors.values())
    row["raw_by_name"] = errors
    for name in ("plain", "flip"):
        if name == "flip" and method.startswith("rtmo"):
            row["flip"], row["people"] = math.nan, row["people"]
            continue
        worst, worst_score, found_people, differing = 0.0, 0.0, 0, 0
        for i, meta in enumerate(task["metas"]):
            images = task["images"][i : i + 1]
            (found,) = adapter.predict(model, method, images, [meta], name == "flip")
            wanted = theirs[name][i]
            points = np.asarray(found["keypoints"]).reshape(-1, 17, 2)
            scores = np.asarray(found["scores"]).reshape(-1, 17)
            found_people += len(points)
            if points.shape != wanted["keypoints"].shape:
                differing += abs(len(points) - len(wanted["keypoints"])) or 1
                continue
            off = np.abs(points - wanted["keypoints"]).max(axis=2) / max(meta["input_scale"])
            # The one step of UDP's decoding has no limit, and nobody's map reads its neighbour's.
            stable = wanted["keypoint_scores"] > 0 if method == "vitpose_s" else off >= 0
            worst = max(worst, float((off * stable).max(initial=0)))
            worst_score = max(worst_score, relative(scores, wanted["keypoint_scores"]))
        row[name], row[f"{name}_scores"] = worst, worst_score
        row["people"] = found_people
        row[f"{name}_differing"] = differing
    row["losses"], row["gradients"] = 0.0, 0.0
    for stage, wanted in theirs["losses"].items():
        if method.startswith("rtmo"):
            model.closing = stage >= 2
        model.zero_grad()
        terms = adapter.train_losses(model, method, task["images"], task["truth"], stage)
        sum(terms.values()).backward()
        gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
        if set(terms) != set(wanted["terms"]):
            row["losses"] = math.inf
            row["loss_names"] = (sorted(terms), sorted(wanted["terms"]))
            continue
        for name, value in wanted["terms"].items():
            error = abs(float(terms[name].detach()) - value) / max(abs(value), 1e-6)
            row["losses"] = max(row["losses"], error)
        large = max(float(g.abs().max()) for g in wanted["gradients"].values())
        for name, gradient in wanted["gradients"].items():
            ours = gradients.get(name)
            ours = torch.zeros_like(gradient) if ours is None else ours
            scale = max(float(gradient.abs().max()), 1e-4 * large)
            row["gradients"] = max(row["gradients"], float((ours - gradient).abs().max()) / scale)
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmpose", type=Path, metavar="ENV")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--parts", type=int, default=1, help="times as many random inputs")
    args = parser.parse_args()
    if args.mmpose is None:
        print("left out: name an environment with MMPose by --mmpose (bench/mmpose/README.md)")
        return 0
    if args.parts:
        made = list(parts.parts(adapter, args.parts))
        theirs = ask(args.mmpose, [task for _, task, _, _ in made])
        worst: dict[str, tuple[float, int, float]] = {}
        for (name, _, ours, allowed), answer in zip(made, theirs, strict=True):
            try:
                wrong = parts.error(name, ours(), answer)
            except NotImplementedError:
                continue
            before = worst.get(name, (0.0, 0, allowed))
            worst[name] = max(before[0], wrong), before[1] + 1, allowed
        for name, (wrong, count, allowed) in worst.items():
            print(f"{name:<32}{count:>4}  {wrong:.1e}  {'' if wrong <= allowed else 'DIFFERS'}")
    methods = [m for m in args.methods.split(",") if m and not m.startswith("cal")]
    pairs = [method_task(method) for method in methods]
    alone = {
        method: classifier_task(method, model, task["state"])
        for method, (model, task) in zip(methods, pairs, strict=True)
        if method.startswith("rtmo")
    }
    theirs = ask(args.mmpose, [*(task for _, task in pairs), *alone.values()])
    answers = dict(zip(alone, theirs[len(pairs) :], strict=True))
    for method, (model, task), answer in zip(methods, pairs, theirs, strict=False):
        row = compare_method(method, model, task, answer)
        if method in alone:
            with torch.no_grad():
                joints = adapter.dcc(model, *alone[method]["inputs"])
            # In parts of the longer side of each person's box, as keypoints elsewhere.
            size = alone[method]["inputs"][1][:, 2:].amax(dim=1)[:, None, None]
            off = (joints - answers[method]["keypoints"]).abs() / size
            row["classifier_alone"] = float(off.max())
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
