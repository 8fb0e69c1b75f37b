"""Measure real data sets and write src/smallpose/stats/real_people.json.

    python bench/measure_real_people.py --coco FILE --aic FOLDER --mpii FOLDER --posetrack FILE \\
        --crowdpose FILE --lspet FILE --out src/smallpose/stats/real_people.json

`--aic` and `--mpii` are folders in their official layouts, `--posetrack` is the annolist.mat of
Bonn Multi-Person PoseTrack (PoseTrack grew out of it), `--lspet` joints.mat of LSP-extended.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import scipy.io

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.io.coco_annotations import read_coco
from smallpose.sources.aic import read_aic
from smallpose.sources.mpii import read_mpii
from smallpose.stats.people_measures import measure_people

# Joints of the Leeds Sports Pose data sets.
_SIDED = ("ankle", "knee", "hip"), ("wrist", "elbow", "shoulder")
LSP_JOINTS = [
    joint
    for limb in _SIDED
    for joint in [*(f"right_{one}" for one in limb), *(f"left_{one}" for one in reversed(limb))]
]
LSP = Skeleton("lsp14", (*LSP_JOINTS, "head_bottom", "head_top"))
# Joints of MPII's numbering that Bonn's videos have: all but pelvis and thorax.
BONN_NUMBERS = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9)


def read_lspet(path: Path) -> Instances:
    """Read LSP-extended: one person in each image, of unknown size."""
    joints = scipy.io.loadmat(path)["joints"]  # (14, 3, n)
    keypoints = np.moveaxis(joints.astype(float), 2, 0)
    keypoints[:, :, 2] = 2.0 * (keypoints[:, :, 2] > 0)
    keypoints[keypoints[:, :, 2] == 0] = 0.0
    return _make_people(keypoints, np.arange(len(keypoints)))


def read_bonn(path: Path) -> Instances:
    """Read the people of all frames of Bonn Multi-Person PoseTrack."""
    videos = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)["annolist"]
    keypoints, frames = [], []
    for number, video in enumerate(videos):
        for (_, frame), cell in np.ndenumerate(np.atleast_2d(video.annopoints)):
            points = getattr(cell, "point", None)
            if points is None:
                continue
            person = np.zeros((16, 3))
            for point in np.atleast_1d(points):
                person[int(point.id)] = point.x, point.y, 2.0
            keypoints.append(person[list(BONN_NUMBERS)])
            frames.append(10_000 * number + frame)
    _, rows = np.unique(frames, return_inverse=True)
    return _make_people(np.array(keypoints), rows)


def _make_people(keypoints: np.ndarray, rows: np.ndarray) -> Instances:
    """Build a table without boxes from poses; PoseTrack's boxes are the joints' extent × 1.3."""
    x, y = (np.where(keypoints[:, :, 2] > 0, keypoints[:, :, i], np.nan) for i in (0, 1))
    low = np.stack([np.nanmin(x, axis=1), np.nanmin(y, axis=1)], axis=1)
    side = np.stack([np.nanmax(x, axis=1), np.nanmax(y, axis=1)], axis=1) - low
    boxes = np.concatenate([low - 0.15 * side, 1.3 * side], axis=1)
    ids = range(1, int(rows.max()) + 2)
    images = make_images(ids, [f"{i}.jpg" for i in ids])
    return make_instances(LSP, images, rows, boxes, keypoints)


def main() -> None:
    """Measure what was given and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("coco", "aic", "mpii", "posetrack", "crowdpose", "lspet", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    sets = {
        "coco": (read_coco(args.coco), "538 images of val2017, all their annotations"),
        "aic": (read_aic(args.aic).people, "502 images of the organisers' examples"),
        "mpii": (read_mpii(args.mpii).people, "1,367 images of the training part"),
        "posetrack": (read_bonn(args.posetrack), "30 videos of Bonn Multi-Person PoseTrack"),
        "crowdpose": (read_coco(args.crowdpose), "val, 2,000 images"),
        "lspet": (read_lspet(args.lspet), "LSP-extended, 10,000 images"),
    }
    content = {name: {"of": of, **measure_people(p).to_dict()} for name, (p, of) in sets.items()}
    for values in (content["posetrack"], content["lspet"]):
        values["hidden"] = values["cut_off"] = None
    # One person to an image, and pictures cut and scaled around them: no measure of a scene.
    content["lspet"] |= {"crowd_index": None, "box_ratio": None, "height": None}
    text = json.dumps({"data_sets": content})
    args.out.write_text(text.replace("}, ", "},\n").replace('": [', '":\n[') + "\n")


if __name__ == "__main__":
    main()
