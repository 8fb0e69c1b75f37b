"""MPII: one MATLAB structure, 1-based, no person box, flags as numbers, characters or nothing."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from smallpose.core.skeleton import MPII16, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import whole
from smallpose.synthetic.labels.records import Person, Picture

FILE = "mpii_human_pose_v1_u12_1.mat"
_ORDER = SMALLPOSE.index(MPII16.joints)
_NO_FLAG = (8, 9)  # upper neck and head top
_POINT_ORDER = (6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15)
_HEADER = b"MATLAB 5.0 MAT-file Platform: posix, Created on: Thu Jan  1 00:00:00 1970"
_EMPTY = np.zeros((0, 0))
_ACTS = (
    ("sports", "basketball"),
    ("dancing", "ballet"),
    ("walking", "hiking"),
    ("bicycling", "bmx"),
)


def write_mpii(root: Path, pictures: Sequence[Picture]) -> None:
    """`mpii_human_pose_v1_u12_1.mat` below `root`."""
    n = len(pictures)
    videos = sorted({p.extra["vididx"] for p in pictures})
    annolist = np.zeros(
        (1, n), dtype=[(f, "O") for f in ("image", "annorect", "frame_sec", "vididx")]
    )
    act = np.zeros((n, 1), dtype=[(f, "O") for f in ("cat_name", "act_name", "act_id")])
    single = np.empty((n, 1), dtype=object)
    for k, picture in enumerate(pictures):
        people = picture.people
        train = picture.labelled
        annolist[0, k] = (
            _struct(name=Path(picture.file_name).name),
            _rects(people, k) if train else _test_rects(people),
            np.array([[picture.extra["frame_sec"]]], dtype=np.uint16),
            np.array([[picture.extra["vididx"]]], dtype=np.uint16),
        )
        category, name = _ACTS[picture.extra["vididx"] % len(_ACTS)]
        act[k, 0] = (category, name, np.array([[k % 400 + 1]], dtype=np.int16))
        if not train:
            act[k, 0] = (_EMPTY, _EMPTY, np.array([[-1]], dtype=np.int16))
        apart = [p + 1 for p, person in enumerate(people) if _labelled(person)]
        single[k, 0] = np.array([apart[:1]], dtype=np.uint8).T if apart else _EMPTY
    release = {
        "annolist": annolist,
        "img_train": np.array([[int(p.labelled) for p in pictures]], dtype=np.uint8),
        "version": "12",
        "single_person": single,
        "act": act,
        "video_list": np.array([[f"video{v:06d}" for v in videos]], dtype=object),
    }
    root.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"RELEASE": release}, do_compression=True, oned_as="row")
    data = buffer.getvalue()
    # SciPy writes today's date into the first 116 bytes, which are a comment.
    (root / FILE).write_bytes(_HEADER.ljust(116) + data[116:])


def _labelled(person: Person) -> bool:
    return bool((person.keypoints[:, 2] > 0).any())


def _struct(**fields: Any) -> Any:
    out = np.zeros((1, 1), dtype=[(name, "O") for name in fields])
    out[0, 0] = tuple(fields.values())
    return out


def _number(value: float) -> Any:
    """A 1 x 1 matrix in the smallest type MATLAB would have chosen."""
    if value != int(value):
        return np.array([[value]])
    if 0 <= value <= 255:
        return np.array([[value]], dtype=np.uint8)
    kind = np.uint16 if 0 <= value <= 65535 else np.int16
    return np.array([[value]], dtype=kind)


def _rects(people: Sequence[Person], image: int) -> Any:
    """The structure array of an image; now and then with the older entries' extra fields."""
    if not people:
        return _EMPTY
    names = ["x1", "y1", "x2", "y2", "annopoints", "scale", "objpos"]
    if image % 4 == 3:
        names += ["part_occ1", "head_r11", "torso_r11"]
    rects = np.zeros((1, len(people)), dtype=[(name, "O") for name in names])
    for k, person in enumerate(people):
        head = [_number(whole(c) + 1) for c in person.extra["head"]]
        x, y = person.extra["objpos"]
        position = _struct(x=_number(max(whole(x) + 1, 0)), y=_number(max(whole(y) + 1, 0)))
        points: Any = _struct(point=_points(person, image + k)) if _labelled(person) else _EMPTY
        rest = [_number(0)] * (len(names) - 7)
        scale = np.array([[round(person.extra["scale"], 8)]])
        rects[0, k] = (*head, points, scale, position, *rest)
    return rects


def _test_rects(people: Sequence[Person]) -> Any:
    """Test images know scale and position of people and nothing else."""
    if not people:
        return _EMPTY
    rects = np.zeros((1, len(people)), dtype=[("scale", "O"), ("objpos", "O")])
    for k, person in enumerate(people):
        x, y = person.extra["objpos"]
        position = _struct(x=_number(max(whole(x) + 1, 0)), y=_number(max(whole(y) + 1, 0)))
        rects[0, k] = (np.array([[round(person.extra["scale"], 8)]]), position)
    return rects


def _points(person: Person, style: int) -> Any:
    """Labelled points; every fourteenth person has another field order, some use characters."""
    names = ("id", "x", "y", "is_visible") if style % 14 == 13 else ("x", "y", "id", "is_visible")
    rows = []
    for joint in _POINT_ORDER:
        x, y, v = person.keypoints[_ORDER[joint]].tolist()
        if not v:
            continue
        # 1-based pixels; the two head points are computed ones and not whole.
        fine = joint in _NO_FLAG
        place = [round(c + 1, 4) if fine else whole(c) + 1 for c in (x, y)]
        flag: Any = np.array([[int(v == 2)]], dtype=np.uint8)
        if fine:
            flag = np.zeros((0, 0), dtype=np.uint8)
        elif style % 5 == 4:
            flag = str(int(v == 2))
        values = {
            "x": _number(place[0]),
            "y": _number(place[1]),
            "id": _number(joint),
            "is_visible": flag,
        }
        rows.append(tuple(values[name] for name in names))
    points = np.zeros((1, len(rows)), dtype=[(name, "O") for name in names])
    for k, row in enumerate(rows):
        points[0, k] = row
    return points
