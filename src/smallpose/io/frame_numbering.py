"""Tell where results and labels number the frames of a video from 0 and from 1, or some anew.

ffmpeg numbers frames from 1, `predict` and OpenCV from 0. Where the results of other images are
left out, each frame would be scored with the results of the next one. Frames that ffmpeg saves at a
rate (`-vf fps=1`) are numbered without gaps, as the first frames of the video are.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from smallpose.core.counts import format_count
from smallpose.core.instances import Images
from smallpose.io.label_faults import NO_RESULT

NUMBERED = re.compile(r"(.*?)(\d{1,18})")  # the stem of a frame's name
_MIN_FRAMES = 5  # with results
# Of the numbers from the first to the last frame with results: frame 0 may just show nobody.
_MIN_COVERED = 0.97
_MIN_SHARE_OF_NUMBERS = 0.5  # of labelled frames, whose numbers are those of other names
_MIN_RATIO = 3  # of frames with results to labelled ones, which may have been saved at a rate
_MIN_FIRST_FRAMES = 3  # labelled
_MAX_NUMBERS = 3  # in a message
_FIRST_FRAMES = "called as the first"  # in the note on frames that may be others


class _Sequence(NamedTuple):
    """Frames that are numbered together: their folder, and what comes before the number."""

    folder: str
    prefix: str


class _Numbers(NamedTuple):
    """Numbers of frames by their sequence in the labels.

    Args:
        labelled: of all images of the labels.
        with_results: those of them that were predicted.
        beyond: of predicted frames that the labels do not have.
    """

    labelled: dict[_Sequence, set[int]]
    with_results: dict[_Sequence, set[int]]
    beyond: dict[_Sequence, set[int]]


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


def are_evenly_numbered(names: Collection[str]) -> bool:
    """Return whether most numbers follow the one before by one step, as those of frames do."""
    numbers = sorted(_map_numbers(names))
    steps = Counter(after - before for before, after in itertools.pairwise(numbers))
    return 2 * max(steps.values(), default=0) > steps.total()


def describe_other_frames(labels: Collection[str], results: Collection[str]) -> str:
    """Say that other frames were predicted than labelled, where names differ in numbers alone.

    Returns: what to do; "" where names differ in more.
    """
    sequences = [
        {split and split[0] for split in map(_split_number, one)} for one in (labels, results)
    ]
    first = next(iter(sequences[0]), None)
    if first is None or sequences[0] != sequences[1] or len(sequences[0]) != 1:
        return ""
    labelled, predicted = (_list_numbers(one) for one in (labels, results))
    return (
        f"frames {labelled} are labelled, and {predicted} were predicted: predict every frame (not "
        "--every), or the labelled ones: smallpose predict METHOD --data LABELS.json --images DIR"
    )


def _list_numbers(names: Collection[str]) -> str:
    numbers = sorted(_map_numbers(names))
    listed = ", ".join(map(str, numbers[:_MAX_NUMBERS]))
    return listed if len(numbers) <= _MAX_NUMBERS else f"{listed}, …"


def _map_numbers(names: Collection[str]) -> dict[int, str]:
    """Return names by the number at their end; {} where some have none, or several sequences."""
    splits = [_split_number(name) for name in names]
    if None in splits or len({split[0] for split in splits if split}) != 1:
        return {}
    return {split[1]: name for split, name in zip(splits, names, strict=True) if split}


def describe_frame_numbers(
    images: Images, known_ids: Collection[int], names: Iterable[int | str], *, is_video: bool
) -> tuple[str, ...]:
    """Say so where frames of labels and results seem, or may be, numbered otherwise.

    That is, where frames with results begin at 1 and labelled frames at 0, or the reverse: the
    first (last) labelled frame has no result, and a frame with results lies beyond the other end.
    And where the labels are of the first frames of many: they may have been saved at a rate.

    Args:
        images: of the ground truth.
        known_ids: of images that have results.
        names: of predicted images, as far as they are known, or ids that the ground truth does not
            have.
        is_video: the results are known to be of a video, so that frames may lack results.
    """
    numbers = _collect_numbers(images, known_ids, names)
    for sequence in numbers.beyond:
        first = _find_first_number(
            numbers.labelled[sequence], numbers.with_results[sequence], numbers.beyond[sequence]
        )
        if first is not None:
            return (_describe(sequence, first),)
    for sequence in numbers.beyond:
        total = _count_frames_of_first(numbers, sequence, is_video)
        if total is not None:
            folder = sequence.folder if len(numbers.labelled) > 1 else ""
            num_labelled = len(numbers.labelled[sequence])
            return (_describe_first_frames(folder, num_labelled, total),)
    return ()


def _collect_numbers(
    images: Images, known_ids: Collection[int], names: Iterable[int | str]
) -> _Numbers:
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
    return _Numbers(labelled, with_results, beyond)


class FirstFrames(NamedTuple):
    """Labelled frames of one video that are numbered without gaps, as saved frames are.

    Args:
        folder: of the frames.
        first: number of the first, 0 or 1.
        image_rows: of the frames in the labels.
    """

    folder: str
    first: int
    image_rows: list[int]


def list_first_frames(images: Images) -> list[FirstFrames]:
    """List the videos whose labelled frames are numbered from 0 or 1 without gaps."""
    rows: dict[_Sequence, dict[int, int]] = defaultdict(dict)
    for row, name in enumerate(images.file_names):
        split = _split_number(name)
        if split is not None:
            rows[split[0]].setdefault(split[1], row)
    return [
        FirstFrames(sequence.folder, min(numbers), list(numbers.values()))
        for sequence, numbers in rows.items()
        if _are_first(numbers)
    ]


def _are_first(numbers: Collection[int]) -> bool:
    """Return whether numbers begin at 0 or 1 and have no gaps."""
    is_gapless = max(numbers) - min(numbers) == len(numbers) - 1
    return len(numbers) >= _MIN_FIRST_FRAMES and min(numbers) in (0, 1) and is_gapless


def find_last_number(images: Images, names: Iterable[str]) -> int:
    """Return the highest number of frames of the images' folder among names; -1 without any."""
    numbers = _collect_numbers(images, (), names)
    return max((max(beyond) for beyond in numbers.beyond.values()), default=-1)


def is_first_frames_note(note: str) -> bool:
    """Return whether a note says that labelled frames may have been saved at a rate."""
    return _FIRST_FRAMES in note


def _count_frames_of_first(numbers: _Numbers, sequence: _Sequence, is_video: bool) -> int | None:
    """Return how many frames the results are of where the labels are of the first few of them."""
    labelled = numbers.labelled[sequence]
    num_labelled = len(labelled)
    frames = numbers.with_results[sequence] | numbers.beyond[sequence]
    total = max(frames) - min(labelled | frames) + 1
    is_dense = is_video or len(frames) >= _MIN_COVERED * total
    if not _are_first(labelled) or not is_dense:
        return None
    return total if total >= _MIN_RATIO * num_labelled else None


def _describe_first_frames(folder: str, num_labelled: int, total: int) -> str:
    of_folder = f" of {folder}" if folder else ""
    labelled = format_count(
        num_labelled, f"labelled frame{of_folder} is", f"labelled frames{of_folder} are"
    )
    return (
        f"{labelled} {_FIRST_FRAMES} {num_labelled:,} of {total:,}, as frames are, too, that were "
        "saved at a rate (ffmpeg fps=1 numbers them anew); unless they are the first frames, each "
        "is scored with the results of another one: then give them their numbers in the video, or "
        "predict them with --data LABELS.json --images DIR"
    )


def _describe(sequence: _Sequence, first: int) -> str:
    other = 1 - first
    frames = f" of {sequence.folder}" if sequence.folder else ""
    return (
        f"frames{frames} seem to be numbered from {other} in the labels and from {first} in the "
        "results (ffmpeg numbers from 1, predict and OpenCV from 0), so each is scored with the "
        f"results of a neighbour; number both alike (ffmpeg -start_number 0, "
        f"without fps=, which numbers anew); {NO_RESULT}"
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
