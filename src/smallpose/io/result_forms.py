"""Read files of results in the forms of other tools as records of a COCO result file.

A form is a container of poses (JSON Lines, a list or an object with an entry per image; folders are
read by `json_folders`) and the keys of a pose (`pose_forms`). Forms are recognised by keys. A plain
COCO list is none of them and is read without this module.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.json_folders import FOLDER_FORMS
from smallpose.io.pose_forms import has_poses, is_pose
from smallpose.io.pose_records import SINK_REMEDY
from smallpose.io.result_converter import (
    CONVERT_REMEDY,
    IMAGE_KEYS,
    Converter,
    FileImages,
    try_decode,
)
from smallpose.io.result_entries import ResultEntries
from smallpose.io.unknown_images import UnknownImages
from smallpose.system.json_decode import decode_json


def convert_file(
    path: Path | str,
    data: bytes,
    images: Images | None,
    unknown_images: UnknownImages = "refuse",
) -> ResultEntries | None:
    """Convert the content of a file; None for a COCO list and for a file that names its joints.

    Args:
        images: of the ground truth, among which the file's own name may be; None where there is
            no truth.
        unknown_images: as for `FileImages`.

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
    return _convert_object(path, text, images, unknown_images)


def is_foreign_object(data: bytes) -> bool:
    """Return whether an object, or the first of several, is results of another tool."""
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if _split_json_lines(text) is not None:
        return True
    value = try_decode(text)
    return isinstance(value, dict) and (has_poses(value) or _is_by_name(value))


def _convert_list(path: Path | str, text: bytes, images: Images | None) -> ResultEntries | None:
    try:
        raws = msgspec.json.decode(text, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # the reader of COCO's lists says what is wrong
    first = try_decode(bytes(raws[0])) if raws else None
    if first is None or _is_plain(first):
        return None
    if isinstance(first, dict) and any(key in first for key in IMAGE_KEYS):
        return _convert_entries(path, enumerate(raws))
    return _convert_own_image(path, try_decode(text), images)


def _convert_entries(path: Path | str, raws: Iterator[tuple[int, Raw]]) -> ResultEntries:
    converter = Converter()
    for number, raw in raws:
        converter.add_entry(try_decode(bytes(raw)), f"{path}, entry[{number}]")
    return converter.finish()


def _convert_lines(path: Path | str, lines: list[tuple[int, bytes]]) -> ResultEntries:
    converter = Converter()
    for number, line in lines:
        where = f"{path}, line {number}"
        value = decode_json(where, line, Any, "write one JSON object in each line")
        if _is_plain(value):
            converter.add_raw(Raw(line), where)
        else:
            converter.add_entry(value, where)
    return converter.finish()


def _convert_object(
    path: Path | str, text: bytes, images: Images | None, unknown_images: UnknownImages
) -> ResultEntries | None:
    value = try_decode(text)
    if not isinstance(value, dict) or "annotations" in value:
        return None
    if has_poses(value):
        is_named = isinstance(value.get("predictions"), list)
        return None if is_named else _convert_own_image(path, value, images)
    if not _is_by_name(value):
        return None
    converter = Converter()
    names = FileImages(images, unknown_images)
    for name, poses in value.items():
        where = f"{path}, {name}"
        if _is_wrapped_list(poses) and (images is None or not names.find_if_known([name], where)):
            raise InputError(
                str(path),
                f"has its list of results under the key '{name}'",
                f"write the list alone: json.dump(results['{name}'], file)",
            )
        converter.add_image(names.find([name], where), poses, where)
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
        raise InputError(
            f"{path}, entry[0]", "does not name its image by image_id or file_name", CONVERT_REMEDY
        )
    if not has_poses(value):
        raise InputError(str(path), "is no list of results", CONVERT_REMEDY)
    name = Path(path).name.removesuffix(".gz")
    form = next((form for form in FOLDER_FORMS if name.endswith(form.suffix)), FOLDER_FORMS[-1])
    stem = name.removesuffix(form.suffix)
    lookup = FileImages(images)
    image = lookup.find_if_known([stem, stem.removeprefix(form.prefix)], str(path))
    if image is None:
        raise InputError(
            f"{path}, entry[0]", "does not name its image by image_id or file_name", CONVERT_REMEDY
        )
    converter = Converter()
    converter.add_image(image, value, str(path))
    return converter.finish()


def _split_json_lines(text: bytes) -> list[tuple[int, bytes]] | None:
    """Return the number and text of each line of JSON Lines; None for other texts."""
    head = text[: text.find(b"\n")] if b"\n" in text else text
    first = try_decode(head) if head[:1] == b"{" else None
    if not isinstance(first, dict) or not any(key in first for key in IMAGE_KEYS):
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
    return not is_other and "poses" not in value and any(key in value for key in IMAGE_KEYS)


def _is_wrapped_list(poses: Any) -> bool:
    """Return whether poses name their images themselves, as records of a COCO list do."""
    first = poses[0] if isinstance(poses, list) and poses else None
    return isinstance(first, dict) and "image_id" in first


def _is_by_name(value: dict[str, Any]) -> bool:
    """Return whether an object has the poses of an image under each name of one."""
    return any(value.values()) and all(has_poses(poses) for poses in value.values())
