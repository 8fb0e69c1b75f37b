"""Find how the labels that a run was trained on spell its joints, where its weights do not say.

Weights that were written before 30 Nov 2026 have the names of the 21 alone: `head_bottom` for
`neck`. Their run's record names the data set, whose labels begin with the names as they were.
"""

from dataclasses import replace
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.skeleton import Skeleton, resolve_skeleton
from smallpose.system.files import read_bytes, read_head

_RECORD = "result.json"
_LABELS = (Path("annotations") / "train.json", Path("annotations") / "test.json")
_BEGIN = b'{"categories":'  # of labels that `build` writes
_END = b',\n"images":'


class _Record(msgspec.Struct):
    data: str = ""


class _Category(msgspec.Struct):
    keypoints: list[str] = []


def recall_spelled_joints(weights: Path, skeleton: Skeleton) -> Skeleton:
    """Return the skeleton with the names of the labels; as it is where they are not known.

    Args:
        weights: a file in the folder of a run.
    """
    record = weights.parent / _RECORD
    if skeleton.file_joints or not record.is_file():
        return skeleton
    try:
        data = msgspec.json.decode(read_bytes(record), type=_Record).data
        files = [Path(data) / name for name in _LABELS if data]
        names = next((_read_names(file) for file in files if file.is_file()), ())
    except (InputError, msgspec.MsgspecError, OSError):
        return skeleton
    is_same = bool(names) and resolve_skeleton(names).joints == skeleton.joints
    return replace(skeleton, file_joints=names) if is_same else skeleton


def _read_names(labels: Path) -> tuple[str, ...]:
    """Return the names of the joints that a file of labels begins with; () where it does not."""
    head = read_head(labels)
    end = head.find(_END)
    if not head.startswith(_BEGIN) or end < 0:
        return ()
    categories = msgspec.json.decode(head[len(_BEGIN) : end], type=list[_Category])
    return tuple(categories[0].keypoints) if len(categories) == 1 else ()
