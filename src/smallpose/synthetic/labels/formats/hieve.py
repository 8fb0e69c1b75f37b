"""Write HiEve labels of whole videos in the existing formats, one format per clip."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smallpose.core.skeleton import HIEVE14, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import round_half_up, write_json
from smallpose.synthetic.labels.records import ImageRecord, Person

_ORDER = SMALLPOSE.joint_indices(HIEVE14.joints)
_NAMES = (
    "Nose",
    "Chest",
    "Right-shoulder",
    "Right-elbow",
    "Right-wrist",
    "Left-shoulder",
    "Left-elbow",
    "Left-wrist",
    "Right-hip",
    "Right-knee",
    "Right-ankle",
    "Left-hip",
    "Left-knee",
    "Left-ankle",
)
# What a clip's labels look like, in turn: one list per clip, or a sheet per frame whose content
# is JSON under the name .xml (as the data set's page shows it) or really XML.
LABEL_FORMATS = ("list", "json", "xml")
_FLAG = {2: 0, 1: 1, 0: -1}


def choose_label_format(clip: int) -> str:
    """Return the format of a clip's labels."""
    return LABEL_FORMATS[(clip - 1) % len(LABEL_FORMATS)]


def write_hieve(root: Path, records: Sequence[ImageRecord]) -> None:
    """Write `HIE20/labels/train/…` below `root`, beside the videos."""
    clips: dict[int, list[ImageRecord]] = {}
    for record in records:
        clips.setdefault(record.extra["clip"], []).append(record)
    labels = root / "HIE20" / "labels" / "train"
    for clip, frames in clips.items():
        if choose_label_format(clip) == "list":
            content = {"annolist": [_make_entry(p) for p in frames]}
            write_json(labels / "track2&3" / f"{clip}.json", content)
            continue
        folder = labels / "all-track" / str(clip)
        folder.mkdir(parents=True, exist_ok=True)
        for record in frames:
            sheet = _make_frame_record(record, clip)
            as_json = choose_label_format(clip) == "json"
            text = json.dumps({"annotation": sheet}, indent=1) if as_json else _to_xml(sheet)
            (folder / f"{record.extra['frame']:06d}.xml").write_text(text)


def _round_corners(person: Person) -> list[int]:
    x, y, w, h = person.box_xywh.tolist()
    return [round_half_up(x), round_half_up(y), round_half_up(x + w), round_half_up(y + h)]


def _make_entry(record: ImageRecord) -> dict[str, Any]:
    people = []
    for person in record.people:
        points = [
            {"id": [k], "x": [round_half_up(x)], "y": [round_half_up(y)], "score": [1]}
            for k, (x, y, v) in enumerate(person.keypoints[_ORDER].tolist())
            if v
        ]
        x1, y1, x2, y2 = _round_corners(person)
        people.append(
            {
                "x1": [x1],
                "y1": [y1],
                "x2": [x2],
                "y2": [y2],
                "score": [1],
                "track_id": [person.extra["row"]],
                "annopoints": [{"point": points}],
            }
        )
    name = f"{record.extra['frame']:06d}.jpg"
    return {"image": [{"name": name}], "ignore_regions": [], "annorect": people}


def _make_frame_record(record: ImageRecord, clip: int) -> dict[str, Any]:
    objects = []
    for person in record.people:
        box: dict[str, str] = {
            key: str(value)
            for key, value in zip(
                ("xmin", "ymin", "xmax", "ymax"), _round_corners(person), strict=True
            )
        }
        for name, (x, y, v) in zip(_NAMES, person.keypoints[_ORDER].tolist(), strict=True):
            box[name] = f"{round_half_up(x)},{round_half_up(y)},{_FLAG[int(v)]}"
        objects.append({"name": f"P-{person.extra['row']}", "action": "walking", "bndbox": box})
    # The page shows the frame's name without leading zeros.
    name = f"{record.extra['frame']}.jpg"
    return {
        "folder": str(clip),
        "filename": name,
        "path": f"{clip}/{name}",
        "size": {"width": str(record.width), "height": str(record.height), "depth": "3"},
        "object": objects,
    }


def _to_xml(sheet: dict[str, Any]) -> str:
    size = "".join(f"<{k}>{v}</{k}>" for k, v in sheet["size"].items())
    lines = ["<annotation>"]
    lines += [f"\t<{key}>{sheet[key]}</{key}>" for key in ("folder", "filename", "path")]
    lines.append(f"\t<size>{size}</size>")
    for thing in sheet["object"]:
        box = "".join(f"<{k}>{v}</{k}>" for k, v in thing["bndbox"].items())
        lines.append(
            f"\t<object><name>{thing['name']}</name><action>{thing['action']}</action>"
            f"<bndbox>{box}</bndbox></object>"
        )
    return "\n".join([*lines, "</annotation>", ""])
