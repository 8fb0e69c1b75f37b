"""Tell which labelling tool a folder is from, and read it."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smallpose.sources.locate import find_files
from smallpose.sources.source import Source
from smallpose.sources.tools.coco_files import (
    find_coco_files,
    read_coco_folder,
    refuse_empty_folder,
)
from smallpose.sources.tools.cvat_xml import find_cvat_files, read_cvat_xml
from smallpose.sources.tools.datumaro_json import read_datumaro
from smallpose.sources.tools.label_studio import read_label_studio
from smallpose.sources.tools.labelme import read_labelme
from smallpose.sources.tools.yolo_pose import find_data_file, read_yolo_pose
from smallpose.system.files import read_bytes

Reader = Callable[[str, Path, Mapping[str, str], Sequence[str]], Source]

_HEAD_BYTES = 1 << 16  # of a JSON file, which tell its form


def read_labelled_folder(
    name: str, root: Path, joint_map: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read a folder of labels, whichever tool wrote it.

    Args:
        name: of the source.
        joint_map: their joint names to ours.
        category: names of the categories that are people.
    Raises: InputError where no layout is recognised, or for a broken file.
    """
    reader = _choose_reader(root)
    if reader is None:
        raise refuse_empty_folder(name, root)
    return reader(name, root, joint_map, category)


def _choose_reader(root: Path) -> Reader | None:
    paths = [root / path for path in find_coco_files(root)] or find_files(root, "**/*.json")[:1]
    if find_data_file(root) is not None and not any("coco" in path.name for path in paths):
        return read_yolo_pose
    if not paths:
        return read_cvat_xml if find_cvat_files(root) else None
    head = read_bytes(paths[0])[:_HEAD_BYTES]
    if re.search(rb'"shapes"\s*:\s*\[', head):
        return read_labelme
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return read_label_studio
    if re.search(rb'"dm_format_version"|"categories"\s*:\s*\{', head):
        return read_datumaro
    return read_coco_folder
