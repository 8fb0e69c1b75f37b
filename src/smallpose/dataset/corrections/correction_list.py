"""The suspect people of a file with what labelling tools need to show and correct them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from smallpose.core.errors import InputError
from smallpose.dataset.corrections import coco_form, cvat_form, label_studio_form
from smallpose.dataset.corrections.people import ListedPerson
from smallpose.system.files import write_folder

FORMS: Final = ("cvat", "label-studio", "coco")
LIST_FILE = "list.json"
DEFAULT_IMAGE_PREFIX = "/data/local-files/?d="  # of files that Label Studio serves itself


@dataclass(frozen=True)
class CorrectionList:
    """The suspects of one file.

    Args:
        file: the annotations that were audited.
        joints: names of the joints as the file spells them.
        edges: pairs of indices of joints.
        people: the suspects, the most suspect first.
        category: name of the category of people.
        image_prefix: what Label Studio puts before file names.
    """

    file: Path
    joints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    people: Sequence[ListedPerson]
    category: str = "person"
    image_prefix: str = DEFAULT_IMAGE_PREFIX


def write_correction_list(corrections: CorrectionList, form: str, out: Path) -> None:
    """Write the files that a tool imports, and `list.json` with ids and reasons, into a new folder.

    Args:
        form: one of `FORMS`.
    Raises: InputError where an image has no size that the tool needs, or the folder has files.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(str(out), "exists and is not an empty folder", "name a new folder")
    encoders: dict[str, Callable[[CorrectionList], Mapping[str, bytes]]] = {
        "cvat": _encode_cvat,
        "label-studio": _encode_label_studio,
        "coco": _encode_coco,
    }
    contents = encoders[form](corrections)
    write_folder(out, {**contents, LIST_FILE: _encode_list(corrections, form)})


def _encode_cvat(corrections: CorrectionList) -> Mapping[str, bytes]:
    return cvat_form.encode_people(
        corrections.people, corrections.joints, corrections.edges, corrections.category
    )


def _encode_label_studio(corrections: CorrectionList) -> Mapping[str, bytes]:
    return label_studio_form.encode_people(
        corrections.people, corrections.joints, corrections.category, corrections.image_prefix
    )


def _encode_coco(corrections: CorrectionList) -> Mapping[str, bytes]:
    return coco_form.encode_people(corrections.file, corrections.people)


def _encode_list(corrections: CorrectionList, form: str) -> bytes:
    """Encode what was sent, so that people who were deleted in the tool can be told apart."""
    people: list[dict[str, Any]] = [
        {
            "id": person.id,
            "image_id": person.image_id,
            "file_name": person.file_name,
            "reason": person.reason,
            "joints": list(person.suspect_joints),
            "score": person.score,
        }
        for person in corrections.people
    ]
    content = {"file": corrections.file.name, "form": form, "people": people}
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"


class _ListedId(msgspec.Struct):
    id: int | str | None = None


class _ListFile(msgspec.Struct):
    people: list[_ListedId]


def read_listed_ids(folder: Path) -> list[int | str]:
    """Read the ids of the people of a correction list.

    Raises: InputError where the folder has no list.
    """
    from smallpose.system.json_decode import read_json

    path = folder / LIST_FILE if folder.is_dir() else folder
    return [one.id for one in read_json(path, _ListFile).people if one.id is not None]
