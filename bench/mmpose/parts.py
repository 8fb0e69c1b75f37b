"""Codecs, windows, losses and NMS on random inputs, as tasks for MMPose and for smallpose.

`make_parts(adapter)` yields (name, task for the peer, function that computes ours, tolerance);
errors are relative to the largest value, and NMS must keep the same people. The adapter is called
as shared/parity/adapter.md says.
"""

import numpy as np
import torch

SIZE, MAP = (192, 256), (48, 64)
BINS = ("x", "y", "gx", "gy")


def make_parts(adapter, factor=1):
    """Yield everything but complete methods, with `factor` times as many random inputs."""
    yield from _make_encodings(adapter, 12 * factor)
    yield from _make_decodings(adapter, 8 * factor)
    yield from _make_windows(adapter, 40 * factor)
    yield from _make_letterboxes(adapter, 12 * factor)
    yield from _make_losses(adapter, 4 * factor)
    yield from _make_suppressions(adapter, 25 * factor)


def _sample_points(rng, n, size):
    """Sample points inside, far outside, on every border, on whole, half and quarter pixels."""
    points = rng.uniform(-0.3, 1.3, (n, 17, 2)) * size
    w, h = size
    points[0, :8] = [
        [0, 0],
        [w - 1, h - 1],
        [w, h],
        [-0.5, h / 2],
        [-24, 8],
        [w + 23, h + 23],
        [-2.9, -2.1],
        [w / 2 + 2, h / 2 + 2],
    ]
    points[0, 8:12] = np.round(points[0, 8:12])
    points[0, 12:] = np.round(points[0, 12:] * 4) / 4
    return points.astype(np.float32)


def _make_encodings(adapter, count):
    rng = np.random.default_rng(1)
    for name in ("msra", "udp", "simcc", "regression", "msra_dark", "udp_offset"):
        for _ in range(count):
            n = 1
            points = _sample_points(rng, n, SIZE)
            visible = (rng.random((n, 17)) > 0.25).astype(np.float32)
            settings = {"input_size": SIZE}
            if name in ("msra", "udp", "msra_dark", "udp_offset"):
                settings["heatmap_size"] = MAP
            task = {"do": "encode", "codec": name, "keypoints": points, "visible": visible}
            yield (
                f"encode {name}",
                {**task, "settings": settings},
                lambda name=name, p=points, v=visible: adapter.encode(name, p, v),
                1e-6,
            )
    size = (256, 192)
    for name in ("spr", "decoupled"):
        for number in range(count):
            n = int(rng.integers(1, 7))
            center = rng.uniform(-0.1, 1.1, (n, 1, 2)) * size
            points = center + rng.normal(0, 1, (n, 17, 2)) * rng.uniform(1, 40, (n, 1, 1))
            if n > 2:
                points[1] = points[0] + rng.normal(0, 0.2, 2)  # roots in one pixel
            points = points.astype(np.float32)
            visible = (rng.random((n, 17)) > 0.3).astype(np.float32)
            if n > 3:
                visible[3] = 0
            settings = {"input_size": size, "heatmap_size": (64, 48)}
            task = {"do": "encode", "codec": name, "keypoints": points, "visible": visible}
            extra = {}
            if name == "decoupled" and number % 2:
                low = points.min(axis=1) - rng.uniform(0, 30, (n, 2))
                high = points.max(axis=1) + rng.uniform(0, 30, (n, 2))
                corners = [low, np.c_[low[:, 0], high[:, 1]], np.c_[high[:, 0], low[:, 1]], high]
                extra["bbox_corners"] = np.stack(corners, axis=1).astype(np.float32)
            yield (
                f"encode {name}",
                {**task, **extra, "settings": settings},
                lambda name=name, p=points, v=visible, kw={**settings, **extra}: adapter.encode(
                    name, p, v, **kw
                ),
                1e-6,
            )


def _sample_maps(rng, k=17, size=MAP):
    """Sample random, smooth, negative, flat and integer maps, with peaks on every border."""
    w, h = size
    maps = rng.normal(0, 1, (k, h, w))
    y, x = np.mgrid[:h, :w]
    for i in range(k // 2):
        cx, cy = rng.uniform(-2, w + 1), rng.uniform(-2, h + 1)
        maps[i] = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) + 1e-3 * maps[i]
    maps[k // 2] = -np.abs(maps[k // 2])
    maps[k // 2 + 1] = 0
    maps[k // 2 + 2] = np.round(maps[k // 2 + 2])  # many equal maxima
    for i, (cx, cy) in enumerate([(0, 0), (w - 1, h - 1), (1, 1), (w - 2, h - 2), (0, h // 2)]):
        maps[k - 1 - i, cy, cx] = 9
    return maps.astype(np.float32)


def _make_decodings(adapter, count):
    rng = np.random.default_rng(2)
    for name in (
        "msra",
        "udp",
        "msra_dark",
        "udp_offset",
        "simcc",
        "regression",
        "decoupled",
        "spr",
    ):
        for _ in range(count):
            settings = {"input_size": SIZE, "heatmap_size": MAP}
            if name == "simcc":
                inputs = {
                    a: rng.normal(0, 1, (2, 17, 2 * s)).astype(np.float32)
                    for a, s in (("simcc_x", 192), ("simcc_y", 256))
                }
                inputs["simcc_x"][0, 0] = -1
                inputs["simcc_y"][1] = np.round(inputs["simcc_y"][1])
                settings = {"input_size": SIZE}
            elif name == "regression":
                inputs = {"encoded": rng.uniform(-0.2, 1.2, (1, 17, 4)).astype(np.float32)}
                settings = {"input_size": SIZE}
            elif name == "decoupled":
                inputs = {
                    "instance_heatmaps": np.stack([_sample_maps(rng), _sample_maps(rng)]),
                    "instance_scores": rng.random((2, 1)).astype(np.float32),
                }
            elif name == "spr":
                inputs = {
                    "heatmaps": _sample_maps(rng, 18),
                    "displacements": rng.normal(0, 5, (34, 64, 48)).astype(np.float32),
                }
                inputs["heatmaps"][17] = rng.random((64, 48)) ** 3
                settings = {"input_size": SIZE, "heatmap_size": MAP}
            elif name == "udp_offset":
                inputs = {"encoded": np.concatenate([_sample_maps(rng) for _ in range(3)])}
            else:
                inputs = {"heatmaps": _sample_maps(rng)}
            task = {"do": "decode", "codec": name, "inputs": inputs, "settings": settings}

            def compute_ours(name=name, inputs=inputs):
                points, scores = adapter.decode(name, **inputs)
                return {"keypoints": points, "scores": scores}

            yield f"decode {name}", task, compute_ours, 1e-5


def _make_windows(adapter, count):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (90, 120, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    for udp in (False, True):
        low = rng.uniform(-30, 400, (count, 2))
        boxes = np.concatenate([low, low + np.exp(rng.uniform(0.7, 5.5, (count, 2)))], axis=1)
        boxes = boxes.astype(np.float32)
        rotations = np.where(rng.random(count) > 0.5, rng.uniform(-80, 80, count), 0)
        points = rng.uniform(0, 400, (17, 2))
        for size in ((192, 256), (256, 256)):
            task = {
                "do": "boxes",
                "bgr": image,
                "boxes_xyxy": boxes,
                "rotations": rotations,
                "size": size,
                "udp": udp,
                "points": points,
            }

            def compute_ours(boxes=boxes, rotations=rotations, size=size, udp=udp, points=points):
                import cv2

                windows = []
                for box, angle in zip(boxes, rotations, strict=True):
                    center, scale, matrix = adapter.box_transform(box, size, udp, float(angle))
                    warped = points @ matrix[:, :2].T + matrix[:, 2]
                    crop = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
                    windows.append(
                        {"center": center, "scale": scale, "points": warped, "crop": crop}
                    )
                return {"windows": windows}

            yield f"window{' of UDP' if udp else ''}", task, compute_ours, 1e-4


def _make_letterboxes(adapter, count):
    rng = np.random.default_rng(4)
    modes = {
        "rtmo_s": ((640, 640), "fit", 32),
        "cid_hrnet_w32": ((512, 512), "expand", 64),
        "dekr_hrnet_w32": ((512, 512), "expand", 32),
    }
    for method, (size, mode, divisor) in modes.items():
        for _ in range(count):
            h, w = rng.integers(60, 700, 2)
            bgr = rng.integers(0, 255, (int(h), int(w), 3), np.uint8)
            task = {"do": "letterbox", "bgr": bgr, "size": size, "mode": mode}
            task["size_divisor"] = divisor

            def compute_ours(method=method, bgr=bgr):
                rgb, meta = adapter.preprocess(method, bgr, None)
                return {"image": rgb[..., ::-1].astype(np.float64), **meta}

            yield f"letterbox {method}", task, compute_ours, 2e-3


def _make_losses(adapter, count):
    for seed in range(count):
        g = torch.Generator().manual_seed(seed)

        def normal(*shape, g=g):
            return torch.randn(*shape, generator=g)

        def uniform(*shape, g=g):
            return torch.rand(*shape, generator=g)

        maps = uniform(2, 5, 8, 6)
        peaks = torch.where(maps > 0.9, torch.ones(()), 0.9 * maps)
        visible = (uniform(2, 5) > 0.3).float()
        boxes = uniform(9, 4) * 50
        boxes[:, 2:] += boxes[:, :2]
        others = boxes + 5 * normal(9, 4)
        quality = torch.where(uniform(30, 1) > 0.7, uniform(30, 1), torch.zeros(()))
        bins = [uniform(4, 17, n).softmax(-1) for n in (192, 256)]
        truths = [uniform(4, 17, n) for n in (192, 256)]
        cases = [
            (
                "keypoint_mse",
                {"type": "KeypointMSELoss", "use_target_weight": True},
                {"output": normal(2, 5, 8, 6), "target": maps, "weight": visible},
            ),
            (
                "kl_discrete",
                {"type": "KLDiscretLoss", "use_target_weight": True},
                {
                    "x": normal(2, 5, 20),
                    "y": normal(2, 5, 24),
                    "gx": uniform(2, 5, 20),
                    "gy": uniform(2, 5, 24),
                    "weight": visible,
                },
            ),
            (
                "focal_heatmap",
                {"type": "FocalHeatmapLoss", "loss_weight": 4},
                {
                    "output": uniform(2, 5, 8, 6).clamp(1e-4, 1 - 1e-4),
                    "target": peaks,
                    "weight": visible,
                },
            ),
            (
                "focal_heatmap_nopos",
                {"type": "FocalHeatmapLoss"},
                {
                    "output": uniform(2, 5, 8, 6).clamp(1e-4, 1 - 1e-4),
                    "target": 0.9 * maps,
                    "weight": visible,
                },
            ),
            ("info_nce", {"type": "InfoNCELoss", "temperature": 0.05}, {"features": normal(6, 40)}),
            (
                "soft_weight_smooth_l1",
                {
                    "type": "SoftWeightSmoothL1Loss",
                    "use_target_weight": True,
                    "supervise_empty": False,
                    "beta": 1 / 9,
                    "loss_weight": 0.002,
                },
                {
                    "output": normal(2, 10, 8, 6),
                    "target": normal(2, 10, 8, 6),
                    "weight": (uniform(2, 10, 8, 6) - 0.6).clamp(min=0),
                },
            ),
            (
                "varifocal",
                {"type": "VariFocalLoss", "reduction": "sum", "use_target_weight": True},
                {"output": 8 * normal(30, 1), "target": quality, "weight": uniform(30, 1)},
            ),
            (
                "iou_square",
                {"type": "IoULoss", "mode": "square", "reduction": "sum", "loss_weight": 5},
                {"output": others, "target": boxes},
            ),
            (
                "oks",
                {"type": "OKSLoss", "reduction": "none", "metainfo": "COCO", "loss_weight": 30},
                {
                    "output": 50 * uniform(4, 17, 2),
                    "target": 50 * uniform(4, 17, 2),
                    "weight": (uniform(4, 17) > 0.4).float(),
                    "areas": 900 * uniform(4) + 100,
                },
            ),
            (
                "bce_vis",
                {"type": "BCELoss", "use_target_weight": True, "reduction": "mean"},
                {
                    "output": 3 * normal(4, 17),
                    "target": (uniform(4, 17) > 0.5).float(),
                    "weight": uniform(4, 17),
                },
            ),
            (
                "mle_cc",
                {"type": "MLECCLoss", "use_target_weight": True},
                {**dict(zip(BINS, (*bins, *truths), strict=True)), "weight": uniform(4, 17)},
            ),
            (
                "l1_sum",
                {"type": "L1Loss", "reduction": "sum"},
                {"output": normal(5, 4), "target": normal(5, 4)},
            ),
        ]
        for name, config, inputs in cases:
            # MMPose's arguments have the order of ours, but for bins it takes pairs of x and y.
            arguments = [t.clone() for t in inputs.values()]
            if "gx" in inputs:
                arguments = [tuple(arguments[:2]), tuple(arguments[2:4]), *arguments[4:]]
            task = {"do": "loss", "loss": config, "inputs": arguments}

            def compute_ours(name=name, inputs=inputs):
                leaves = {key: t.clone().requires_grad_() for key, t in inputs.items()}
                value = adapter.loss(name, **leaves)
                value.sum().backward()
                num_outputs = 2 if "gx" in inputs else 1
                gradients = [t.grad for t in list(leaves.values())[:num_outputs]]
                return {"value": value.detach().numpy(), "gradients": gradients}

            yield f"loss {name}", task, compute_ours, 1e-5


def _make_suppressions(adapter, count):
    rng = np.random.default_rng(6)
    for _ in range(count):
        n = int(rng.integers(1, 60))
        center = rng.uniform(0, 300, (max(n // 3, 1), 1, 2))[rng.integers(0, max(n // 3, 1), n)]
        points = center + rng.normal(0, 30, (1, 17, 2)) + rng.normal(0, 6, (n, 17, 2))
        scores, areas = rng.random((n, 17)), rng.uniform(500, 9000, n)
        low = center[:, 0] + rng.normal(0, 10, (n, 2))
        boxes = np.concatenate([low, low + rng.uniform(20, 90, (n, 2))], axis=1).astype(np.float32)
        box_scores = rng.permutation(n).astype(np.float32)
        base = {"do": "nms", "keypoints": points, "areas": areas}
        oks_threshold = float(rng.uniform(0.3, 0.9))
        yield (
            "OKS NMS",
            {
                **base,
                "kind": "oks",
                "scores": scores.mean(1),
                "threshold": oks_threshold,
            },
            lambda p=points, s=scores, a=areas, t=oks_threshold: {
                "kept": adapter.oks_nms(p, s.mean(1), a, t)
            },
            0,
        )
        distance = float(rng.uniform(0.05, 0.2))
        yield (
            "joints NMS",
            {**base, "kind": "joints", "scores": scores, "threshold": distance},
            lambda p=points, s=scores, t=distance: {"kept": adapter.nearby_joints_nms(p, s, t)},
            0,
        )
        yield (
            "box NMS",
            {
                **base,
                "kind": "box",
                "scores": scores,
                "boxes": boxes,
                "box_scores": box_scores,
                "threshold": 0.3,
            },
            lambda b=boxes, s=box_scores: {"kept": adapter.box_nms(b, s, 0.3)},
            0,
        )


def compute_error(name, ours, theirs):
    """Compute the largest error of all that both computed, relative to the largest value."""
    if isinstance(theirs, dict):
        largest = 0.0
        for key, value in theirs.items():
            if key == "root" or key not in ours:
                continue
            if "decode udp" in name and key == "keypoints":
                # A step on a nearly flat map has no limit; on maps without a peak MMPose reads the
                # neighbouring map's values.
                has_peak = np.asarray(theirs["scores"]) > 0
                is_steep = np.abs(value).max(-1) < 1e3
                kept = has_peak & is_steep
                error = compute_error(name, np.asarray(ours[key])[kept], value[kept])
            else:
                error = compute_error(name, ours[key], value)
            largest = max(largest, error)
        return largest
    if isinstance(theirs, list):
        return max(
            (
                compute_error(name, o, t)
                for o, t in zip(ours, theirs, strict=False)
                if t is not None
            ),
            default=0.0,
        )
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.size == theirs.size:
        ours = ours.reshape(theirs.shape)
    if ours.shape != theirs.shape:
        return float("inf")
    if not theirs.size:
        return 0.0
    if name.startswith(("window", "letterbox")) and theirs.ndim == 3:
        # Images: the share of pixels that differ by more than one grey level.
        return float((np.abs(ours - theirs) > 1).mean())
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-6))
