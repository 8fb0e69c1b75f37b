"""Find the images that the model of some results was trained on, by what `predict` recorded.

The record beside results names the run that predicted them; the run names its set. A set that was
split again, or a test on the training labels, gives an AP that says nothing about new images.
Images are the same where name, size and a person's labelled keypoints are equal: numbers of frames
repeat in other videos, and labels that were copied from frame to frame repeat under other names.
"""

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.counts import format_share
from smallpose.core.errors import SmallposeError
from smallpose.core.instances import SOURCES, Instances
from smallpose.io.result_environment import get_environment_path, read_environment
from smallpose.system.files import hash_file
from smallpose.system.json_decode import read_json

TRAINED_ON = "so AP is too high for new images"  # in the note
RUN_KEY = "run"  # of the record beside results
_MODEL = "model.safetensors"
_MODEL_CARD = "model.json"
_OPTIONS = "options.json"
# Reading more takes longer than an evaluation should; sets of that size are built, and `build`
# keeps its parts apart.
_MAX_BYTES = 64_000_000
_MIN_JOINTS = 3  # labelled, of a person who tells two images of one name apart

# Name and size of an image.
_ImageKey = tuple[str, int, int]


def describe_run(weights: Path | None, results: Path) -> dict[str, Any]:
    """Describe the run that weights are of, for the record beside results.

    Args:
        weights: a file or a folder; None where there are none.
    Returns: the folder, from that of the results, and the SHA-256 of the weights; {} where they are
        of no run, and for other weights in its folder.
    """
    if weights is None or not (weights.is_dir() or weights.name == _MODEL):
        return {}
    folder = weights if weights.is_dir() else weights.parent
    digest = _read(folder / _MODEL_CARD).get("sha256")
    if not isinstance(digest, str) or not (folder / _OPTIONS).is_file():
        return {}
    relative = os.path.relpath(folder.resolve(), results.resolve().parent)
    return {RUN_KEY: {"folder": relative, "weights_sha256": digest}}


def describe_trained_images(results: Path | str, truth: Instances) -> tuple[str, ...]:
    """Say how many of the images with people the model was trained on; () where none is known.

    It is not known without the record beside the results, where the run or its training labels are
    gone, have changed or are large, and for runs of a part of their set (`--subset`).

    Args:
        results: their file.
    """
    results = Path(results)
    record = _read(get_environment_path(results)).get(RUN_KEY)
    if not isinstance(record, dict):
        return ()
    folder = Path(os.path.relpath(results.resolve().parent / str(record.get("folder"))))
    try:
        train, path = _read_training_people(folder, record)
        if train is None:
            return ()
        rows = _find_shared_images(truth, train)
    except (SmallposeError, OSError, ValueError):
        return ()
    if not len(rows) or RUN_KEY not in read_environment(results):
        return ()
    with_people = np.unique(truth.image_rows[truth.is_counted])
    share = format_share(
        len(rows), len(with_people), "image with people is", "images with people are"
    )
    return (
        f"{share} among those that {folder} was trained on (with the same name, size and keypoints "
        f"in {path}), {TRAINED_ON}; score images that it was not trained on",
    )


def _read_training_people(folder: Path, record: Mapping[str, Any]) -> tuple[Instances | None, Path]:
    """Read the people that a run was trained on, and return their file; None where not known."""
    card, options = _read(folder / _MODEL_CARD), _read(folder / _OPTIONS)
    path = Path(str(options.get("data"))) / "annotations" / "train.json"
    sets = card.get("trained_on")
    if card.get("sha256") != record.get("weights_sha256") or not isinstance(sets, list):
        return None, path
    if options.get("subset") or not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return None, path
    # A run that was not trained yet has the sets of its initial weights alone.
    last = sets[-1] if sets and isinstance(sets[-1], dict) else {}
    digest = hash_file(path)
    if last.get("labels_sha256") != digest:
        return None, path
    people = _read_labels(path, digest)
    if options.get("setting") == "A":
        people = people.take(np.flatnonzero(people.source == SOURCES.index("coco")))
    return people, Path(os.path.relpath(path))


@lru_cache(maxsize=1)  # results that are compared are often of runs on one set
def _read_labels(path: Path, digest: str) -> Instances:
    from smallpose.io.coco_annotations import read_coco  # which reads results by this module

    return read_coco(path)


def _find_shared_images(truth: Instances, train: Instances) -> list[int]:
    """Return the indices of the images of `truth` of which a person is in `train`, too."""
    joints = [joint for joint in truth.skeleton.joints if joint in train.skeleton.joints]
    if len(joints) < _MIN_JOINTS:
        return []
    keys = {_make_image_key(train, row) for row in np.unique(train.image_rows).tolist()}
    rows = [
        row
        for row in np.unique(truth.image_rows[truth.is_counted]).tolist()
        if _make_image_key(truth, row) in keys
    ]
    wanted = {_make_image_key(truth, row) for row in rows}
    known = [row for row in range(len(train.images)) if _make_image_key(train, row) in wanted]
    trained = set(_list_people(train, known, joints))
    shared = {key[:3] for key in _list_people(truth, rows, joints) if key in trained}
    return [row for row in rows if _make_image_key(truth, row) in shared]


def _make_image_key(people: Instances, row: int) -> _ImageKey:
    images = people.images
    name = images.file_names[row].replace("\\", "/").rpartition("/")[2]
    return name, int(images.width[row]), int(images.height[row])


def _list_people(
    people: Instances, rows: list[int], joints: list[str]
) -> Iterator[tuple[str, int, int, bytes]]:
    """Yield image, size and labelled keypoints of each person with enough of them."""
    some = people.take_images(np.array(rows, dtype=np.intp))
    columns = [some.skeleton.joints.index(joint) for joint in joints]
    keypoints = np.asarray(some.keypoints[:])[:, columns]
    is_labelled = keypoints[..., 2] > 0
    xy = np.where(is_labelled[..., None], np.round(keypoints[..., :2], 2), -1.0)
    for person in np.flatnonzero(is_labelled.sum(axis=1) >= _MIN_JOINTS).tolist():
        image = _make_image_key(some, int(some.image_rows[person]))
        yield *image, xy[person].tobytes()


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} where there is none."""
    try:
        return dict(read_json(path, dict)) if path.is_file() else {}
    except SmallposeError:
        return {}
