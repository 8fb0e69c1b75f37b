"""Write PoseTrack18: one file per video, 64-bit ids, unlabelled frames, ignore regions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import box_around_keypoints, scale_boxes
from smallpose.core.skeleton import COCO17, POSETRACK17, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import round_half_up, write_json
from smallpose.synthetic.labels.records import ImageRecord, Person

_ORDER = SMALLPOSE.joint_indices(POSETRACK17.joints)
# These two come from the head rectangle in the real files and are no whole numbers there.
_FINE = {"head_bottom", "head_top"}


def write_posetrack(root: Path, records: Sequence[ImageRecord]) -> None:
    """Write `posetrack_data/annotations/{train,val}/<sequence>.json` below `root`."""
    videos: dict[tuple[str, str], list[ImageRecord]] = {}
    for record in records:
        key = (str(record.split), str(record.extra["sequence"]))
        videos.setdefault(key, []).append(record)
    for (split, name), frames in videos.items():
        content = {
            "images": [_make_image(p, len(frames)) for p in frames],
            "annotations": [
                _make_annotation(person, p.extra["frame_id"])
                for p in frames
                if p.labelled
                for person in p.people
                if not person.iscrowd
            ],
            "categories": [
                {
                    "supercategory": "person",
                    "id": 1,
                    "name": "person",
                    "keypoints": list(POSETRACK17.joints),
                    # The official files carry COCO's edges although the joints differ.
                    "skeleton": [[a + 1, b + 1] for a, b in COCO17.edges],
                }
            ],
        }
        write_json(root / "posetrack_data" / "annotations" / split / f"{name}.json", content)


def _make_image(record: ImageRecord, frames: int) -> dict[str, Any]:
    regions = [p.extra["region"] for p in record.people if p.iscrowd and record.labelled]
    return {
        "has_no_densepose": True,
        "is_labeled": record.labelled,
        "file_name": record.file_name.removeprefix("posetrack/"),
        "nframes": frames,
        "frame_id": record.extra["frame_id"],
        "vid_id": record.extra["sequence"][:6],
        "id": record.extra["frame_id"],
        "ignore_regions_x": [[round_half_up(x) for x, _ in r] for r in regions],
        "ignore_regions_y": [[round_half_up(y) for _, y in r] for r in regions],
    }


def _make_annotation(person: Person, frame: int) -> dict[str, Any]:
    points = np.zeros((len(POSETRACK17), 3))
    flat: list[float] = []
    for slot, joint in enumerate(POSETRACK17.joints):
        x, y, v = person.keypoints[_ORDER[slot]].tolist()
        if v:
            fine = joint in _FINE
            points[slot] = (
                (round(x, 7), round(y, 7), 1) if fine else (round_half_up(x), round_half_up(y), 1)
            )
            flat += points[slot].tolist() if fine else points[slot].astype(int).tolist()
        else:
            flat += [0, 0, 0]
    box = scale_boxes(box_around_keypoints(points[None]), 1.3)[0]
    track = person.extra["row"]
    x1, y1, x2, y2 = person.extra.get("head", (0, 0, 0, 0))
    return {
        "bbox_head": [
            round_half_up(x1),
            round_half_up(y1),
            round_half_up(x2 - x1),
            round_half_up(y2 - y1),
        ],
        "keypoints": flat,
        "track_id": track,
        "image_id": frame,
        "bbox": box.tolist(),
        "scores": [],
        "category_id": 1,
        "id": frame * 100 + track,
    }
