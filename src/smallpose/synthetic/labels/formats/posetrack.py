"""PoseTrack18: a file per video, 64-bit ids, frames without labels, regions to ignore."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import extent, grow
from smallpose.core.skeleton import COCO17, POSETRACK17, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import whole, write_json
from smallpose.synthetic.labels.records import Person, Picture

_ORDER = SMALLPOSE.index(POSETRACK17.joints)
# These two come from the head rectangle in the real files and are no whole numbers there.
_FINE = {"head_bottom", "head_top"}


def write_posetrack(root: Path, pictures: Sequence[Picture]) -> None:
    """`posetrack_data/annotations/{train,val}/<sequence>.json` below `root`."""
    videos: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures:
        key = (str(picture.split), str(picture.extra["sequence"]))
        videos.setdefault(key, []).append(picture)
    for (split, name), frames in videos.items():
        content = {
            "images": [_image(p, len(frames)) for p in frames],
            "annotations": [
                _annotation(person, p.extra["frame_id"])
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


def _image(picture: Picture, frames: int) -> dict[str, Any]:
    regions = [p.extra["region"] for p in picture.people if p.iscrowd and picture.labelled]
    return {
        "has_no_densepose": True,
        "is_labeled": picture.labelled,
        "file_name": picture.file_name.removeprefix("posetrack/"),
        "nframes": frames,
        "frame_id": picture.extra["frame_id"],
        "vid_id": picture.extra["sequence"][:6],
        "id": picture.extra["frame_id"],
        "ignore_regions_x": [[whole(x) for x, _ in r] for r in regions],
        "ignore_regions_y": [[whole(y) for _, y in r] for r in regions],
    }


def _annotation(person: Person, frame: int) -> dict[str, Any]:
    points = np.zeros((len(POSETRACK17), 3))
    flat: list[float] = []
    for slot, joint in enumerate(POSETRACK17.joints):
        x, y, v = person.keypoints[_ORDER[slot]].tolist()
        if v:
            fine = joint in _FINE
            points[slot] = (round(x, 7), round(y, 7), 1) if fine else (whole(x), whole(y), 1)
            flat += points[slot].tolist() if fine else points[slot].astype(int).tolist()
        else:
            flat += [0, 0, 0]
    box = grow(extent(points[None]), 1.3)[0]
    track = person.extra["row"]
    x1, y1, x2, y2 = person.extra.get("head", (0, 0, 0, 0))
    return {
        "bbox_head": [whole(x1), whole(y1), whole(x2 - x1), whole(y2 - y1)],
        "keypoints": flat,
        "track_id": track,
        "image_id": frame,
        "bbox": box.tolist(),
        "scores": [],
        "category_id": 1,
        "id": frame * 100 + track,
    }
