"""What the JSON files of a built set must contain for the code that reads them.

The files are read as dictionaries, so that nothing in them is lost when they are passed on; these
types check them once, where they are read.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from smallpose.core.errors import InputError

Split = Literal["train", "test"]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Text = Annotated[str, Meta(pattern=r"^[^\x00]*$")]  # no path and no name has a NUL
_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class _FileRecord(Struct):
    sha256: _Digest
    bytes: _Count


class _ImageRecord(Struct):
    path: _Text = ""
    frame: _Count = 0
    orientation: _Count = 1
    source_sha256: _Digest = "0" * 64
    bytes: _Count = 0
    sha256: _Digest = "0" * 64


class _IndexedImage(_ImageRecord, kw_only=True):
    split: Split


class _Source(Struct):
    link_roots: list[_Text]
    root: _Text = ""
    images_read: _Count = 0
    people_read: _Count = 0
    images: _Count = 0
    people: _Count = 0
    missing: list[str] = []
    notes: list[str] = []
    images_missing: _Count = 0
    unreadable: dict[str, str] = {}


class _Selection(Struct):
    images: _Count = 0
    with_small: _Count = 0
    drawn: _Count = 0
    pool: _Count = 0
    small_medium_large: list[float] = []
    note: str = ""
    without_people: _Count = 0


class _Manifest(Struct):
    sources: dict[str, _Source]
    files: dict[_Text, _FileRecord]
    pictures: dict[_Text, _ImageRecord]
    smallpose: str = ""
    synthetic: bool = False
    seed: Annotated[int, Meta(ge=0)] = 0
    split: str = ""
    images: str = ""
    missing_images: str = ""
    max_bad: float = 0.0
    trust: str = ""
    exif: str = ""
    select: str = ""
    hieve_step: _Count = 20
    derive: list[str] = []
    selection: dict[str, _Selection] = {}
    notes: list[str] = []
    derived: dict[str, _Count] = {}
    turned: _Count = 0
    leaks: dict[str, Any] = {}


class _NoSearch(Struct, tag_field="how", tag="off"):
    pass


class _Report(Struct, tag_field="how", tag="report"):
    pictures: _Count
    not_looked_at: _Count
    near_duplicates: _Count
    leaks: _Count
    moved_to_test: _Count
    moved_to_train: _Count
    leaks_left: _Count
    of_one_template: _Count = 0


class _Move(_Report, tag_field="how", tag="move"):
    pass


class _Annotations(Struct, forbid_unknown_fields=True):
    train: _FileRecord = field(name="annotations/train.json")
    test: _FileRecord = field(name="annotations/test.json")


class _Pool(Struct):
    train: _Count
    test: _Count


class _WithoutPeople(Struct):
    train: _Count = 0
    test: _Count = 0


class _LeakPair(Struct):
    first: str
    second: str
    sides: tuple[Split, Split]
    kind: str
    similarity: float
    overlap: float
    leak: bool
    template: bool = False


class LeakList(Struct):
    """The content of `leaks.json`."""

    pairs: list[_LeakPair]
    moved: dict[str, Split] = {}
    not_looked_at: list[str] = []


class _Index(Struct):
    kind: Literal["smallpose index 1"]
    smallpose: str
    sources: list[str]
    seed: Annotated[int, Meta(ge=0)]
    split: Literal["grouped", "paper"]
    derive: list[str]
    trust: Literal["file", "refuse"]
    pool: _Pool
    leaks: _NoSearch | _Report | _Move
    annotations: _Annotations
    pictures: dict[_Text, _IndexedImage]
    leaks_found: LeakList | None = None
    exif: Literal["apply", "ignore"] = "ignore"
    select: Literal["paper", "all"] = "paper"
    hieve_step: Annotated[int, Meta(ge=1)] = 20
    without_people: _WithoutPeople = field(default_factory=_WithoutPeople)


def check_manifest(path: Path, manifest: Any) -> None:
    """Raise InputError where the content of a `manifest.json` has not what a build writes."""
    _check(path, manifest, _Manifest, "not a manifest that smallpose build wrote")


def check_index(path: Path, index: Any) -> None:
    """Raise InputError where the content of an `index.json` has not what a build writes."""
    _check(path, index, _Index, "not an index")


def _check(path: Path, content: Any, schema: type[Struct], title: str) -> None:
    try:
        msgspec.convert(content, schema)
    except msgspec.ValidationError as error:
        reason = str(error).replace("`", "").replace("$.", "")
        raise InputError(
            str(path), f"{title} ({reason})", "take the file that smallpose build wrote"
        ) from None
