"""Ultralytics' YOLO-pose layout: a text file per image, a line per person, and `data.yaml`.

A line is `0 cx cy w h x y v x y v …`, all but v as shares of the image's sides.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, export_images
from smallpose.system.files import write_atomically

DECIMALS = 6
_USAGE = """```sh
yolo pose train data=data.yaml model=yolo11n-pose.pt imgsz=640
```

`kpt_oks_sigmas` in `data.yaml` makes Ultralytics score with the set's own sigmas; versions before
May 2026 ignore it and use 1 / 21 for every joint. Their sizes and densities are not the paper's:
score the results with `smallpose evaluate`."""


def export_yolo(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `images/`, `labels/` and `data.yaml`; test becomes Ultralytics' `val`."""
    written = ExportResult("Ultralytics YOLO-pose", usage=_USAGE)
    lost_points = lost_people = 0
    for split, people in built.parts.items():
        side = "val" if split == "test" else split
        names = flatten_names(people.images.file_names)
        lines, kept, dropped = _format_labels(people)
        (out / "labels" / side).mkdir(parents=True)
        (out / "images" / side).mkdir(parents=True)
        for row, name in enumerate(names):
            text = "".join(f"{line}\n" for line in lines.get(row, []))
            (out / "labels" / side / f"{Path(name).stem}.txt").write_text(text)
        targets = {
            old: out / "images" / side / new
            for old, new in zip(people.images.file_names, names, strict=True)
        }
        export_images(built, targets, image_mode, written)
        written.images += len(names)
        written.people += kept
        lost_people += len(people) - kept
        lost_points += dropped
    write_atomically(
        out / "data.yaml", _format_data_yaml(next(iter(built.parts.values())).skeleton)
    )
    written.losses = [
        f"coordinates have {DECIMALS} decimals of the image's side: in an image of 1,000 px, half a "
        "thousandth of a px",
        "ids, sources, box rules, areas and groups have no place in it",
        f"{lost_people:,} crowd regions and people without keypoints are left out: YOLO would "
        "count them as people to find",
        f"{lost_points:,} keypoints outside their image became unlabelled: Ultralytics leaves out "
        "an image that has one",
    ]
    return written


def flatten_names(names: tuple[str, ...]) -> list[str]:
    """File names without folders, unique up to their ending.

    Ultralytics finds a label by the last `/images/` of a path, and sources have such folders too.
    """
    flat: list[str] = []
    taken: set[str] = set()
    for name in names:
        path = Path(name.replace("/", "__"))
        stem = path.stem
        while stem in taken:
            stem += "_"
        taken.add(stem)
        flat.append(stem + path.suffix)
    return flat


def _format_labels(people: Instances) -> tuple[dict[int, list[str]], int, int]:
    """Image row to its lines, how many people, and how many keypoints lay outside the image."""
    rows = np.flatnonzero(people.is_counted & (people.boxes_xywh[:, 2:] > 0).all(axis=1))
    size = _get_image_sizes(people, rows)
    boxes = people.boxes_xywh[rows] / np.tile(size, 2)
    boxes[:, :2] += boxes[:, 2:] / 2
    points = people.keypoints[rows].copy()
    points[:, :, :2] /= size[:, None]
    outside = (points[:, :, 2] > 0) & ((points[:, :, :2] < 0) | (points[:, :, :2] > 1)).any(axis=2)
    points[outside | (points[:, :, 2] == 0)] = 0
    lines: dict[int, list[str]] = {}
    columns = zip(people.image_rows[rows].tolist(), boxes.tolist(), points.tolist(), strict=True)
    for image, box, keypoints in columns:
        words = ["0", *(_format_share(v) for v in box)]
        for x, y, v in keypoints:
            words += [_format_share(x), _format_share(y), str(int(v))]
        lines.setdefault(image, []).append(" ".join(words))
    return lines, len(rows), int(outside.sum())


def _get_image_sizes(people: Instances, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """(r, 2) width and height of each person's image."""
    images = people.image_rows[rows]
    size = np.stack([people.images.width, people.images.height], axis=1)[images]
    unknown = np.flatnonzero((size <= 0).any(axis=1))
    if len(unknown):
        name = people.images.file_names[images[unknown[0]]]
        raise InputError(
            f"image {name}", "has no width and height", "build the set with its pictures there"
        )
    return size.astype(np.float64)


def _format_share(value: float) -> str:
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _format_data_yaml(skeleton: Skeleton) -> str:
    """Without `path`, Ultralytics takes the folder that data.yaml lies in, wherever it is moved."""
    names = "".join(f"    - {joint}\n" for joint in skeleton.joints)
    return (
        "train: images/train\nval: images/val\n\n"
        f"kpt_shape: [{len(skeleton)}, 3]\n"
        f"flip_idx: {skeleton.flip_indices.tolist()}\n"
        f"kpt_oks_sigmas: {skeleton.sigmas.tolist()}\n"
        f"names:\n  0: person\nkpt_names:\n  0:\n{names}"
    )


def read_yolo(folder: Path, split: str, skeleton: Skeleton) -> Instances:
    """One split of a YOLO-pose folder as `Instances`, images in the order of their names.

    Args:
        split: "train" or "val", the folder's name below `images/` and `labels/`.
    Raises: InputError naming the file and line that is no YOLO-pose label.
    """
    from smallpose.dataset.place_images import read_image_size

    pictures = sorted(p for p in (folder / "images" / split).iterdir() if p.is_file())
    sizes = [read_image_size(p) for p in pictures]
    rows, boxes, points = [], [], []
    for row, (picture, size) in enumerate(zip(pictures, sizes, strict=True)):
        path = folder / "labels" / split / f"{picture.stem}.txt"
        lines = path.read_text().splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            values = _parse_numbers(f"{path}, line {number}", line, 5 + 3 * len(skeleton))
            keypoints = values[5:].reshape(-1, 3)
            keypoints[:, :2] *= size
            box = values[1:5] * np.tile(size, 2)
            box[:2] -= box[2:] / 2
            rows.append(row)
            boxes.append(box)
            points.append(keypoints)
    width, height = (np.array([s[side] for s in sizes], dtype=np.int64) for side in (0, 1))
    images = make_images(np.arange(1, len(pictures) + 1), [p.name for p in pictures], width, height)
    return make_instances(
        skeleton, images, rows, np.array(boxes).reshape(-1, 4), np.array(points, dtype=np.float64)
    )


def _parse_numbers(where: str, line: str, wanted: int) -> NDArray[np.float64]:
    words = line.split()
    try:
        values = np.array([float(w) for w in words])
    except ValueError:
        raise InputError(where, "is not all numbers", "mend the label") from None
    if len(values) != wanted:
        raise InputError(where, f"{len(values)} numbers instead of {wanted}", "mend the label")
    return values
