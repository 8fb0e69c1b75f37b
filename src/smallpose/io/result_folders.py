"""Folders of results with one file per image: tell which tool wrote them.

Folders of JSON are read by `json_folders`; the reader of another form is one more function here and
in `read_result_folder`.
"""

import os
from pathlib import Path

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.json_folders import SUBFOLDER, find_folder_form, find_single_file
from smallpose.io.unknown_images import UnknownImages
from smallpose.io.yolo_results import LABELS, find_yolo_labels, read_yolo_results


def is_result_folder(folder: Path) -> bool:
    """Return whether the folder has results of a tool that writes one file per image."""
    return (
        find_yolo_labels(folder) is not None
        or find_single_file(folder) is not None
        or find_folder_form(folder) is not None
    )


# Stems of result files that tell nothing; their folder tells more.
GENERAL_NAMES = ("found", "predictions", "results", "detections", "preds", "keypoints")


def get_result_name(path: Path) -> str:
    """Return what results are called: their file, or their folder where the file's name is general.

    >>> get_result_name(Path("runs/B/found.json")), get_result_name(Path("pose/predict/labels"))
    ('B', 'predict')
    >>> get_result_name(Path("yolo/predictions.json")), get_result_name(Path("yolo.json"))
    ('yolo', 'yolo')
    >>> get_result_name(Path("../found.json")), get_result_name(Path("B/found.json.gz"))
    ('found', 'B')
    """
    stem = Path(path.name.removesuffix(".gz")).stem
    is_part_of_run = stem.lower() in GENERAL_NAMES or path.name == LABELS
    return (get_folder_name(path) if is_part_of_run else "") or stem


def find_read_path(path: Path) -> Path:
    """Return what is read of a folder of results: its one file, or the folder of those by image."""
    if not path.is_dir():
        return path
    read = find_yolo_labels(path) or find_single_file(path)
    if read is None and find_folder_form(path) is None:
        below = path / SUBFOLDER
        read = below if find_folder_form(below) is not None else None
    return read or path


def name_result_file(path: Path) -> str:
    """Name the result file, or the folder of them, that is read.

    Its folder is part of the name where its own name is usual, and where that folder was given.

    >>> name_result_file(Path("yolo/predictions.json")), name_result_file(Path("mmpose/a.json"))
    ('yolo/predictions.json', 'a.json')
    """
    read = find_read_path(path)
    stem = Path(read.name.removesuffix(".gz")).stem
    is_usual = stem.lower() in (*GENERAL_NAMES, LABELS) or read != path
    folder = get_folder_name(read) if is_usual else ""
    name = read.name or read.resolve().name
    return f"{folder}/{name}" if folder else name


def get_folder_name(path: Path) -> str:
    """Return the name of a file's folder; "" where its path does not say it, as in `../a.json`.

    >>> get_folder_name(Path("A/x/../a.json")), get_folder_name(Path("../a.json"))
    ('A', '')
    """
    name = Path(os.path.normpath(path)).parent.name
    return "" if name == os.pardir else name


def read_result_folder(
    folder: Path, truth: Instances, unknown_images: UnknownImages = "refuse"
) -> Predictions | None:
    """Read a folder of results as `Predictions`; None where its files are JSON."""
    labels = find_yolo_labels(folder)
    return None if labels is None else read_yolo_results(labels, truth, unknown_images)
