"""Everybody who was labelled, for the page's browser: who he is, what was found, how he looks.

Behind the people stand each run's false positives of the highest scores: the same columns, with the
prediction's box, and the label that it fits best.

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
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import size_classes
from smallpose.evaluation.analysis.binned_ap import measure_density
from smallpose.evaluation.analysis.error_diagnosis import MIN_OKS, classify_joints
from smallpose.evaluation.config import get_detection_boxes
from smallpose.report.images.contact_sheet import SOURCE_NAMES, ImageReader
from smallpose.report.images.pose_drawing import SUBSTITUTE_LIMBS, Window, place_window
from smallpose.report.inputs.false_positives import FalsePositives, find_false_positives
from smallpose.report.inputs.person_matching import PersonMatches
from smallpose.system.progress import track

Ints = NDArray[np.intp]

MAX_PEOPLE = 12_000  # in the browser; of more, the worst half of them and a draw of the others
MAX_RUNS = 4
MAX_FALSE_POSITIVES = 2_000  # false positives, over all runs
CELL_WH = (120, 160)  # px of a picture at most; smaller people keep the pixels they have
SUBPIXELS = 8  # coordinates are whole eighths of a cell's px
PACK_SIZE = 250  # pictures
MAX_INLINE_BYTES = 6 << 20  # bytes of pictures that stand in the page itself
NO_OKS, NO_JOINT = 65535, 255


@dataclass(frozen=True)
class Said:
    """What one run said about the people.

    Args:
        label: as the page's tables have it.
    """

    label: str
    found: Predictions
    pairing: PersonMatches


@dataclass(frozen=True)
class BrowserData:
    """The browser's people.

    Args:
        data: columns by name, ready for JSON.
        packs: base64 of the pictures, `PACK` each; none where there are no pictures.
        people: how many are in it, and `judged` of how many.
        false: (shown, of how many) false positives of each run.
    """

    data: Mapping[str, Any]
    packs: Sequence[str]
    people: int
    judged: int
    false: Sequence[tuple[int, int]]

    @property
    def inside(self) -> list[int]:
        """Which packs stand in the page itself; the others lie beside it.

        The worst people, and the highest scored false positives of each run.
        """
        starts = [run["false"]["start"] for run in self.data["runs"]]
        first = {at // PACK_SIZE for start in starts for at in (start, start + PACK_SIZE - 1)}
        ranked = sorted(range(len(self.packs)), key=lambda number: (number not in first, number))
        sizes = np.cumsum([len(self.packs[number]) for number in ranked])
        return sorted(
            ranked[: int(np.searchsorted(sizes, MAX_INLINE_BYTES * 4 // 3, side="right"))]
        )

    def to_json(self) -> str:
        """For a script element; "<" cannot end it."""
        return json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")

    def beside(self) -> Iterator[tuple[str, str]]:
        """Name and text of each script that lies beside the page."""
        for number in sorted(set(range(len(self.packs))) - set(self.inside)):
            yield f"people/{number:03d}.js", f'smallposePack({number},"{self.packs[number]}");\n'


def build_browser_data(
    truth: Instances, said: Sequence[Said], read: ImageReader | None
) -> BrowserData:
    """The people of the test set that the first run was judged on, its worst first.

    Args:
        said: at least one run; their order is that of the page.
        read: opens pictures; None where there are none.
    """
    oks = said[0].pairing.oks
    judged = np.flatnonzero(np.isfinite(oks))
    rows = _choose_people(judged[np.argsort(oks[judged], kind="stable")])
    false = [find_false_positives(truth, run.found, run.pairing) for run in said]
    shown = [f.first(MAX_FALSE_POSITIVES // len(said)) for f in false]
    them = _collect_items(truth, said, rows, shown)
    windows = [
        _place_window(truth, *of) for of in zip(them.image.tolist(), them.boxes, strict=True)
    ]
    pictures = [b""] * len(windows)
    if read is not None:
        pictures = _encode_images(truth, them.image, windows, read)
    packs = [
        base64.b64encode(b"".join(pictures[start : start + PACK_SIZE])).decode()
        for start in range(0, len(pictures), PACK_SIZE)
    ]
    images, image = np.unique(them.image, return_inverse=True)
    labelled = them.label >= 0
    boxes = truth.boxes_xywh[them.label] * labelled[:, None]
    corners = np.stack([boxes[:, :2] - 0.5, boxes[:, :2] + boxes[:, 2:] - 0.5], axis=1)
    starts = np.cumsum([len(rows), *(len(f) for f in shown)])[: len(said)].tolist()
    data = {
        "n": len(rows),
        "all": len(windows),
        "judged": len(judged),
        "cell": CELL_WH,
        "fine": SUBPIXELS,
        "pack": PACK_SIZE,
        "joints": [j.replace("_", " ") for j in truth.skeleton.joints],
        "edges": truth.skeleton.edges,
        "stand_ins": _list_substitute_limbs(truth.skeleton.joints),
        "sources": [SOURCE_NAMES[s] for s in SOURCES[: truth.source.max(initial=5) + 1]],
        "images": [truth.images.file_names[i] for i in images.tolist()],
        "image": _encode_column(image, "<u4"),
        "id": _encode_column(them.ids, "<f8"),
        "source": _encode_column(them.source, "u1"),
        "size": _encode_column(size_classes(them.boxes[:, 2:].prod(axis=1)), "i1"),
        "dense": _encode_column(them.density_class, "i1"),
        "density": _encode_column(them.density, "<f4"),
        "wh": _encode_column(them.boxes[:, 2:], "<f4"),
        "corner": _encode_column(them.boxes[:, :2], "<f4"),
        "box": _encode_positions(corners, windows),
        "xy": _encode_positions(truth.keypoints[them.label, :, :2], windows),
        "v": _encode_column(truth.keypoints[them.label, :, 2] * labelled[:, None], "u1"),
        "bytes": _encode_column([len(p) for p in pictures], "<u2"),
        "runs": [
            _encode_run(truth, run, rows, windows[: len(rows)])
            | {
                "false": _encode_false_positives(
                    truth, run, f, start, windows[start : start + len(f)]
                )
            }
            for run, f, start in zip(said, shown, starts, strict=True)
        ],
    }
    counts = [(len(f), len(whole)) for f, whole in zip(shown, false, strict=True)]
    return BrowserData(data, packs if any(pictures) else (), len(rows), len(judged), counts)


@dataclass(frozen=True)
class _BrowserItems:
    """People, then false positives, run by run: what the columns are made of.

    Args:
        image: (m,) rows of the images.
        boxes: (m, 4) labelled, or the prediction's, px.
        label: (m,) rows of the truth; of a false positive the one it fits best, or -1.
        ids: (m,) of the labels; of a false positive -1 - its row among the run's predictions.
    """

    image: Ints
    boxes: NDArray[np.float64]
    label: Ints
    ids: NDArray[np.int64]
    source: NDArray[np.int8]
    density: NDArray[np.float64]
    density_class: NDArray[np.int8]


def _collect_items(
    truth: Instances, said: Sequence[Said], rows: Ints, false: Sequence[FalsePositives]
) -> _BrowserItems:
    more = sum(len(f) for f in false)
    number = {image: row for row, image in enumerate(truth.images.ids.tolist())}
    theirs = [
        number[i]
        for run, f in zip(said, false, strict=True)
        for i in run.found.image_ids[f.rows].tolist()
    ]
    image = np.array([*truth.image_rows[rows].tolist(), *theirs], dtype=np.intp)
    boxes = [get_detection_boxes(run.found)[f.rows] for run, f in zip(said, false, strict=True)]
    return _BrowserItems(
        image,
        np.concatenate([truth.boxes_xywh[rows], *boxes]),
        np.concatenate([rows, *(f.near for f in false)]),
        np.concatenate([truth.ids[rows], *(-1 - f.rows for f in false)]),
        np.concatenate([truth.source[rows], truth.images.source[image[len(rows) :]]]),
        np.concatenate([measure_density(truth)[rows], np.full(more, np.nan)]),
        np.concatenate([truth.density_class[rows], np.full(more, -1, dtype=np.int8)]),
    )


def _choose_people(ranked: Ints) -> Ints:
    """All of them, or the worst and a draw of the others; worst first."""
    if len(ranked) <= MAX_PEOPLE:
        return ranked
    worst = MAX_PEOPLE // 2
    others = len(ranked) - worst
    drawn = np.random.default_rng(0).choice(others, MAX_PEOPLE - worst, replace=False)
    return np.concatenate([ranked[:worst], ranked[worst + np.sort(drawn)]])


def _place_window(truth: Instances, image: int, box: NDArray[np.float64]) -> Window:
    wh = (int(truth.images.width[image]), int(truth.images.height[image]))
    # A picture of unknown size does not hold the window back.
    unbounded = (1 << 20, 1 << 20)
    return place_window(box, wh if min(wh) > 0 else unbounded, CELL_WH, 0.2)


def _encode_positions(xy: NDArray[np.float64], windows: Sequence[Window]) -> str:
    """(n, k, 2) px of the images as whole parts of a cell's px."""
    scale = np.array([w.scale for w in windows]).reshape(len(windows), 1, 2)
    corner = np.array([(w.left, w.top) for w in windows]).reshape(len(windows), 1, 2) - 0.5
    cell = (xy - corner) * scale
    return _encode_column(np.clip(np.rint(cell * SUBPIXELS), -32768, 32767), "<i2")


def _encode_column(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _list_substitute_limbs(joints: Sequence[str]) -> list[tuple[int, int, list[int]]]:
    number = {name: i for i, name in enumerate(joints)}
    return [
        (number[a], number[b], [number[m] for m in instead if m in number])
        for a, b, instead in SUBSTITUTE_LIMBS
        if a in number and b in number
    ]


def _encode_run(
    truth: Instances, run: Said, rows: Ints, windows: Sequence[Window]
) -> dict[str, Any]:
    """One run's columns; a person nobody was found for has an OKS of 0 and no pose."""
    found, pairing = run.found, run.pairing
    row, oks = pairing.rows[rows], pairing.oks[rows]
    there = row >= 0
    joints, known = _find_shared_joints(truth, found)
    xy = np.zeros((len(rows), len(known), 2))
    xy[there] = found.keypoints[row[there]][:, known, :2]
    kinds = np.full((len(rows), len(known)), NO_JOINT, dtype=np.uint8)
    meant = there & (oks >= MIN_OKS)
    if meant.any():
        judged = classify_joints(truth, found, row[meant], rows[meant])
        kinds[meant] = judged[:, known].astype(np.uint8)
    score = np.full(len(rows), np.nan)
    score[there] = found.scores[row[there]]
    return {
        "label": run.label,
        "joints": joints,
        "there": _encode_column(there, "u1"),
        "oks": _encode_oks(oks),
        "score": _encode_column(score, "<f4"),
        "xy": _encode_positions(xy, windows),
        "kinds": _encode_column(kinds, "u1"),
    }


def _encode_false_positives(
    truth: Instances, run: Said, false: FalsePositives, start: int, windows: Sequence[Window]
) -> dict[str, Any]:
    """A run's false positives, which stand from `start` on among everybody."""
    _, known = _find_shared_joints(truth, run.found)
    return {
        "start": start,
        "n": len(false),
        "kinds": _encode_column(false.kinds, "u1"),
        "oks": _encode_oks(false.oks),
        "score": _encode_column(run.found.scores[false.rows], "<f4"),
        "xy": _encode_positions(run.found.keypoints[false.rows][:, known, :2], windows),
    }


def _find_shared_joints(truth: Instances, found: Predictions) -> tuple[list[int], list[int]]:
    """Places of the predicted joints among the truth's, and of these among the predicted ones.

    A skeleton of the run's own is shown as far as it is known.
    """
    ours = truth.skeleton.joints
    known = [i for i, j in enumerate(found.skeleton.joints) if j in ours]
    return [ours.index(found.skeleton.joints[i]) for i in known], known


def _encode_oks(oks: NDArray[np.float64]) -> str:
    whole = np.where(np.isfinite(oks), np.floor(np.nan_to_num(oks) * 10_000), NO_OKS)
    return _encode_column(whole, "<u2")


def _encode_images(
    truth: Instances, image: Ints, windows: Sequence[Window], read: ImageReader
) -> list[bytes]:
    """(m,) WebP of each window in its image, b"" where the picture cannot be read."""
    out = [b""] * len(image)
    order = np.argsort(image, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []

    def cut(group: Ints) -> None:
        try:
            picture = read(truth.images.file_names[image[group[0]]])
        except SmallposeError:
            return  # a set built with --missing-images keep lacks some pictures
        for i in group.tolist():
            out[i] = _encode_webp(_fit_cell(windows[i]).cut(picture))

    with ThreadPoolExecutor(2) as pool:
        for _ in track(pool.map(cut, groups), "people", total=len(groups)):
            pass
    return out


def _fit_cell(window: Window) -> Window:
    """The same part of the picture, reduced to a cell but never enlarged."""
    if window.height <= CELL_WH[1]:
        wh = (window.width, window.height)
        return Window(window.left, window.top, window.width, window.height, wh)
    return window


def _encode_webp(picture: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "webp", quality=60, method=2)
    return out.getvalue()
