"""Export to MMPose: a config that describes the joints, and one that loads the data set."""

from collections.abc import Mapping
from pathlib import Path

from smallpose.core.skeleton import Skeleton
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, copy_labels
from smallpose.system.files import write_atomically

_USAGE = """Put both files beside your model's config, and begin that config with

```python
_base_ = ["smallpose_data.py"]
```

Heads need `out_channels=21`. `CocoMetric` uses COCO's size classes, not the paper's: write the
results with `format_only=True` and score them with `smallpose evaluate`."""
_COLOURS = {"left": [0, 255, 0], "right": [255, 128, 0], "middle": [51, 153, 255]}
_LEGS = ("hip", "knee", "ankle", "pelvis")


def export_mmpose(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `smallpose_info.py` and `smallpose_data.py`.

    The config refers to the data set itself and nothing is copied, unless the data set has derived
    joints: MMPose would train on them and score them, so it gets annotations without them.
    """
    del image_mode  # the config refers to the images of the data set
    parts = list(built.parts.values())
    skeleton = parts[0].skeleton
    write_atomically(out / "smallpose_info.py", format_dataset_info(skeleton))
    files = {split: f"annotations/{split}.json" for split in built.parts}
    if built.derived:
        for split, name in files.items():
            copy_labels(built, split, out / name)
            files[split] = f"{{{{ fileDirname }}}}/{name}"
    config = _format_data_config(built.folder.resolve(), skeleton, files)
    write_atomically(out / "smallpose_data.py", config)
    return ExportResult(
        "MMPose configs",
        images=sum(len(p.images) for p in parts),
        people=sum(len(p) for p in parts),
        usage=_USAGE,
        losses=built.describe_dropped_joints(),
    )


def format_dataset_info(skeleton: Skeleton) -> str:
    """Format the joints as MMPose's `dataset_info`, a Python text."""
    joints = skeleton.spelled_joints
    lines = ["dataset_info = dict(", "    dataset_name='smallpose',", "    paper_info=dict(),"]
    lines.append("    keypoint_info={")
    for index, name in enumerate(joints):
        mirrored = int(skeleton.flip_indices[index])
        swap = joints[mirrored] if mirrored != index else ""
        kind = "lower" if name.endswith(_LEGS) else "upper"
        lines.append(
            f"        {index}: dict(name={name!r}, id={index}, color={_choose_colour(name)}, "
            f"type={kind!r}, swap={swap!r}),"
        )
    lines += ["    },", "    skeleton_info={"]
    for index, (a, b) in enumerate(skeleton.edges):
        is_on_one_side = _get_body_side(joints[a]) == _get_body_side(joints[b])
        colour = _choose_colour(joints[a] if is_on_one_side else "")
        lines.append(
            f"        {index}: dict(link=({joints[a]!r}, {joints[b]!r}), id={index}, "
            f"color={colour}),"
        )
    lines += ["    },", f"    joint_weights={[1.0] * len(joints)},"]
    lines += [f"    sigmas={skeleton.sigmas.tolist()},", ")"]
    return "\n".join(lines) + "\n"


def _get_body_side(name: str) -> str:
    return next((side for side in ("left", "right") if name.startswith(side)), "middle")


def _choose_colour(name: str) -> list[int]:
    return _COLOURS[_get_body_side(name)]


def _format_metric_path(name: str) -> str:
    """Format the path for the metric, which does not prepend `data_root` as the data set does."""
    return repr(name) if name.startswith("{{") else f"data_root + {'/' + name!r}"


def _format_data_config(root: Path, skeleton: Skeleton, files: Mapping[str, str]) -> str:
    return f'''"""Data loaders for a top-down method; set `data_root` if the data set was moved."""

data_root = {str(root)!r}
metainfo = dict(from_file='{{{{ fileDirname }}}}/smallpose_info.py')
input_size = (192, 256)
codec = dict(type='MSRAHeatmap', input_size=input_size, heatmap_size=(48, 64), sigma=2)
num_keypoints = {len(skeleton)}

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        data_mode='topdown',
        ann_file={files["train"]!r},
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        data_mode='topdown',
        ann_file={files["test"]!r},
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file={_format_metric_path(files["test"])})
test_evaluator = val_evaluator
'''
