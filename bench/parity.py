"""Compare every method with MMPose's on the same weights, images and people.

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
    "vitpose_b",
    "hrnet_w48",
    "hrformer_s",
    "rtmpose_t",
    "rtmpose_s",
    "rtmpose_m",
    "rtmpose_l",
    "rtmpose_s_halpe26",
    "cal_hrnet_w32",
    "dekr_hrnet_w32",
    "cid_hrnet_w32",
    "rtmo_s",
    "rtmo_m",
    "rtmo_l",
)
FULL_IMAGE = ("rtmo", "cid", "dekr")
STAGES = ("train", "stage1", "stage3_aux")  # by the peer's numbers


def load_module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parts = load_module("parity_parts", HERE / "mmpose/parts.py")
adapter = load_module("parity_adapter", HERE.parent / "tests/parity/adapter.py")
stored_numbers = load_module("parity_numbers", HERE.parent / "tests/parity/stored_numbers.py")


def run_peer(environment: Path, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run tasks by MMPose in its environment and return the results."""
    with tempfile.TemporaryDirectory() as folder:
        job, results = Path(folder, "job.pt"), Path(folder, "results.pt")
        torch.save(tasks, job)
        command = [str(environment / "bin/python"), str(HERE / "mmpose/peer.py"), job, results]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": ""})
        return torch.load(results, weights_only=False)


def make_rng(key: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(key.encode()))


# Buffers that a network computes itself; weights must not replace them.
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
# So that scores are sometimes above the thresholds of decoding.
BIAS_SHIFT = {"out_cls.": -1.0, "keypoint_root_conv.": -1.0, "heatmap_conv_layers.2.": 0.2}
GAIN = {
    "flow_model": 0.5,
    "out_bbox": 0.5,
    "transform_matrix_conv": 0.5,
    "keypoint_root_conv": 0.4,
    "displacement_conv_layers.3.": 4.0,
    "gfd_module.heatmap_conv": 0.15,
}


def fill_state_dict(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Make weights from names and shapes alone, scaled so that activations stay bounded."""
    filled = {}
    for key, old in state.items():
        if not old.is_floating_point() or key.endswith(CONSTANT):
            filled[key] = old.clone()
            continue
        z = make_rng(key).standard_normal(tuple(old.shape))
        leaf = key.rsplit(".", 1)[-1]
        if leaf == "running_var":
            new = 0.75 + 0.5 * make_rng(key).random(tuple(old.shape))
        elif leaf in ("running_mean", "bias", "in_proj_bias", "beta"):
            new = 0.08 * z + next((s for part, s in BIAS_SHIFT.items() if part in key), 0)
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


def make_images(method: str, n: int, h: int, w: int) -> torch.Tensor:
    """Make images of tiles of several sizes and noise, prepared for the network."""
    rng = make_rng(f"pictures {h} {w}")
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


def make_people(
    method: str, n: int, size: tuple[int, int], people_per_image: int = 5, joints: int = 17
) -> list[dict[str, Any]]:
    """Make the people of n images: some on and beyond borders, some joints unlabelled."""
    rng, truths = make_rng(f"people {method} {size}"), []
    w, h = size
    is_full_image = method.startswith(FULL_IMAGE)
    for index in range(n):
        k = people_per_image if is_full_image else 1
        if is_full_image:
            center = rng.uniform(0, 1, (k, 1, 2)) * (w, h)
            points = center + rng.normal(0, 1, (k, joints, 2)) * rng.uniform(2, h / 8, (k, 1, 1))
        else:
            points = rng.uniform(-0.15, 1.15, (k, joints, 2)) * (w, h)
            points[0, :3] = [[0, 0], [w - 1, h - 1], [w - 0.5, 3.5]]
        visible = (rng.random((k, joints)) > 0.3).astype(np.float32)
        if is_full_image and index and not method.startswith("rtmo"):
            visible[-1] = 0
        low, high = points.min(axis=1) - 3, points.max(axis=1) + 3
        mask = np.ones((h // 4, w // 4), np.float32)
        mask[5:15, 3:10] = 0
        truths.append(
            {
                "keypoints": points,
                "visible": visible,
                "bboxes": np.concatenate([low, high], axis=1),
                "areas": ((high - low).prod(axis=1) * 0.53).astype(np.float32),
                "heatmap_mask": mask if is_full_image else np.ones_like(mask),
            }
        )
    return truths


def make_method_task(method: str) -> tuple[Any, dict[str, Any]]:
    """Build our method with filled weights, and the task for MMPose's."""
    model = adapter.build(method)
    state = fill_state_dict(model.state_dict())
    model.load_state_dict(state)
    w, h = (256, 192) if method.startswith(FULL_IMAGE) else model.input_wh
    n = 2 if method.startswith(FULL_IMAGE) else 3
    rng = make_rng(f"windows {method}")
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
        "images": make_images(method, n, h, w),
        "truth": make_people(method, n, (w, h), joints=len(model.skeleton)),
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


def make_classifier_task(method: str, model: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Make a task for RTMO's coordinate classifier: pose vectors, boxes, cells of 50 people."""
    rng = make_rng(f"classifier {method}")
    channels = model.head.dcc.pose_to_kpts[0].in_features
    center, size = rng.uniform(-20, 660, (50, 2)), np.exp(rng.uniform(0, 6.5, (50, 2)))
    cells = np.round((center + rng.normal(0, 1, (50, 2)) * size) / 16) * 16 + 7.5
    arrays = rng.normal(0, 1, (50, channels)), np.concatenate([center, size], axis=1), cells
    inputs = tuple(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays)
    return {"do": "dcc", "method": method, "state": state, "inputs": inputs}


def relative_error(ours: Any, theirs: Any) -> float:
    """Return the largest error relative to the largest value of theirs."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return math.inf
    if not theirs.size:
        return 0.0
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))


def compare_method(method: str, model: Any, task: dict[str, Any], theirs: dict[str, Any]) -> dict:
    """Compare keys, raw outputs, predictions, losses and gradients of a method."""
    shapes = {k: list(v.shape) for k, v in model.state_dict().items()}
    row: dict[str, Any] = {
        "method": method,
        "keys": len(shapes),
        "keys_equal": shapes == theirs["keys"]
        and all((model.state_dict()[k] == v).all() for k, v in theirs["constants"].items()),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    raw = adapter.forward(model, method, task["images"], **task.get("extra", {}))
    errors = {k: relative_error(raw[k], v) for k, v in theirs["raw"].items()}
    if method.startswith("cid"):
        errors["root_heatmaps"] = relative_error(
            raw["root_heatmaps"], theirs["raw"]["root_heatmaps"]
        )
    row["raw"] = max(errors.values())
    row["raw_by_name"] = errors
    for name in ("plain", "flip"):
        if name == "flip" and method.startswith("rtmo"):
            row["flip"], row["people"] = math.nan, row["people"]
            continue
        max_error, max_score_error = 0.0, 0.0
        num_people, num_differing = 0, 0
        # Images in the batches of the peer: the last bits of a result depend on the others.
        batches = [list(range(len(task["metas"])))]
        if method.startswith(FULL_IMAGE):
            batches = [[i] for i in batches[0]]
        predicted = [
            people
            for rows in batches
            for people in adapter.predict(
                model,
                method,
                task["images"][rows],
                [task["metas"][i] for i in rows],
                name == "flip",
            )
        ]
        for i, (meta, people) in enumerate(zip(task["metas"], predicted, strict=True)):
            expected = theirs[name][i]
            joints = len(model.skeleton)
            points = np.asarray(people["keypoints"]).reshape(-1, joints, 2)
            scores = np.asarray(people["scores"]).reshape(-1, joints)
            num_people += len(points)
            if points.shape != expected["keypoints"].shape:
                num_differing += abs(len(points) - len(expected["keypoints"])) or 1
                continue
            error = np.abs(points - expected["keypoints"]).max(axis=2) / max(meta["input_scale"])
            # The Newton step of UDP's decoding has no limit; on maps without a peak MMPose reads
            # the neighbouring map's values.
            is_stable = error >= 0
            if method in ("vitpose_s", "vitpose_b"):
                is_stable = expected["keypoint_scores"] > 0
            max_error = max(max_error, float((error * is_stable).max(initial=0)))
            score_error = relative_error(scores, expected["keypoint_scores"])
            max_score_error = max(max_score_error, score_error)
        row[name], row[f"{name}_scores"] = max_error, max_score_error
        row["people"] = num_people
        row[f"{name}_differing"] = num_differing
    row["losses"], row["gradients"] = 0.0, 0.0
    for stage, expected in theirs["losses"].items():
        model.zero_grad()
        stage_name = STAGES[stage]
        terms = adapter.train_losses(model, method, task["images"], task["truth"], stage_name)
        sum(terms.values()).backward()
        gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
        if set(terms) != set(expected["terms"]):
            row["losses"] = math.inf
            row["loss_names"] = (sorted(terms), sorted(expected["terms"]))
            continue
        for name, value in expected["terms"].items():
            error = abs(float(terms[name].detach()) - value) / max(abs(value), 1e-6)
            row["losses"] = max(row["losses"], error)
        large = max(float(g.abs().max()) for g in expected["gradients"].values())
        for name, gradient in expected["gradients"].items():
            ours = gradients.get(name)
            ours = torch.zeros_like(gradient) if ours is None else ours
            scale = max(float(gradient.abs().max()), 1e-4 * large)
            row["gradients"] = max(row["gradients"], float((ours - gradient).abs().max()) / scale)
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmpose", type=Path, metavar="ENV", help="Environment with MMPose.")
    parser.add_argument(
        "--methods",
        default=",".join(METHODS),
        metavar="NAMES",
        help="Methods to compare, separated by commas (default: all).",
    )
    parser.add_argument(
        "--parts",
        type=int,
        default=1,
        metavar="N",
        help="Factor of the number of random inputs of codecs, losses and NMS (default: 1).",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="Write a few of MMPose's numbers to a JSON file (default: none are written).",
    )
    args = parser.parse_args()
    if args.mmpose is None:
        print("skipped: pass an environment with MMPose with --mmpose ENV (bench/mmpose/README.md)")
        return 0
    if args.parts:
        part_tasks = list(parts.make_parts(adapter, args.parts))
        theirs = run_peer(args.mmpose, [task for _, task, _, _ in part_tasks])
        worst: dict[str, tuple[float, int, float]] = {}
        for (name, _, compute_ours, tolerance), result in zip(part_tasks, theirs, strict=True):
            try:
                error = parts.compute_error(name, compute_ours(), result)
            except NotImplementedError:
                continue
            max_error, count, _ = worst.get(name, (0.0, 0, tolerance))
            worst[name] = max(max_error, error), count + 1, tolerance
        for name, (error, count, tolerance) in worst.items():
            verdict = "" if error <= tolerance else "DIFFERS"
            print(f"{name:<32}{count:>4}  {error:.1e}  {verdict}")
    methods = [m for m in args.methods.split(",") if m and not m.startswith("cal")]
    pairs = [make_method_task(method) for method in methods]
    classifier_tasks = {
        method: make_classifier_task(method, model, task["state"])
        for method, (model, task) in zip(methods, pairs, strict=True)
        if method.startswith("rtmo")
    }
    theirs = run_peer(args.mmpose, [*(task for _, task in pairs), *classifier_tasks.values()])
    answers = dict(zip(classifier_tasks, theirs[len(pairs) :], strict=True))
    if args.store:
        numbers = dict(zip(methods, map(stored_numbers.summarize_method, theirs), strict=False))
        args.store.write_text(json.dumps(numbers, separators=(",", ":")) + "\n")
    for method, (model, task), answer in zip(methods, pairs, theirs, strict=False):
        row = compare_method(method, model, task, answer)
        if method in classifier_tasks:
            with torch.no_grad():
                ours = adapter.dcc(model, *classifier_tasks[method]["inputs"])
            # Relative to the longer side of each person's box, as for all keypoints.
            size = classifier_tasks[method]["inputs"][1][:, 2:].amax(dim=1)[:, None, None]
            error = (ours.pop("keypoints") - answers[method]["keypoints"]).abs() / size
            row["classifier_alone"] = float(error.max())
            row["bins"] = max(relative_error(ours[k], answers[method][k]) for k in ours)
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
