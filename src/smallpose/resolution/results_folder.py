"""The results of each model, height by height, so that an interrupted study resumes."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose.core.errors import InputError
from smallpose.resolution.frame import Frame
from smallpose.resolution.models import Model
from smallpose.resolution.people import ChosenPeople
from smallpose.resolution.reduced_set import ReducedSet
from smallpose.system.files import read_bytes, write_atomically

ABOUT = "model.json"
_RESULTS = re.compile(r"(?!unfinished-).+-\d+\.json")  # as `ReducedSet.name` has it


@dataclass(frozen=True)
class ResultsFolder:
    """The results of one model.

    Args:
        folder: of its files.
    """

    folder: Path

    def get_path(self, reduced: ReducedSet) -> Path:
        """Return the path of the results for a set."""
        return self.folder / f"{reduced.name}.json"

    def has(self, reduced: ReducedSet) -> bool:
        """Return whether the results for a set are finished."""
        return self.get_path(reduced).is_file()

    def record(self, model: Model, reduced: ReducedSet) -> None:
        """Run the model on a set; its results, and a program's log, appear when complete."""
        part = self.folder / f"unfinished-{reduced.name}.json"
        model.predict(reduced, part)
        part.replace(self.get_path(reduced))
        log = part.with_suffix(".log")
        if log.is_file():
            log.replace(self.get_log_path(reduced))

    def get_log_path(self, reduced: ReducedSet) -> Path:
        """Return the path of what a program printed for a set."""
        return self.get_path(reduced).with_suffix(".log")


def open_results(
    out: Path, model: Model, people: ChosenPeople, seed: int, frame: Frame | None = None
) -> ResultsFolder:
    """Open the folder of a model's results, which must be of the same model and people.

    A model without an accepted height gives its place to another of the same name.

    Raises: InputError when it has results of others.
    """
    folder = out / "results" / re.sub(r"[^\w.-]+", "-", model.name)
    about = {"name": model.name, "model": model.identity, "people": hash_people(people, seed)}
    about["frame"] = "" if frame is None else frame.name
    path = folder / ABOUT
    if not path.is_file() or not _has_results(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(about, indent=1) + "\n")
        return ResultsFolder(folder)
    stored = msgspec.json.decode(read_bytes(path), type=dict[str, Any])
    stored.setdefault("frame", "")  # earlier results have none
    for key, what in (
        ("name", "model"),
        ("model", "model"),
        ("people", "people or seed"),
        ("frame", "frame"),
    ):
        if stored.get(key) != about[key]:
            raise InputError(
                str(folder),
                f"has results of another {what}",
                "name another folder with --out, or remove this one",
            )
    return ResultsFolder(folder)


def _has_results(folder: Path) -> bool:
    """Return whether a height was accepted; refused and unfinished ones are no results."""
    return any(_RESULTS.fullmatch(path.name) for path in folder.iterdir())


def hash_people(people: ChosenPeople, seed: int) -> str:
    """Hash who is seen in which images."""
    truth, rows = people.truth, people.rows
    names = [truth.images.file_names[row] for row in truth.image_rows[rows].tolist()]
    digest = hashlib.sha256(json.dumps([names, seed]).encode())
    digest.update(np.ascontiguousarray(truth.boxes_xywh[rows]).tobytes())
    digest.update(np.ascontiguousarray(truth.keypoints[rows]).tobytes())
    return digest.hexdigest()
