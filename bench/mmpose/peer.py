"""MMPose's side of bench/parity.py and bench/forward.py, run by the Python of its environment.

    ENV/bin/python bench/mmpose/peer.py JOB RESULTS     JOB, RESULTS: files of torch.save

A job is a list of tasks, dicts with a key `do`; the result is a list of dicts of tensors. Nothing
of smallpose is imported here.
"""

import contextlib
import logging
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
sys.path.insert(0, str(Path(__file__).parent))
import stand_ins  # noqa: E402

stand_ins.install_stand_ins()

import numpy as np  # noqa: E402
import torch  # noqa: E402

COCO = "body_2d_keypoint"
CONFIGS = {
    "simplebaseline_res50": "topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py",
    "hrnet_w32": "topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py",
    "simcc_res50": "simcc/coco/simcc_res50_8xb64-210e_coco-256x192.py",
    "rle_res50": "topdown_regression/coco/td-reg_res50_rle-8xb64-210e_coco-256x192.py",
    "vitpose_s": "topdown_heatmap/coco/td-hm_ViTPose-small_8xb64-210e_coco-256x192.py",
    "hrformer_s": "topdown_heatmap/coco/td-hm_hrformer-small_8xb32-210e_coco-256x192.py",
    "vitpose_b": "topdown_heatmap/coco/td-hm_ViTPose-base_8xb64-210e_coco-256x192.py",
    "hrnet_w48": "topdown_heatmap/coco/td-hm_hrnet-w48_8xb32-210e_coco-256x192.py",
    "rtmpose_t": "rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192.py",
    "rtmpose_s": "rtmpose/coco/rtmpose-s_8xb256-420e_coco-256x192.py",
    "rtmpose_m": "rtmpose/coco/rtmpose-m_8xb256-420e_coco-256x192.py",
    "rtmpose_l": "rtmpose/coco/rtmpose-l_8xb256-420e_coco-256x192.py",
    "rtmpose_s_halpe26": "rtmpose/body8/rtmpose-s_8xb1024-700e_body8-halpe26-256x192.py",
    "rtmo_s": "rtmo/coco/rtmo-s_8xb32-600e_coco-640x640.py",
    "rtmo_m": "rtmo/coco/rtmo-m_16xb16-600e_coco-640x640.py",
    "rtmo_l": "rtmo/coco/rtmo-l_16xb16-600e_coco-640x640.py",
    "cid_hrnet_w32": "cid/coco/cid_hrnet-w32_8xb20-140e_coco-512x512.py",
    "dekr_hrnet_w32": "dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py",
}
CODECS = {
    "msra": {"type": "MSRAHeatmap", "sigma": 2},
    "msra_dark": {"type": "MSRAHeatmap", "sigma": 2, "unbiased": True},
    "udp": {"type": "UDPHeatmap", "sigma": 2},
    "udp_offset": {"type": "UDPHeatmap", "heatmap_type": "combined", "radius_factor": 0.0546875},
    "simcc": {"type": "SimCCLabel", "sigma": 6.0, "simcc_split_ratio": 2.0},
    "regression": {"type": "RegressionLabel"},
    "spr": {
        "type": "SPR",
        "sigma": (4, 2),
        "minimal_diagonal_length": 32**0.5,
        "generate_keypoint_heatmaps": True,
        "decode_max_instances": 30,
    },
    "decoupled": {"type": "DecoupledHeatmap"},
}


def load_config(method):
    """Load MMPose's configuration of a method, without initial weights."""
    from mmengine.config import Config

    import mmpose

    folder = Path(mmpose.__file__).parent / ".mim/configs" / COCO
    if method == "vitpose_s_rle":
        # MMPose has no such file: ViTPose's backbone with RLE's neck, head and test settings.
        config = Config.fromfile(folder / CONFIGS["rle_res50"])
        config.model.backbone = Config.fromfile(folder / CONFIGS["vitpose_s"]).model.backbone
        config.model.head.in_channels = 384
    else:
        config = Config.fromfile(folder / CONFIGS[method])
    config.model.backbone.pop("init_cfg", None)
    # RTMPose's backbone is MMDetection's, of which MMPose has a copy.
    config.model.backbone.pop("_scope_", None)
    return config


def build_model(method):
    """Build MMPose's model in eval mode."""
    from mmpose.registry import MODELS

    return MODELS.build(load_config(method).model).eval()


def load_metainfo(method):
    """Load MMPose's description of a method's keypoints: COCO's, or the 26 of Halpe."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    import mmpose

    name = "halpe26" if method.endswith("_halpe26") else "coco"
    base = Path(mmpose.__file__).parent / f".mim/configs/_base_/datasets/{name}.py"
    return parse_pose_metainfo({"from_file": str(base)})


def make_samples(metas, method=""):
    """Make MMPose's data samples of the given windows."""
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample

    metainfo = load_metainfo(method)
    samples = []
    for meta in metas:
        sample = PoseDataSample(
            metainfo={
                **{key: np.asarray(value) for key, value in meta.items()},
                "flip_indices": list(metainfo["flip_indices"]),
                "skeleton_links": metainfo["skeleton_links"],
            }
        )
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        samples.append(sample)
    return samples


def compute_raw_outputs(model, method, x, extra):
    """Compute the raw outputs by the names of the parity material."""
    features = model.extract_feat(x)
    if method.startswith("cid"):
        maps = model.head.iia_module.keypoint_root_conv(features[-1])
        roots, image_index = extra["instance_coords"].long(), extra["instance_imgids"].long()
        instances = features[-1][image_index, :, roots[:, 1], roots[:, 0]]
        heatmaps = model.head.gfd_module(features[-1], instances, roots, image_index)
        return {
            "root_heatmaps": torch.clamp(maps.sigmoid(), 1e-4, 1 - 1e-4),
            "instance_feats": instances,
            "instance_heatmaps": heatmaps,
        }
    out = model.head.forward(features)
    if method.startswith("rtmo"):
        names = ("cls_scores", "bbox_preds", "kpt_offsets", "kpt_vis", "pose_vecs")
        flat = ([m.flatten(2).transpose(1, 2) for m in levels] for levels in out)
        # The keypoint offsets exist in training only.
        return {k: torch.cat(maps, 1) for k, maps in zip(names, flat, strict=True) if maps}
    if method.startswith("dekr"):
        return {"heatmaps": out[0], "displacements": out[1]}
    if method.startswith(("simcc", "rtmpose")):
        return {"simcc_x": out[0], "simcc_y": out[1]}
    return {"coords" if "rle" in method else "heatmaps": out}


def load_state(model, state):
    """Load weights with the versions of MMPose's modules, which would else rename old keys."""
    expected = model.state_dict()
    state = type(expected)(state)
    state._metadata = expected._metadata
    model.load_state_dict(state, strict=True)


def run_method(task):
    """Compute raw outputs, predictions without and with flip test, and losses with gradients."""
    method = task["method"]
    model = build_model(method)
    load_state(model, task["state"])
    result = {"keys": {k: list(v.shape) for k, v in model.state_dict().items()}}
    result["constants"] = {k: model.state_dict()[k] for k in task["constants"]}
    with torch.no_grad():
        result["raw"] = compute_raw_outputs(model, method, task["images"], task.get("extra", {}))
    is_full_image = method.startswith(("rtmo", "cid", "dekr"))
    for flip in (False, True):
        model.test_cfg["flip_test"] = flip and not method.startswith("rtmo")
        samples = []
        with torch.no_grad():
            if is_full_image:
                for i, meta in enumerate(task["metas"]):
                    samples += model.predict(
                        task["images"][i : i + 1], make_samples([meta], method)
                    )
            else:
                samples = model.predict(task["images"], make_samples(task["metas"], method))
        result["flip" if flip else "plain"] = [
            {
                key: np.asarray(sample.pred_instances[key])
                for key in ("keypoints", "keypoint_scores", "bboxes", "bbox_scores")
                if key in sample.pred_instances
            }
            for sample in samples
        ]
    result["losses"] = {
        stage: compute_losses(model, method, task, stage) for stage in task["stages"]
    }
    return result


def compute_losses(model, method, task, stage):
    """Compute the terms of the loss and the gradients of all weights."""
    model.zero_grad()
    head = model.head
    if method.startswith("rtmo"):
        head.use_aux_loss = stage in (2, 3)
        if stage >= 2:
            # Set what MMPose's hook for the second stage sets.
            for hook in load_config(method).custom_hooks:
                if hook["type"] == "RTMOModeSwitchHook":
                    for attributes in hook["epoch_attributes"].values():
                        for key, value in attributes.items():
                            target = head
                            *path, last = key.split(".")
                            for part in path:
                                target = getattr(target, part)
                            setattr(target, last, value)
        head.head_module.training = True  # it then outputs offsets; its norms stay in eval mode
    samples = make_training_samples(method, task)
    features = model.extract_feat(task["images"])
    terms = head.loss(features, samples, train_cfg=model.train_cfg or {})
    terms = {k: v for k, v in terms.items() if k.startswith("loss")}
    terms = {k: v.mean() for k, v in terms.items()}  # as MMEngine reduces them
    sum(terms.values()).backward()
    gradients = {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
    return {
        "terms": {k: float(v.detach()) for k, v in terms.items()},
        "gradients": gradients,
    }


def make_training_samples(method, task):
    """Encode targets by MMPose's own codec, without its random jitter."""
    from mmengine.structures import InstanceData, PixelData
    from mmpose.registry import KEYPOINT_CODECS

    samples = make_samples(task["metas"], method)
    codec = load_config(method).get("codec")
    if isinstance(codec, dict) and codec.get("type") and not method.startswith("rtmo"):
        encoder = KEYPOINT_CODECS.build({**codec, **task.get("codec", {})})
    for sample, truth in zip(samples, task["truth"], strict=True):
        points, visible = truth["keypoints"], truth["visible"]
        labels, fields = InstanceData(), PixelData()
        if method.startswith("rtmo"):
            labels.keypoints = torch.as_tensor(points).float()
            labels.keypoints_visible = torch.as_tensor(visible).float()
            labels.bboxes = torch.as_tensor(truth["bboxes"]).float()
            labels.areas = torch.as_tensor(truth["areas"]).float()
            labels.labels = torch.zeros(len(points), dtype=torch.long)
            if "invalid" in truth:
                fields.heatmap_mask = torch.as_tensor(truth["invalid"]).float()[None]
        else:
            extra = {}
            if method.startswith("cid"):
                x0, y0, x1, y1 = truth["bboxes"].T
                corners = np.stack([x0, y0, x0, y1, x1, y0, x1, y1], 1)
                extra["bbox"] = corners.astype(np.float32)
            with without_jitter():
                encoded = encoder.encode(
                    points.astype(np.float32), visible.astype(np.float32), **extra
                )
            for key, value in encoded.items():
                value = torch.as_tensor(np.asarray(value))
                if key in (
                    "heatmaps",
                    "heatmap_weights",
                    "displacements",
                    "instance_heatmaps",
                    "displacement_weights",
                ):
                    fields.set_field(value.float(), key)
                elif key == "instance_coords":
                    labels.instance_coords = value.long()
                else:
                    labels.set_field(value.float(), key)
            if method.startswith(("cid", "dekr")):
                fields.heatmap_mask = torch.as_tensor(truth["heatmap_mask"]).float()[None]
        sample.gt_instance_labels, sample.gt_fields = labels, fields
    return samples


@contextlib.contextmanager
def without_jitter():
    """Make `np.random.randint` return zeros, with which CID's codec jitters roots."""
    randint = np.random.randint
    np.random.randint = lambda low, high, size: np.zeros(size, int)
    try:
        yield
    finally:
        np.random.randint = randint


def run_encode(task):
    """Encode keypoints by a codec."""
    from mmpose.registry import KEYPOINT_CODECS

    codec = KEYPOINT_CODECS.build({**CODECS[task["codec"]], **task.get("settings", {})})
    with without_jitter():
        extra = {"bbox": task["bbox_corners"].copy()} if "bbox_corners" in task else {}
        targets = codec.encode(task["keypoints"].copy(), task["visible"].copy(), **extra)
    return {key: np.asarray(value) for key, value in targets.items()}


def run_decode(task):
    """Decode outputs by a codec."""
    from mmpose.registry import KEYPOINT_CODECS

    codec = KEYPOINT_CODECS.build({**CODECS[task["codec"]], **task.get("settings", {})})
    inputs = {key: value.copy() for key, value in task["inputs"].items()}
    if task["codec"] == "spr":
        inputs = {key: torch.as_tensor(value) for key, value in inputs.items()}
    points, scores = codec.decode(*inputs.values())
    if isinstance(scores, tuple):
        return {"keypoints": points.numpy(), "scores": [s.numpy() for s in scores]}
    return {"keypoints": np.asarray(points), "scores": np.asarray(scores)}


def run_loss(task):
    """Compute a loss and its gradients."""
    from mmpose.registry import MODELS

    if task["loss"].get("metainfo"):
        import mmpose

        coco = Path(mmpose.__file__).parent / ".mim/configs/_base_/datasets/coco.py"
        task["loss"]["metainfo"] = str(coco)
    loss = MODELS.build(task["loss"])
    inputs = task["inputs"]
    leaves = [t for x in inputs for t in (x if isinstance(x, tuple) else (x,))]
    for t in leaves:
        if isinstance(t, torch.Tensor):
            t.requires_grad_(t.dtype.is_floating_point)
    value = loss(*inputs)
    value.sum().backward()
    return {
        "value": value.detach().numpy(),
        "gradients": [None if t is None or t.grad is None else t.grad for t in leaves],
    }


def run_boxes(task):
    """Compute top-down windows and crops of one image."""
    from mmpose.datasets.transforms import GetBBoxCenterScale, TopdownAffine

    windows = []
    for box, rotation in zip(task["boxes_xyxy"], task["rotations"], strict=True):
        results = {
            "img": task["bgr"],
            "bbox": np.asarray(box, np.float32)[None],
            "keypoints": task["points"][None].astype(np.float32),
        }
        results = GetBBoxCenterScale()(results)
        results["bbox_rotation"] = np.array([rotation], np.float32)
        affine = TopdownAffine(task["size"], use_udp=task["udp"])
        results = affine(results)
        windows.append(
            {
                "center": results["input_center"],
                "scale": results["input_scale"],
                "crop": results["img"],
                "points": results["transformed_keypoints"][0],
            }
        )
    return {"windows": windows}


def run_letterbox(task):
    """Letterbox one image."""
    from mmpose.datasets.transforms import BottomupResize

    settings = {
        "input_size": tuple(task["size"]),
        "resize_mode": task["mode"],
        "size_factor": task["size_divisor"],
    }
    if task["mode"] == "fit":
        settings["pad_val"] = (114, 114, 114)
    height, width = task["bgr"].shape[:2]
    out = BottomupResize(**settings)({"img": task["bgr"], "ori_shape": (height, width)})
    return {
        "image": out["img"],
        **{k: np.asarray(out[k]) for k in ("input_size", "input_center", "input_scale")},
    }


def run_nms(task):
    """Run one of the three suppressions."""
    from importlib import import_module

    functional = import_module("mmpose.evaluation.functional.nms")

    people = [
        {"keypoints": np.asarray(k), "score": s, "area": a}
        for k, s, a in zip(task["keypoints"], task["scores"], task["areas"], strict=True)
    ]
    if task["kind"] == "oks":
        with_v = [
            {**p, "keypoints": np.c_[p["keypoints"], np.ones(len(p["keypoints"]))]} for p in people
        ]
        return {"kept": np.asarray(functional.oks_nms(with_v, task["threshold"]))}
    if task["kind"] == "joints":
        kept = functional.nearby_joints_nms(people, task["threshold"], score_per_joint=True)
        return {"kept": np.asarray(kept)}
    boxes, scores = torch.as_tensor(task["boxes"]), torch.as_tensor(task["box_scores"])
    return {"kept": functional.nms_torch(boxes, scores, task["threshold"]).numpy()}


def run_dcc(task):
    """Run RTMO's coordinate classifier."""
    model = build_model(task["method"])
    load_state(model, task["state"])
    with torch.no_grad():
        keypoints, (x, y), sigmas = model.head.dcc.forward_train(*task["inputs"])
        return {"keypoints": keypoints, "x_hms": x, "y_hms": y, "sigmas": sigmas}


COMMANDS = {
    "method": run_method,
    "encode": run_encode,
    "decode": run_decode,
    "loss": run_loss,
    "boxes": run_boxes,
    "letterbox": run_letterbox,
    "nms": run_nms,
    "dcc": run_dcc,
}


def main(job, out):
    from mmpose.utils import register_all_modules

    register_all_modules()
    import mmpretrain  # noqa: F401

    tasks = torch.load(job, weights_only=False)
    torch.save([COMMANDS[task["do"]](task) for task in tasks], out)


if __name__ == "__main__":
    main(*sys.argv[1:])
