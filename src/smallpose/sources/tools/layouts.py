"""Tell which labelling tool a folder is from, and read it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from smallpose.sources.source import Source
from smallpose.sources.tools.coco_files import (
    find_coco_files,
    read_coco_folder,
    refuse_empty_folder,
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
    if not find_coco_files(root):
        raise refuse_empty_folder(name, root)
    return read_coco_folder(name, root, joint_map, category)
