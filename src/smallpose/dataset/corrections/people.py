"""People on their way to a labelling tool and back."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError

ID_ATTRIBUTE = "annotation_id"  # in CVAT, which numbers annotations anew
Box = tuple[float, float, float, float]
Point = tuple[float, float, int]  # x, y in px and v: 1 hidden, 2 visible
Id = int | str


@dataclass(frozen=True)
class ListedPerson:
    """A suspect person as a tool gets them.

    Args:
        id: of the annotation in the file; None for a person without a label.
        image_id, file_name, width, height: of the image; sizes in px, 0 where unknown.
        box_xywh: px.
        keypoints: (k, 3) x, y, v.
        reason, suspect_joints, score: what the audit says.
    """

    id: Id | None
    image_id: Id
    file_name: str
    width: int
    height: int
    box_xywh: Box
    keypoints: NDArray[np.float64]
    reason: str
    suspect_joints: tuple[str, ...]
    score: float

    @property
    def remark(self) -> str:
        """Return what the person is suspected of, in words for the annotator."""
        joints = f": {', '.join(self.suspect_joints)}" if self.suspect_joints else ""
        return f"{self.reason} (score {self.score:.1f}){joints}"


@dataclass(frozen=True)
class CorrectedPerson:
    """A person as a tool returns them.

    Args:
        id: of the annotation in the original file; None for a new person.
        image: the id or the file name of the image.
        joints: name to x, y, v of the labelled joints.
        box_xywh: px; None where the tool has no box.
        where: the file and record, for messages.
    """

    id: Id | None
    image: Id
    joints: Mapping[str, Point]
    box_xywh: Box | None
    where: str


def encode_id(own_id: Id | None) -> str:
    """Encode an id as text, so that 7 and "7" stay different; "" for none."""
    return "" if own_id is None else msgspec.json.encode(own_id).decode()


def decode_id(where: str, text: str) -> Id | None:
    """Decode the text of `encode_id`.

    Raises: InputError where it is no id.
    """
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text, type=int | str)  # type: ignore[arg-type, no-any-return]
    except msgspec.DecodeError:
        what = f"{ID_ATTRIBUTE} is {text[:40]!r}"
        raise InputError(where, what, "leave that attribute as it was imported") from None
