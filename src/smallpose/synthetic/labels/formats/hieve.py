"""HiEve: labels of whole videos, in the two forms that exist, one clip in one form."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smallpose.core.skeleton import HIEVE14, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import whole, write_json
from smallpose.synthetic.labels.records import Person, Picture

_ORDER = SMALLPOSE.index(HIEVE14.joints)
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
FORMS = ("list", "json", "xml")
_FLAG = {2: 0, 1: 1, 0: -1}


def form_of(clip: int) -> str:
    """The form of a clip's labels."""
    return FORMS[(clip - 1) % len(FORMS)]


def write_hieve(root: Path, pictures: Sequence[Picture]) -> None:
    """`HIE20/labels/train/…` below `root`; the videos stand beside it."""
    clips: dict[int, list[Picture]] = {}
    for picture in pictures:
        clips.setdefault(picture.extra["clip"], []).append(picture)
    labels = root / "HIE20" / "labels" / "train"
    for clip, frames in clips.items():
        if form_of(clip) == "list":
            content = {"annolist": [_entry(p) for p in frames]}
            write_json(labels / "track2&3" / f"{clip}.json", content)
            continue
        folder = labels / "all-track" / str(clip)
        folder.mkdir(parents=True, exist_ok=True)
        for picture in frames:
            sheet = _sheet(picture, clip)
            as_json = form_of(clip) == "json"
            text = json.dumps({"annotation": sheet}, indent=1) if as_json else _xml(sheet)
            (folder / f"{picture.extra['frame']:06d}.xml").write_text(text)


def _corners(person: Person) -> list[int]:
    x, y, w, h = person.box_xywh.tolist()
    return [whole(x), whole(y), whole(x + w), whole(y + h)]


def _entry(picture: Picture) -> dict[str, Any]:
    people = []
    for person in picture.people:
        points = [
            {"id": [k], "x": [whole(x)], "y": [whole(y)], "score": [1]}
            for k, (x, y, v) in enumerate(person.keypoints[_ORDER].tolist())
            if v
        ]
        x1, y1, x2, y2 = _corners(person)
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
    name = f"{picture.extra['frame']:06d}.jpg"
    return {"image": [{"name": name}], "ignore_regions": [], "annorect": people}


def _sheet(picture: Picture, clip: int) -> dict[str, Any]:
    objects = []
    for person in picture.people:
        box: dict[str, str] = {
            key: str(value)
            for key, value in zip(("xmin", "ymin", "xmax", "ymax"), _corners(person), strict=True)
        }
        for name, (x, y, v) in zip(_NAMES, person.keypoints[_ORDER].tolist(), strict=True):
            box[name] = f"{whole(x)},{whole(y)},{_FLAG[int(v)]}"
        objects.append({"name": f"P-{person.extra['row']}", "action": "walking", "bndbox": box})
    # The page shows the frame's name without leading zeros.
    name = f"{picture.extra['frame']}.jpg"
    return {
        "folder": str(clip),
        "filename": name,
        "path": f"{clip}/{name}",
        "size": {"width": str(picture.width), "height": str(picture.height), "depth": "3"},
        "object": objects,
    }


def _xml(sheet: dict[str, Any]) -> str:
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
