"""Tell where results and labels number the frames of a video from 0 and from 1.

ffmpeg numbers frames from 1, `predict` and OpenCV from 0. Where the results of other images are
left out, each frame would be scored with the results of the next one.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from smallpose.core.instances import Images
from smallpose.io.label_faults import NO_RESULT

NUMBERED = re.compile(r"(.*?)(\d{1,18})")  # the stem of a frame's name
_MIN_FRAMES = 5  # with results
# Of the numbers from the first to the last frame with results: frame 0 may just show nobody.
_MIN_COVERED = 0.97
_MIN_SHARE_OF_NUMBERS = 0.5  # of labelled frames, whose numbers are those of other names


class _Sequence(NamedTuple):
    """Frames that are numbered together: their folder, and what comes before the number."""

    folder: str
    prefix: str


class SameNumber(NamedTuple):
    """The names of one frame that labels and results call otherwise.

    Args:
        label: as the labels have it.
        result: as the results have it.
    """

    label: str
    result: str


def find_frames_of_same_numbers(
    labels: Collection[str], results: Collection[str]
) -> SameNumber | None:
    """Return two names of the last frame where names differ in all but the number at their end.

    They may be frames of one video. There is none unless the labels are numbered in one way, and
    the results in one other, and half of the numbers of the labels are numbers of results.
    """
    of_labels = _map_numbers(labels)
    of_results = _map_numbers(results)
    common = of_labels.keys() & of_results.keys()
    if len(common) < max(_MIN_SHARE_OF_NUMBERS * len(labels), 1):
        return None
    last = max(common)
    return SameNumber(of_labels[last], of_results[last])


def _map_numbers(names: Collection[str]) -> dict[int, str]:
    """Return names by the number at their end; {} where some have none, or several sequences."""
    splits = [_split_number(name) for name in names]
    if None in splits or len({split[0] for split in splits if split}) != 1:
        return {}
    return {split[1]: name for split, name in zip(splits, names, strict=True) if split}


def describe_shifted_frames(
    images: Images, known_ids: Collection[int], names: Iterable[int | str]
) -> tuple[str, ...]:
    """Say so where frames with results begin at 1 and labelled frames at 0, or the reverse.

    The frames at the ends tell: the first (last) labelled frame has no result, and a frame with
    results lies beyond the other end.

    Args:
        images: of the ground truth.
        known_ids: of images that have results.
        names: of predicted images, as far as they are known, or ids that the ground truth does not
            have.
    """
    labelled: dict[_Sequence, set[int]] = defaultdict(set)
    with_results: dict[_Sequence, set[int]] = defaultdict(set)
    for image_id, name in zip(images.ids.tolist(), images.file_names, strict=True):
        split = _split_number(name)
        if split is None:
            continue
        labelled[split[0]].add(split[1])
        if image_id in known_ids:
            with_results[split[0]].add(split[1])
    beyond: dict[_Sequence, set[int]] = defaultdict(set)
    for one in names:
        split = _split_number(str(one))
        sequence = None if split is None else _find_sequence(split[0], labelled)
        if split is None or sequence is None:
            continue
        is_labelled = split[1] in labelled[sequence]
        (with_results if is_labelled else beyond)[sequence].add(split[1])
    for sequence in beyond:
        first = _find_first_number(labelled[sequence], with_results[sequence], beyond[sequence])
        if first is not None:
            return (_describe(sequence, first),)
    return ()


def _describe(sequence: _Sequence, first: int) -> str:
    other = 1 - first
    frames = f" of {sequence.folder}" if sequence.folder else ""
    return (
        f"frames{frames} seem to be numbered from {other} in the labels and from {first} in the "
        "results (ffmpeg numbers from 1, predict and OpenCV from 0), so each is scored with the "
        f"results of a neighbour; number both alike (ffmpeg -start_number 0); {NO_RESULT}"
    )


def _find_first_number(labelled: set[int], known: set[int], beyond: set[int]) -> int | None:
    """Return the number of the first frame with results, 0 or 1; None where both begin alike."""
    with_results = known | beyond
    if len(with_results) < _MIN_FRAMES:
        return None
    first, last = min(with_results), max(with_results)
    is_dense = len(with_results) >= _MIN_COVERED * (last - first + 1)
    if min(labelled) == 0 and first == 1:
        is_one_beyond = beyond == {max(labelled) + 1}
        return 1 if is_one_beyond or (is_dense and last > max(labelled)) else None
    if min(labelled) == 1 and first == 0:
        is_one_beyond = beyond == {0} and max(labelled) not in known
        return 0 if is_one_beyond and last == max(labelled) - 1 else None
    return None


def _split_number(name: str) -> tuple[_Sequence, int] | None:
    path = PurePosixPath(name.replace("\\", "/"))
    match = NUMBERED.fullmatch(path.stem if path.suffix else path.name)
    folder = "" if str(path.parent) == "." else str(path.parent)
    return None if match is None else (_Sequence(folder, match[1]), int(match[2]))


def _find_sequence(one: _Sequence, labelled: Collection[_Sequence]) -> _Sequence | None:
    """Return the labelled frames that a sequence of results means; folders may be left out."""
    fitting = [
        other
        for other in labelled
        if other.prefix == one.prefix
        and ("/" + other.folder).endswith(("/" + one.folder) if one.folder else "")
        | ("/" + one.folder).endswith(("/" + other.folder) if other.folder else "")
    ]
    return fitting[0] if len(fitting) == 1 else None
