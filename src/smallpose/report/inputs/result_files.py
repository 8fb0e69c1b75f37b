"""Describe result files of any origin as runs without a training, so that a page shows both."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.catalog.methods import is_listed_method
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.coco_annotations import read_coco
from smallpose.io.result_environment import read_environment
from smallpose.io.result_folders import find_read_path, name_result_file
from smallpose.report.inputs.runs import Run
from smallpose.system.files import hash_file


def describe_result_file(path: Path, name: str, predictions: Predictions, truth_path: Path) -> Run:
    """Describe a result file as a run; its scores are added by `replace(run, evaluation=…)`.

    Args:
        path: the file, or the folder of another tool.
        name: what the user calls it.
        truth_path: the labels that it is scored by.
    """
    facts: dict[str, Any] = {"file": name_result_file(path)}
    read = find_read_path(path)
    if read.is_file():
        facts["sha256"] = hash_file(read)
    facts["detections"] = f"{len(predictions):,}"
    facts["images with detections"] = f"{len(np.unique(predictions.image_ids)):,}"
    facts["joints"] = f"{len(predictions.skeleton)} ({predictions.skeleton.name})"
    return Run(
        folder=path,
        method="",
        setting="",
        recipe="",
        recipe_fields={},
        seed=None,
        parameters=None,
        steps=None,
        epochs=None,
        seconds=None,
        data=truth_path,
        subset=None,
        weights=None,
        environment=read_environment(read) if read.is_file() else {},
        evaluation={},
        name=name,
        file_facts=facts,
    )


def check_run_fits_truth(run: Run, predictions: Predictions, truth: Instances) -> str | None:
    """Check that a run predicted the images of this ground truth, which ids alone do not prove.

    Returns: a note where it cannot be checked, because the run's own test set is missing.
    Raises: InputError when an id means another image in the run's test set.
    """
    if run.data is None:
        return (
            "its data set was not found, so that its image ids were taken to mean the images of "
            "this ground truth"
        )
    own = read_coco(run.data / "annotations" / "test.json").images
    names_of_run = _map_names(own.ids.tolist(), own.file_names)
    names = _map_names(truth.images.ids.tolist(), truth.images.file_names)
    for image_id in np.unique(predictions.image_ids).tolist():
        if names_of_run.get(image_id) != names[image_id]:
            raise InputError(
                str(run.folder),
                f"its results are for other images (id {image_id} is "
                f"{names_of_run.get(image_id)!r} there and {names[image_id]!r} here)",
                f"run: smallpose predict {format_model_words(run)} --data TRUTH.json "
                "--images DIR --out PREDICTIONS.json, and pass that file",
            )
    return None


def format_model_words(run: Run) -> str:
    """Return what `predict` takes for a run: its method and weights, or its folder alone.

    The folder names the file of a method that is none of ours.
    """
    folder = shlex.quote(str(run.folder))
    return f"{run.method} --weights {folder}" if is_listed_method(run.method) else folder


def _map_names(ids: list[int], file_names: tuple[str, ...]) -> Mapping[int, str]:
    """Map ids to file names without their folders, which differ between copies of a set."""
    return {image: name.rpartition("/")[2] for image, name in zip(ids, file_names, strict=True)}
