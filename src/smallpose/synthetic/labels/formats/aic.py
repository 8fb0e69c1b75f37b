"""Write AI Challenger files: people in dicts of any order, boxes as corners, v of 1, 2, 3."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.skeleton import AIC14, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import round_half_up, write_json
from smallpose.synthetic.labels.records import ImageRecord, Person

FOLDERS = {
    "train": (
        "ai_challenger_keypoint_train_20170909",
        "keypoint_train_annotations_20170909.json",
        "keypoint_train_images_20170902",
    ),
    "val": (
        "ai_challenger_keypoint_validation_20170911",
        "keypoint_validation_annotations_20170911.json",
        "keypoint_validation_images_20170911",
    ),
}
_ORDER = SMALLPOSE.joint_indices(AIC14.joints)
_CODE = {2: 1, 1: 2, 0: 3}


def make_hex_name(seed: int, number: int) -> str:
    """Return a 40-digit name, as the source gives its images."""
    return hashlib.sha1(f"smallpose {seed} {number}".encode(), usedforsecurity=False).hexdigest()


def write_aic(root: Path, records: Sequence[ImageRecord]) -> None:
    """Write both annotation lists below `root`; the validation list is gzipped."""
    for split, (folder, name, _) in FOLDERS.items():
        entries = [_make_entry(p) for p in records if p.split == split]
        packed = split == "val"
        write_json(root / folder / (name + ".gz" * packed), entries, packed)


def _make_entry(record: ImageRecord) -> dict[str, Any]:
    humans = [f"human{k + 1}" for k in range(len(record.people))]
    # The real file has its people in whatever order a hash table gave, twice over.
    rng = np.random.default_rng(int(record.source_id[:8], 16))
    first, second = rng.permutation(len(humans)).tolist(), rng.permutation(len(humans)).tolist()
    return {
        "url": f"http://example.org/{record.source_id[:12]}.jpg",
        "image_id": record.source_id,
        "keypoint_annotations": {humans[k]: _flatten_points(record.people[k]) for k in first},
        "human_annotations": {humans[k]: _round_corners(record.people[k]) for k in second},
    }


def _flatten_points(person: Person) -> list[int]:
    flat: list[int] = []
    for x, y, v in person.keypoints[_ORDER].tolist():
        flat += [round_half_up(x), round_half_up(y), _CODE[int(v)]] if v else [0, 0, 3]
    return flat


def _round_corners(person: Person) -> list[int]:
    x, y, w, h = person.box_xywh.tolist()
    return [round_half_up(x), round_half_up(y), round_half_up(x + w), round_half_up(y + h)]
