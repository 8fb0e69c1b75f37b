"""Folders of results with one file per image: tell which tool wrote them.

Folders of JSON are read by `result_forms`; the reader of another form is one more function here and
in `read_result_folder`.
"""

from pathlib import Path

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.result_forms import find_folder_form, find_single_file
from smallpose.io.yolo_results import find_yolo_labels, read_yolo_results


def is_result_folder(folder: Path) -> bool:
    """Return whether the folder has results of a tool that writes one file per image."""
    return (
        find_yolo_labels(folder) is not None
        or find_single_file(folder) is not None
        or find_folder_form(folder) is not None
    )


def read_result_folder(folder: Path, truth: Instances) -> Predictions | None:
    """Read a folder of results as `Predictions`; None where its files are JSON."""
    labels = find_yolo_labels(folder)
    return None if labels is None else read_yolo_results(labels, truth)
