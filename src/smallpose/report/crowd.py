"""Everybody who was labelled, for the page's browser: who he is, what was found, how he looks.

Columns and not objects, each as base64 of little-endian numbers: ten thousand people with three
runs are 5 MB of text. Pictures are small WebP files in packs. The first packs stand in the page
itself; the others lie beside it as scripts, which a page opened from disk may still load, and
where they are missing the page draws the people without their pictures.
"""

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from smallpose.core.errors import SmallposeError
from smallpose.core.progress import track
from smallpose.evaluation.along import density_of
from smallpose.evaluation.diagnosis import GENEROUS, judge_joints
from smallpose.report.drawing import STAND_INS, Window, window_around
from smallpose.report.people import Pairing
from smallpose.report.sheets import SOURCE_NAMES, Reader
from smallpose.table.instances import SOURCES, Instances
from smallpose.table.predictions import Predictions

Ints = NDArray[np.intp]

MOST_PEOPLE = 12_000  # in the browser; of more, the worst half of them and a draw of the others
MOST_RUNS = 4
CELL_WH = (120, 160)  # px of a picture at most; smaller people keep the pixels they have
FINE = 8  # coordinates are whole eighths of a cell's px
PACK = 250  # pictures
IN_PAGE = 6 << 20  # bytes of pictures that stand in the page itself
NO_OKS, NO_JOINT = 65535, 255


@dataclass(frozen=True)
class Said:
    """What one run said about the people.

    Args:
        label: as the page's tables have it.
    """

    label: str
    found: Predictions
    pairing: Pairing


@dataclass(frozen=True)
class Crowd:
    """The browser's people.

    Args:
        data: columns by name, ready for JSON.
        packs: base64 of the pictures, `PACK` people each; none where there are no pictures.
        people: how many are in it, and `judged` of how many.
    """

    data: Mapping[str, Any]
    packs: Sequence[str]
    people: int
    judged: int

    @property
    def inside(self) -> int:
        """How many packs stand in the page itself; the others lie beside it."""
        sizes = np.cumsum([len(pack) for pack in self.packs])
        return int(np.searchsorted(sizes, IN_PAGE * 4 // 3, side="right"))

    def to_json(self) -> str:
        """For a script element; "<" cannot end it."""
        text = json.dumps({**self.data, "inside": self.inside}, separators=(",", ":"))
        return text.replace("<", "\\u003c")

    def beside(self) -> Iterator[tuple[str, str]]:
        """Name and text of each script that lies beside the page."""
        for number in range(self.inside, len(self.packs)):
            yield f"people/{number:03d}.js", f'smallposePack({number},"{self.packs[number]}");\n'


def gather_crowd(truth: Instances, said: Sequence[Said], read: Reader | None) -> Crowd:
    """The people of the test set that the first run was judged on, its worst first.

    Args:
        said: at least one run; their order is that of the page.
        read: opens pictures; None where there are none.
    """
    oks = said[0].pairing.oks
    judged = np.flatnonzero(np.isfinite(oks))
    rows = _chosen(judged[np.argsort(oks[judged], kind="stable")])
    windows = [_window(truth, row) for row in rows.tolist()]
    pictures = _pictures(truth, rows, windows, read) if read is not None else [b""] * len(rows)
    packs = [
        base64.b64encode(b"".join(pictures[start : start + PACK])).decode()
        for start in range(0, len(pictures), PACK)
    ]
    images, image = np.unique(truth.image_rows[rows], return_inverse=True)
    boxes = truth.boxes_xywh[rows]
    corners = np.stack([boxes[:, :2] - 0.5, boxes[:, :2] + boxes[:, 2:] - 0.5], axis=1)
    data = {
        "n": len(rows),
        "judged": len(judged),
        "cell": CELL_WH,
        "fine": FINE,
        "pack": PACK,
        "joints": [j.replace("_", " ") for j in truth.skeleton.joints],
        "edges": truth.skeleton.edges,
        "stand_ins": _stand_ins(truth.skeleton.joints),
        "sources": [SOURCE_NAMES[s] for s in SOURCES[: truth.source.max(initial=5) + 1]],
        "images": [truth.images.file_names[i] for i in images.tolist()],
        "image": _column(image, "<u4"),
        "id": _column(truth.ids[rows], "<f8"),
        "source": _column(truth.source[rows], "u1"),
        "size": _column(truth.size_class[rows], "i1"),
        "dense": _column(truth.density_class[rows], "i1"),
        "density": _column(density_of(truth)[rows], "<f4"),
        "wh": _column(boxes[:, 2:], "<f4"),
        "corner": _column(boxes[:, :2], "<f4"),
        "box": _places(corners, windows),
        "xy": _places(truth.keypoints[rows, :, :2], windows),
        "v": _column(truth.keypoints[rows, :, 2], "u1"),
        "bytes": _column([len(p) for p in pictures], "<u2"),
        "runs": [_run(truth, run, rows, windows) for run in said],
    }
    return Crowd(data, packs if any(pictures) else (), len(rows), len(judged))


def _chosen(ranked: Ints) -> Ints:
    """All of them, or the worst and a draw of the others; worst first."""
    if len(ranked) <= MOST_PEOPLE:
        return ranked
    worst = MOST_PEOPLE // 2
    others = len(ranked) - worst
    drawn = np.random.default_rng(0).choice(others, MOST_PEOPLE - worst, replace=False)
    return np.concatenate([ranked[:worst], ranked[worst + np.sort(drawn)]])


def _window(truth: Instances, row: int) -> Window:
    image = truth.image_rows[row]
    wh = (int(truth.images.width[image]), int(truth.images.height[image]))
    # A picture of unknown size does not hold the window back.
    unbounded = (1 << 20, 1 << 20)
    return window_around(truth.boxes_xywh[row], wh if min(wh) > 0 else unbounded, CELL_WH, 0.2)


def _places(xy: NDArray[np.float64], windows: Sequence[Window]) -> str:
    """(n, …, 2) px of the images as whole parts of a cell's px."""
    scale = np.array([w.scale for w in windows]).reshape(len(windows), 1, 2)
    corner = np.array([(w.left, w.top) for w in windows]).reshape(len(windows), 1, 2) - 0.5
    cell = (xy - corner) * scale
    return _column(np.clip(np.rint(cell * FINE), -32768, 32767), "<i2")


def _column(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _stand_ins(joints: Sequence[str]) -> list[tuple[int, int, list[int]]]:
    number = {name: i for i, name in enumerate(joints)}
    return [
        (number[a], number[b], [number[m] for m in instead if m in number])
        for a, b, instead in STAND_INS
        if a in number and b in number
    ]


def _run(truth: Instances, run: Said, rows: Ints, windows: Sequence[Window]) -> dict[str, Any]:
    """One run's columns; a person nobody was found for has an OKS of 0 and no pose."""
    found, pairing = run.found, run.pairing
    row, oks = pairing.rows[rows], pairing.oks[rows]
    there = row >= 0
    # The place among the truth's joints; a skeleton of the run's own is shown as far as known.
    joints = [truth.skeleton.joints.index(j) for j in found.skeleton.joints
              if j in truth.skeleton.joints]  # fmt: skip
    known = [i for i, j in enumerate(found.skeleton.joints) if j in truth.skeleton.joints]
    xy = np.zeros((len(rows), len(known), 2))
    xy[there] = found.keypoints[row[there]][:, known, :2]
    kinds = np.full((len(rows), len(known)), NO_JOINT, dtype=np.uint8)
    meant = there & (oks >= GENEROUS)
    if meant.any():
        judged = judge_joints(truth, found, row[meant], rows[meant])
        kinds[meant] = judged[:, known].astype(np.uint8)
    score = np.full(len(rows), np.nan)
    score[there] = found.scores[row[there]]
    whole = np.where(np.isfinite(oks), np.floor(np.nan_to_num(oks) * 10_000), NO_OKS)
    return {
        "label": run.label,
        "joints": joints,
        "there": _column(there, "u1"),
        "oks": _column(whole, "<u2"),
        "score": _column(score, "<f4"),
        "xy": _places(xy, windows),
        "kinds": _column(kinds, "u1"),
    }


def _pictures(truth: Instances, rows: Ints, windows: Sequence[Window], read: Reader) -> list[bytes]:
    """(n,) WebP of each person's window, b"" where the picture cannot be read."""
    out = [b""] * len(rows)
    image = truth.image_rows[rows]
    order = np.argsort(image, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []

    def cut(group: Ints) -> None:
        try:
            picture = read(truth.images.file_names[image[group[0]]])
        except SmallposeError:
            return  # a set built with --missing-images keep lacks some pictures
        for i in group.tolist():
            out[i] = _webp(_cell(windows[i]).cut(picture))

    with ThreadPoolExecutor(2) as pool:
        for _ in track(pool.map(cut, groups), "people", total=len(groups)):
            pass
    return out


def _cell(window: Window) -> Window:
    """The same part of the picture, reduced to a cell but never enlarged."""
    if window.height <= CELL_WH[1]:
        wh = (window.width, window.height)
        return Window(window.left, window.top, window.width, window.height, wh)
    return window


def _webp(picture: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "webp", quality=60, method=2)
    return out.getvalue()
