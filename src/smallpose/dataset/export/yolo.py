"""Export to Ultralytics' YOLO-pose layout: a text file per image, a line per person, `data.yaml`.

A line is `0 cx cy w h x y v x y v …`, all values except v relative to the sides of the image.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, export_images
from smallpose.dataset.place_images import read_image_size
from smallpose.system.files import write_atomically

DECIMALS = 6
_USAGE = """```sh
yolo pose train data=data.yaml model=yolo11n-pose.pt imgsz=640
```

With `kpt_oks_sigmas` in `data.yaml`, Ultralytics uses the sigmas of the data set; versions before
May 2026 ignore it and use 1 / 21 for every joint. Its size classes are not the paper's: score the
results with `smallpose evaluate`.

sleap-io reads images of this layout without people. For both tools move the folders:

```sh
for s in train val; do mkdir $s; mv images/$s $s/images; mv labels/$s $s/labels; done
rmdir images labels
sed -i.old 's#images/train#train/images#; s#images/val#val/images#' data.yaml
```"""


def export_yolo(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `images/`, `labels/` and `data.yaml`; test is Ultralytics' `val`."""
    result = ExportResult("Ultralytics YOLO-pose", usage=_USAGE)
    num_lost_points = num_lost_people = 0
    for split, people in built.parts.items():
        yolo_split = "val" if split == "test" else split
        label_folder = out / "labels" / yolo_split
        image_folder = out / "images" / yolo_split
        label_folder.mkdir(parents=True)
        image_folder.mkdir(parents=True)
        names = flatten_names(people.images.file_names)
        lines, num_people, num_outside = _format_labels(people)
        for row, name in enumerate(names):
            text = "".join(f"{line}\n" for line in lines.get(row, []))
            (label_folder / f"{Path(name).stem}.txt").write_text(text)
        targets = {
            file_name: image_folder / name
            for file_name, name in zip(people.images.file_names, names, strict=True)
        }
        export_images(built, targets, image_mode, result)
        result.images += len(names)
        result.people += num_people
        num_lost_people += len(people) - num_people
        num_lost_points += num_outside
    skeleton = next(iter(built.parts.values())).skeleton
    write_atomically(out / "data.yaml", _format_data_yaml(skeleton))
    result.losses = [
        f"coordinates have {DECIMALS} decimals relative to the side of the image: in an image of "
        "1,000 px, half a thousandth of a px",
        "ids, sources, box rules, areas, groups and tracks are not exported",
        f"{format_count(num_lost_people, 'crowd region')} and people without keypoints are left "
        "out, because YOLO would treat them as people to detect",
        f"{format_count(num_lost_points, 'keypoint')} outside their image are exported as "
        "unlabelled, because Ultralytics skips images that have one",
    ]
    return result


def flatten_names(names: tuple[str, ...]) -> list[str]:
    """Make file names without folders, unique except for their suffixes.

    Ultralytics derives the path of a label from the last `/images/` in the path of the image, and
    sources have folders of that name too.
    """
    flat: list[str] = []
    stems: set[str] = set()
    for name in names:
        path = Path(name.replace("/", "__"))
        stem = path.stem
        while stem in stems:
            stem += "_"
        stems.add(stem)
        flat.append(stem + path.suffix)
    return flat


def _format_labels(people: Instances) -> tuple[dict[int, list[str]], int, int]:
    """Format the labels of each image.

    Returns: image row to lines, the number of people, and of keypoints outside their image.
    """
    rows = np.flatnonzero(people.is_counted & (people.boxes_xywh[:, 2:] > 0).all(axis=1))
    size = _get_image_sizes(people, rows)
    boxes = people.boxes_xywh[rows] / np.tile(size, 2)
    boxes[:, :2] += boxes[:, 2:] / 2
    points = people.keypoints[rows].copy()
    points[:, :, :2] /= size[:, None]
    is_labelled = points[:, :, 2] > 0
    is_outside = is_labelled & ((points[:, :, :2] < 0) | (points[:, :, :2] > 1)).any(axis=2)
    points[is_outside | ~is_labelled] = 0
    lines: dict[int, list[str]] = {}
    columns = zip(people.image_rows[rows].tolist(), boxes.tolist(), points.tolist(), strict=True)
    for image, box, keypoints in columns:
        words = ["0", *(_format_share(v) for v in box)]
        for x, y, v in keypoints:
            words += [_format_share(x), _format_share(y), str(int(v))]
        lines.setdefault(image, []).append(" ".join(words))
    return lines, len(rows), int(is_outside.sum())


def _get_image_sizes(people: Instances, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the (r, 2) width and height of each person's image."""
    images = people.image_rows[rows]
    size = np.stack([people.images.width, people.images.height], axis=1)[images]
    unknown = np.flatnonzero((size <= 0).any(axis=1))
    if len(unknown):
        name = people.images.file_names[images[unknown[0]]]
        raise InputError(
            f"image {name}",
            "its width and height are unknown",
            "build the data set with its images",
        )
    return size.astype(np.float64)


def _format_share(value: float) -> str:
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _format_data_yaml(skeleton: Skeleton) -> str:
    """Format `data.yaml` without `path`, so that paths are relative to its folder."""
    names = "".join(f"    - {joint}\n" for joint in skeleton.spelled_joints)
    return (
        "train: images/train\nval: images/val\n\n"
        f"kpt_shape: [{len(skeleton)}, 3]\n"
        f"flip_idx: {skeleton.flip_indices.tolist()}\n"
        f"kpt_oks_sigmas: {skeleton.sigmas.tolist()}\n"
        f"names:\n  0: person\nkpt_names:\n  0:\n{names}"
    )


def read_yolo(folder: Path, split: str, skeleton: Skeleton) -> Instances:
    """Read one split of a YOLO-pose folder as `Instances`, images in the order of their names.

    Args:
        split: "train" or "val", a folder below `images/` and `labels/`.
    Raises: InputError naming the file and line that is no YOLO-pose label.
    """
    paths = sorted(p for p in (folder / "images" / split).iterdir() if p.is_file())
    sizes = [read_image_size(path) for path in paths]
    rows = []
    boxes = []
    points = []
    for row, (image_path, size) in enumerate(zip(paths, sizes, strict=True)):
        path = folder / "labels" / split / f"{image_path.stem}.txt"
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
    images = make_images(
        ids=np.arange(1, len(paths) + 1),
        file_names=[path.name for path in paths],
        width=[width for width, _ in sizes],
        height=[height for _, height in sizes],
    )
    return make_instances(
        skeleton,
        images,
        image_rows=rows,
        boxes_xywh=np.array(boxes).reshape(-1, 4),
        keypoints=np.array(points, dtype=np.float64),
    )


def _parse_numbers(where: str, line: str, num_expected: int) -> NDArray[np.float64]:
    words = line.split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise InputError(where, "not all values are numbers", "correct the label") from None
    if len(values) != num_expected:
        raise InputError(
            where,
            f"{format_count(len(values), 'number')} instead of {num_expected}",
            "correct the label",
        )
    return values
