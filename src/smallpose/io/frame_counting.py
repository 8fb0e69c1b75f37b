"""Say from which number the frames of a video are counted, where labels name some of them.

`predict` counts them from 0 and ffmpeg from 1, and results of other frames are left out: the number
of labels decides alone whether they are scored with the results of their own frame.
"""

from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.frame_groups import FRAMES_NAME
from smallpose.io.image_lookup import ImageLookup
from smallpose.system.files import read_bytes

_MAX_NUMBERS = 3  # in the note


class _Frame(msgspec.Struct):
    file_name: str
    index: int
    time: float | None = None  # of frames that were files, there is none


def describe_counting(images: Images, results: Path) -> str | None:
    """Say that labelled frames are taken as counted from 0; None where they are no such frames.

    Args:
        images: of the ground truth.
        results: whose folder may have the list of frames that `predict` writes for videos.
    """
    numbers = _list_labelled_numbers(images, results.with_name(FRAMES_NAME))
    if not numbers:
        return None
    listed = ", ".join(map(str, numbers[:_MAX_NUMBERS]))
    if len(numbers) > _MAX_NUMBERS:
        listed += f" and {len(numbers) - _MAX_NUMBERS:,} more"
    is_one = len(numbers) == 1
    frames = "labelled frame" if is_one else "labelled frames"
    taken = "is taken as a number" if is_one else "are taken as numbers"
    return (
        f"{frames} {listed} {taken} from 0, as predict counts; ffmpeg counts "
        "from 1 unless it is told -start_number 0, and labels of its frames would be scored with "
        "the results of the next ones"
    )


def _list_labelled_numbers(images: Images, path: Path) -> list[int]:
    """Return the numbers of the labelled frames of videos, sorted; [] where the list has none."""
    try:
        frames = msgspec.json.decode(read_bytes(path), type=list[_Frame]) if path.is_file() else []
        lookup = ImageLookup(images, goes_by_names=True)
        return sorted(
            frame.index
            for frame in frames
            if frame.time is not None
            and lookup.find_id_if_known(None, frame.file_name, str(path)) is not None
        )
    except (InputError, msgspec.MsgspecError):
        return []
