"""Write MPII: one MATLAB structure, 1-based, without person boxes, flags in several types."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from smallpose.core.skeleton import MPII16, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import round_half_up
from smallpose.synthetic.labels.records import ImageRecord, Person

FILE = "mpii_human_pose_v1_u12_1.mat"
_ORDER = SMALLPOSE.joint_indices(MPII16.joints)
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


def write_mpii(root: Path, records: Sequence[ImageRecord]) -> None:
    """Write `mpii_human_pose_v1_u12_1.mat` below `root`."""
    n = len(records)
    videos = sorted({p.extra["vididx"] for p in records if p.extra["vididx"]})
    annolist = np.zeros(
        (1, n), dtype=[(f, "O") for f in ("image", "annorect", "frame_sec", "vididx")]
    )
    act = np.zeros((n, 1), dtype=[(f, "O") for f in ("cat_name", "act_name", "act_id")])
    single = np.empty((n, 1), dtype=object)
    for k, record in enumerate(records):
        people = record.people
        train = record.labelled
        annolist[0, k] = (
            _make_struct(name=Path(record.file_name).name),
            _make_annorect(people, k) if train else _make_test_annorect(people),
            np.array([[record.extra["frame_sec"]]], dtype=np.uint16),
            _to_matrix(record.extra["vididx"]) if record.extra["vididx"] else _EMPTY,
        )
        category, name = _ACTS[record.extra["vididx"] % len(_ACTS)]
        act[k, 0] = (category, name, np.array([[k % 400 + 1]], dtype=np.int16))
        if not train:
            act[k, 0] = (_EMPTY, _EMPTY, np.array([[-1]], dtype=np.int16))
        apart = [p + 1 for p, person in enumerate(people) if _has_labels(person)]
        single[k, 0] = np.array([apart[:1]], dtype=np.uint8).T if apart else _EMPTY
    release = {
        "annolist": annolist,
        "img_train": np.array([[int(p.labelled) for p in records]], dtype=np.uint8),
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


def _has_labels(person: Person) -> bool:
    return bool((person.keypoints[:, 2] > 0).any())


def _make_struct(**fields: Any) -> Any:
    out = np.zeros((1, 1), dtype=[(name, "O") for name in fields])
    out[0, 0] = tuple(fields.values())
    return out


def _to_matrix(value: float) -> Any:
    """Return a 1 x 1 matrix in the smallest type that MATLAB would have chosen."""
    if value != int(value):
        return np.array([[value]])
    if 0 <= value <= 255:
        return np.array([[value]], dtype=np.uint8)
    kind = np.uint16 if 0 <= value <= 65535 else np.int16
    return np.array([[value]], dtype=kind)


def _make_annorect(people: Sequence[Person], image_index: int) -> Any:
    """Return the structure array of an image, sometimes with the extra fields of older entries."""
    if not people:
        return _EMPTY
    names = ["x1", "y1", "x2", "y2", "annopoints", "scale", "objpos"]
    if image_index % 4 == 3:
        names += ["part_occ1", "head_r11", "torso_r11"]
    rects = np.zeros((1, len(people)), dtype=[(name, "O") for name in names])
    for k, person in enumerate(people):
        head = [_to_matrix(round_half_up(c) + 1) for c in person.extra["head"]]
        x, y = person.extra["objpos"]
        position = _make_struct(
            x=_to_matrix(max(round_half_up(x) + 1, 0)), y=_to_matrix(max(round_half_up(y) + 1, 0))
        )
        points: Any = (
            _make_struct(point=_make_points(person, image_index + k))
            if _has_labels(person)
            else _EMPTY
        )
        rest = [_to_matrix(0)] * (len(names) - 7)
        scale = np.array([[round(person.extra["scale"], 8)]])
        rects[0, k] = (*head, points, scale, position, *rest)
    return rects


def _make_test_annorect(people: Sequence[Person]) -> Any:
    """Return the structure array of a test image, which has only scale and position of people."""
    if not people:
        return _EMPTY
    rects = np.zeros((1, len(people)), dtype=[("scale", "O"), ("objpos", "O")])
    for k, person in enumerate(people):
        x, y = person.extra["objpos"]
        position = _make_struct(
            x=_to_matrix(max(round_half_up(x) + 1, 0)), y=_to_matrix(max(round_half_up(y) + 1, 0))
        )
        rects[0, k] = (np.array([[round(person.extra["scale"], 8)]]), position)
    return rects


def _make_points(person: Person, style: int) -> Any:
    """Return the labelled points; some people have another field order or flags as characters."""
    names = ("id", "x", "y", "is_visible") if style % 14 == 13 else ("x", "y", "id", "is_visible")
    rows = []
    for joint in _POINT_ORDER:
        x, y, v = person.keypoints[_ORDER[joint]].tolist()
        if not v:
            continue
        # 1-based pixels; the two head points are computed ones and not whole.
        fine = joint in _NO_FLAG
        place = [round(c + 1, 4) if fine else round_half_up(c) + 1 for c in (x, y)]
        flag: Any = np.array([[int(v == 2)]], dtype=np.uint8)
        if fine:
            flag = np.zeros((0, 0), dtype=np.uint8)
        elif style % 5 == 4:
            flag = str(int(v == 2))
        values = {
            "x": _to_matrix(place[0]),
            "y": _to_matrix(place[1]),
            "id": _to_matrix(joint),
            "is_visible": flag,
        }
        rows.append(tuple(values[name] for name in names))
    points = np.zeros((1, len(rows)), dtype=[(name, "O") for name in names])
    for k, row in enumerate(rows):
        points[0, k] = row
    return points
