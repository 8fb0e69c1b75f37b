"""Tell which labelling tool a folder is from, and read it."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.sources.locate import find_files
from smallpose.sources.source import Source
from smallpose.sources.tools.coco_files import (
    find_coco_files,
    read_coco_folder,
    refuse_empty_folder,
)
from smallpose.sources.tools.cvat_xml import find_cvat_files, read_cvat_xml
from smallpose.sources.tools.datumaro_json import read_datumaro
from smallpose.sources.tools.image_search import ImageSearch
from smallpose.sources.tools.label_studio import read_label_studio
from smallpose.sources.tools.labelme import read_labelme
from smallpose.sources.tools.yolo_pose import find_data_file, read_yolo_pose
from smallpose.system.files import read_head

Reader = Callable[[str, Path, Mapping[str, str], Sequence[str]], Source]

# What the beginning of a JSON file of each tool has; other files are read as COCO's.
_LABELME = re.compile(rb'"shapes"\s*:\s*\[')
_LABEL_STUDIO = re.compile(rb'^\s*\[(?s:.)*("annotations"|"original_width")\s*:')
_DATUMARO = re.compile(rb'"dm_format_version"|"categories"\s*:\s*\{')
_FORMS: tuple[tuple[re.Pattern[bytes], Reader], ...] = (
    (_LABELME, read_labelme),
    (_LABEL_STUDIO, read_label_studio),
    (_DATUMARO, read_datumaro),
)


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
        root = _find_inner_folder(name, root)
        reader = _choose_reader(root)
        assert reader is not None  # it is why the folder was chosen
    return reader(name, root, joint_map, category)


def _find_inner_folder(name: str, root: Path) -> Path:
    """Return the only folder in `root` that is an export, as archives unpack to one.

    Raises: InputError where there is none, or several.
    """
    inner = [root / folder for folder in ImageSearch(root).list_folders()]
    exports = [folder for folder in inner if _choose_reader(folder) is not None]
    if not exports:
        raise refuse_empty_folder(name, root)
    if len(exports) > 1:
        raise InputError(
            f"--source {name}={root}",
            f"{exports[0].name} and {exports[1].name} in it are exports of their own",
            "give each a --source",
        )
    return exports[0]


def _choose_reader(root: Path) -> Reader | None:
    paths = [root / path for path in find_coco_files(root)]
    if find_data_file(root) is not None and not any("coco" in path.name for path in paths):
        return read_yolo_pose
    if not paths:
        nested = find_files(root, "**/*.json")
        if nested and _LABELME.search(read_head(nested[0])):
            return read_labelme
        return read_cvat_xml if find_cvat_files(root) else None
    head = read_head(paths[0])
    for form, reader in _FORMS:
        if form.search(head):
            return reader
    return read_coco_folder
