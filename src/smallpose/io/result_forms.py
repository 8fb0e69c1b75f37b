"""Read results in the forms of other tools as records of a COCO result file.

A form is a container of poses (a folder with a file per image, JSON Lines, a list or an object with
an entry per image) and the keys of a pose; the keys are the business of `pose_forms`. Forms are
recognised by the names of files and by keys. A plain COCO list is none of them and is read without
this module.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.image_lookup import ImageLookup
from smallpose.io.pose_forms import SINK_REMEDY, PoseReader, has_poses, is_pose
from smallpose.io.result_entries import ResultEntries
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json

Record = dict[str, Any]
_IMAGE_KEYS = ("image_id", "file_name")
_CONVERT = (
    "write the image beside each: "
    'json.dump([{"file_name": name, "poses": poses} for name, poses in zip(names, outputs)], file)'
)


class FolderForm(NamedTuple):
    """Results that are a folder with a file per image.

    Args:
        name: of the tool, for messages.
        suffix: of the names of its files, after the name of the image.
        prefix: that the tool may put before the name of the image.
    """

    name: str
    suffix: str
    prefix: str = ""

    def list_files(self, folder: Path) -> list[Path]:
        """Return the files of the form, sorted by name."""
        return sorted(file for file in folder.glob(f"*{self.suffix}") if file.is_file())


# The first form with a file of its suffix is taken; a form that any *.json fits comes last.
FOLDER_FORMS = (
    FolderForm("OpenPifPaf", ".predictions.json"),
    FolderForm("OpenPose", "_keypoints.json"),
    FolderForm("MMPose", ".json", "results_"),
)
# Single files in the folders that these tools write.
_SINGLE_FILES = ("coco_instances_results.json", "alphapose-results.json")


def find_single_file(folder: Path) -> Path | None:
    """Return the file with all results in a folder of Detectron2 or AlphaPose; else None."""
    files = [folder / name for name in _SINGLE_FILES if (folder / name).is_file()]
    return files[0] if files else None


def find_folder_form(folder: Path) -> FolderForm | None:
    """Return the form of a folder with a file of poses per image; None for other folders."""
    for form in FOLDER_FORMS:
        files = form.list_files(folder)
        if files and _is_of_image(read_bytes(files[0])):
            return form
    return None


def convert_folder(folder: Path, images: Images | None) -> ResultEntries:
    """Convert a folder of results with a file per image.

    Args:
        images: of the ground truth; None where only the results are looked at. Then images are
            called by the names of their files.

    Raises: InputError naming the file that is broken or of an image that is not in the truth.
    """
    form = find_folder_form(folder)
    if form is None:
        has_json = any(folder.glob("*.json"))
        what = "has no results of a known form" if has_json else "contains no .json file"
        raise InputError(str(folder), what, "give a result file or such a folder")
    converter = _Converter()
    file_images = _FileImages(images)
    for file in form.list_files(folder):
        name = file.name.removesuffix(form.suffix)
        names = [name]
        if form.prefix and name.startswith(form.prefix):
            names.append(name.removeprefix(form.prefix))
        image = file_images.find(names, str(file))
        converter.add_image(image, decode_json(file, read_bytes(file), Any), str(file))
    return converter.finish()


def convert_file(path: Path | str, data: bytes, images: Images | None) -> ResultEntries | None:
    """Convert the content of a file; None for a COCO list and for a file that names its joints.

    Args:
        images: of the ground truth, among which the file's own name may be; None where there is
            no truth.

    Raises: InputError where the form is known and cannot be read, with the line that converts it.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if text[:1] == b"[":
        return _convert_list(path, text, images)
    if text[:1] != b"{":
        return None
    lines = _split_json_lines(text)
    if lines is not None:
        return _convert_lines(path, lines)
    return _convert_object(path, text, images)


def is_foreign_object(data: bytes) -> bool:
    """Return whether an object, or the first of several, is results of another tool."""
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if _split_json_lines(text) is not None:
        return True
    value = _decode(text)
    return isinstance(value, dict) and (has_poses(value) or _is_by_name(value))


class _Converter:
    """Collects the records of images and what has to be told about them."""

    def __init__(self) -> None:
        self._reader = PoseReader()
        self._raws: list[Raw] = []
        self._places: list[str] = []

    def add_image(self, image: Record, value: Any, where: str) -> None:
        """Add the poses of an image.

        Args:
            image: the fields that name it.
            value: its poses, decoded JSON.
        """
        for number, record in enumerate(self._reader.read_image(value, where)):
            self._add(image | record, f"{where}, person[{number}]")

    def add_entry(self, entry: Any, where: str) -> None:
        """Add an entry of a list that names its image: a pose, or the poses of the image."""
        image = _get_image(entry, where)
        if "poses" in entry:
            self.add_image(image, entry["poses"], where)
        elif is_pose(entry) and not has_poses(entry):
            self._add(image | self._reader.read_pose(entry, where), where)
        else:
            self.add_image(image, entry, where)

    def add_raw(self, raw: Raw, where: str) -> None:
        """Add a record that is one of a COCO list already."""
        self._raws.append(raw)
        self._places.append(where)

    def finish(self) -> ResultEntries:
        """Return all entries."""
        return ResultEntries(
            self._raws,
            keypoint_names=self._reader.keypoint_names,
            places=self._places,
            notes=self._reader.list_notes(),
        )

    def _add(self, record: Record, where: str) -> None:
        self.add_raw(Raw(msgspec.json.encode(record)), where)


def _convert_list(path: Path | str, text: bytes, images: Images | None) -> ResultEntries | None:
    try:
        raws = msgspec.json.decode(text, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # the reader of COCO's lists says what is wrong
    first = _decode(bytes(raws[0])) if raws else None
    if first is None or _is_plain(first):
        return None
    if isinstance(first, dict) and any(key in first for key in _IMAGE_KEYS):
        return _convert_entries(path, enumerate(raws))
    return _convert_own_image(path, _decode(text), images)


def _convert_entries(path: Path | str, raws: Iterator[tuple[int, Raw]]) -> ResultEntries:
    converter = _Converter()
    for number, raw in raws:
        converter.add_entry(_decode(bytes(raw)), f"{path}, entry[{number}]")
    return converter.finish()


def _convert_lines(path: Path | str, lines: list[tuple[int, bytes]]) -> ResultEntries:
    converter = _Converter()
    for number, line in lines:
        where = f"{path}, line {number}"
        value = decode_json(where, line, Any, "write one JSON object in each line")
        if _is_plain(value):
            converter.add_raw(Raw(line), where)
        else:
            converter.add_entry(value, where)
    return converter.finish()


def _convert_object(path: Path | str, text: bytes, images: Images | None) -> ResultEntries | None:
    value = _decode(text)
    if not isinstance(value, dict) or "annotations" in value:
        return None
    if has_poses(value):
        is_named = isinstance(value.get("predictions"), list)
        return None if is_named else _convert_own_image(path, value, images)
    if not _is_by_name(value):
        return None
    converter = _Converter()
    for name, poses in value.items():
        converter.add_image({"file_name": name}, poses, f"{path}, {name}")
    return converter.finish()


def _convert_own_image(path: Path | str, value: Any, images: Images | None) -> ResultEntries:
    """Convert the poses of one image, whose name the file has.

    Raises: InputError where the file has no name of an image, or is of several.
    """
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, dict) and "instances" in first:
        what = "is of a video, whose frames have no names"
        raise InputError(str(path), what, "run MMPose on a folder of the frames")
    if isinstance(first, dict) and "x_min" in first:
        raise InputError(f"{path}, entry[0]", "does not name its image", SINK_REMEDY)
    if not has_poses(value) and isinstance(first, dict | list):
        raise InputError(f"{path}, entry[0]", "does not name its image", _CONVERT)
    if not has_poses(value):
        raise InputError(str(path), "is no list of results", _CONVERT)
    name = Path(path).name.removesuffix(".gz")
    form = next((form for form in FOLDER_FORMS if name.endswith(form.suffix)), FOLDER_FORMS[-1])
    stem = name.removesuffix(form.suffix)
    lookup = _FileImages(images)
    image = lookup.find_if_known([stem, stem.removeprefix(form.prefix)], str(path))
    if image is None:
        raise InputError(f"{path}, entry[0]", "does not name its image", _CONVERT)
    converter = _Converter()
    converter.add_image(image, value, str(path))
    return converter.finish()


class _FileImages:
    """Finds the images of files with one image's results each, by the names of the files.

    Args:
        images: of the ground truth; None to keep the names.
    """

    def __init__(self, images: Images | None) -> None:
        self._images = images
        self._lookup = None if images is None else ImageLookup(images)

    def find(self, names: Sequence[str], where: str) -> Record:
        """Return the fields that name the image in a record.

        Args:
            names: that the image may have, with or without a suffix, the best first. One that no
                image has may be its id.
        """
        image = self.find_if_known(names, where)
        if image is None:
            assert self._lookup is not None
            self._lookup.find_id(None, names[-1], where)  # raises
        return image or {}

    def find_if_known(self, names: Sequence[str], where: str) -> Record | None:
        """Return the fields as `find`; None where no image has one of the names."""
        if self._images is None or self._lookup is None:
            return {"file_name": names[-1]}
        arguments = [(None, name) for name in names] + [(name, None) for name in names]
        for image_id, file_name in arguments:
            known = self._lookup.find_id_if_known(image_id, file_name, where)
            if known is not None:
                return {"image_id": self._images.file_id_of[known]}
        return None


def _get_image(entry: Any, where: str) -> Record:
    image = (
        {key: entry[key] for key in _IMAGE_KEYS if entry.get(key) is not None}
        if isinstance(entry, dict)
        else {}
    )
    if not image:
        raise InputError(where, "does not name its image", _CONVERT)
    return image


def _split_json_lines(text: bytes) -> list[tuple[int, bytes]] | None:
    """Return the number and text of each line of JSON Lines; None for other texts."""
    head = text[: text.find(b"\n")] if b"\n" in text else text
    first = _decode(head) if head[:1] == b"{" else None
    if not isinstance(first, dict) or not any(key in first for key in _IMAGE_KEYS):
        return None
    lines = enumerate(text.split(b"\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


def _is_plain(value: Any) -> bool:
    """Return whether an entry is a record of a COCO list, or a broken one."""
    if not isinstance(value, dict) or "box" in value:
        return not isinstance(value, dict | list)
    points = value.get("keypoints")
    is_flat = isinstance(points, list) and not (points and isinstance(points[0], list))
    is_other = has_poses(value) or (is_pose(value) and not is_flat)
    return not is_other and "poses" not in value and any(key in value for key in _IMAGE_KEYS)


def _is_by_name(value: dict[str, Any]) -> bool:
    """Return whether an object has the poses of an image under each name of one."""
    return any(value.values()) and all(has_poses(poses) for poses in value.values())


def _is_of_image(data: bytes) -> bool:
    """Return whether a file is the poses of an image; a broken one may be."""
    value = _decode(data)
    return value is None or has_poses(value)


def _decode(data: bytes) -> Any:
    """Return decoded JSON; None where it is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
