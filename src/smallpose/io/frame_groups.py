"""Group the images of a ground truth by their video, where its file does not.

Frames of one video resemble each other. Intervals resample images by their `group`, so frames
without one would count as independent images, and their intervals would be too narrow.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, count
from operator import itemgetter
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.io.image_lookup import ImageLookup
from smallpose.system.files import read_bytes

FRAMES_NAME = "frames.json"  # which `predict` writes for videos
MIN_FRAMES = 10  # images of a folder that look like frames of one video
MAX_IMAGES = 2000
MAX_MEAN_STEP = 60  # of their numbers; ids of photographs are further apart
_RESAMPLED = "intervals resample"
TOO_NARROW = "the intervals here are too narrow"  # in the note on possible frames
VIDEO_HINT = " (evaluate has --video)"  # which other commands have not
FRAMES_REMEDY = "give images of one video the same 'group'"
_EVALUATE_REMEDY = f"{FRAMES_REMEDY}{VIDEO_HINT}"
_NUMBERED = re.compile(r"(.*?)(\d{1,18})")
_COCO_DIGITS = 12  # of COCO's own names of photographs, such as 000000000036.jpg


class _Frame(msgspec.Struct):
    video: str
    file_name: str


def group_frames(truth: Instances, videos: Sequence[str], reason: str) -> Instances:
    """Give images that have no group the video that they are frames of.

    Args:
        videos: (m,) name of each image's video; "" for none.
        reason: why they are taken to be frames, for the note.
    Returns: the same table where any image has a group, or none has a video.
    """
    if any(truth.images.groups) or not any(videos):
        return truth
    num_videos = len(set(filter(None, videos)))
    note = (
        f"{_RESAMPLED} {format_count(num_videos, 'video')} instead of "
        f"{format_count(sum(map(bool, videos)), 'image')}: {reason}"
    )
    images = replace(truth.images, groups=tuple(videos))
    return replace(truth, images=images, notes=(*truth.notes, note))


def select_group_notes(notes: Iterable[str]) -> list[str]:
    """Return those of the notes of a truth that say what intervals resample."""
    return [note for note in notes if note.startswith(_RESAMPLED)]


def group_listed_frames(truth: Instances, results: Iterable[Path]) -> Instances:
    """Group the images that `frames.json` beside some results names as frames of videos."""
    folders = {path if path.is_dir() else path.parent for path in results}
    paths = sorted(path for folder in folders if (path := folder / FRAMES_NAME).is_file())
    if not paths or any(truth.images.groups):
        return truth
    lookup = ImageLookup(truth.images, goes_by_names=True)
    names = _name_united_videos(truth.images, [_read_videos(path, lookup) for path in paths])
    spread = _spread_to_folders(truth.images, names)
    return group_frames(truth, spread, f"they are frames by {FRAMES_NAME} beside the results")


def _read_videos(path: Path, lookup: ImageLookup) -> dict[int, str]:
    """Return the video of each image that one list of frames names, by the image's id."""
    videos: dict[int, str] = {}
    try:
        for frame in msgspec.json.decode(read_bytes(path), type=list[_Frame]):
            image_id = lookup.find_id_if_known(None, frame.file_name, str(path))
            if image_id is not None:
                videos[image_id] = frame.video
    except (InputError, msgspec.MsgspecError):
        pass
    return videos


def _name_united_videos(images: Images, lists: Sequence[dict[int, str]]) -> dict[int, str]:
    """Return one name for the images that any list puts into one video.

    Lists name a video by the path that `predict` was given: one video has several names where it
    was predicted from several folders, and two videos may have the same name.

    Args:
        lists: video of images by their ids, of each list of frames.
    """
    united: list[tuple[set[int], set[str]]] = []
    for members, name in _list_frames_of_videos(images, lists):
        ids, names = set(members), {name}
        separate = []
        for other in united:
            if ids.isdisjoint(other[0]):
                separate.append(other)
            else:
                ids, names = ids | other[0], names | other[1]
        united = [*separate, (ids, names)]
    videos: dict[int, str] = {}
    taken: set[str] = set()
    for ids, names in sorted(united, key=lambda video: min(video[0])):
        shortest = min(names, key=lambda name: (len(name), name))
        others = (f"{shortest} ({number})" for number in count(2))
        own = next(name for name in chain([shortest], others) if name not in taken)
        taken.add(own)
        videos |= dict.fromkeys(ids, own)
    return videos


def _list_frames_of_videos(
    images: Images, lists: Sequence[dict[int, str]]
) -> list[tuple[list[int], str]]:
    """Return ids of images that are of one video, with a name of it; sets of ids may overlap.

    These are the images of each video in each list, and images of one folder whose videos have the
    same file name: lists of different frames share no image. They are not one video where a list
    tells two such videos apart.
    """
    of_video: dict[tuple[int, str], list[int]] = defaultdict(list)
    of_folder: dict[tuple[str, str], list[int]] = defaultdict(list)
    names: dict[tuple[str, str], set[tuple[int, str]]] = defaultdict(set)
    folders = dict(zip(images.ids.tolist(), _list_folders(images), strict=True))
    for index, videos in enumerate(lists):
        for image_id, video in filter(itemgetter(1), videos.items()):
            key = folders[image_id], PurePosixPath(video.replace("\\", "/")).name
            of_video[index, video].append(image_id)
            of_folder[key].append(image_id)
            names[key].add((index, video))
    return [(ids, video) for (_, video), ids in of_video.items()] + [
        (ids, min(names[key])[1])
        for key, ids in of_folder.items()
        if len({index for index, _ in names[key]}) == len(names[key])
    ]


def _list_folders(images: Images) -> list[str]:
    return [str(PurePosixPath(name.replace("\\", "/")).parent) for name in images.file_names]


def _spread_to_folders(images: Images, videos: dict[int, str]) -> list[str]:
    """Return the video of each image: its own, else that of another image of its folder."""
    folders = _list_folders(images)
    own = [videos.get(one, "") for one in images.ids.tolist()]
    by_folder = {folder: video for folder, video in zip(folders, own, strict=True) if video}
    return [video or by_folder.get(folder, "") for video, folder in zip(own, folders, strict=True)]


def group_possible_frames(truth: Instances, remedy: str) -> Instances:
    """Group images that are numbered as frames of videos are; see `find_possible_videos`.

    Args:
        remedy: what to do where they are none, for the note.
    """
    videos = find_possible_videos(truth.images, truth)
    if not any(videos):
        return truth
    first = next(name for name, video in zip(truth.images.file_names, videos, strict=True) if video)
    return group_frames(truth, videos, f"they are numbered as frames are ({first}, …; {remedy})")


def describe_possible_frames(
    images: Images, remedy: str = _EVALUATE_REMEDY, truth: Instances | None = None
) -> list[str]:
    """Say where images without a group are numbered as closely as frames of a video.

    Args:
        remedy: what to do about it.
        truth: as for `find_possible_videos`.
    """
    videos = find_possible_videos(images, truth)
    counts = Counter(filter(None, videos))
    if not counts:
        return []
    first = counts.most_common(1)[0][0]
    # Of a folder its name is shown, of images without one the name of the first.
    folder = str(PurePosixPath(first + "0").parent)
    shown = images.file_names[videos.index(first)] if folder == "." else folder
    return [
        f"{counts.total():,} of {format_count(len(images), 'image')} are numbered as frames of "
        f"videos are ({shown}): if they are, they are not independent, and {TOO_NARROW}; {remedy}"
    ]


def find_possible_videos(images: Images, truth: Instances | None = None) -> list[str]:
    """Name the video of each image by its folder and the beginning of its name; "" for none.

    There are none where images have groups, where they are not most of the images, and in sets of
    more than `MAX_IMAGES`, which are taken to have groups where they are due.

    Args:
        truth: people of the images, by whom frames are told that lie in no folder.
    """
    none = [""] * len(images)
    if any(images.groups) or len(images) > MAX_IMAGES:
        return none
    rows = {
        name: members
        for name, members in _group_numbered(images).items()
        if len(members) >= MIN_FRAMES
        and _are_alike(images, members)
        and (_may_be_frames(images, name, members) or _look_so(images, members, truth))
    }
    if 2 * sum(map(len, rows.values())) <= len(images):
        return none
    videos = dict.fromkeys(range(len(images)), "")
    for name, members in rows.items():
        videos |= dict.fromkeys(members, name)
    return list(videos.values())


def _group_numbered(images: Images) -> dict[str, list[int]]:
    """Return the rows of images whose names differ in a number."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(images.file_names):
        path = PurePosixPath(name.replace("\\", "/"))
        match = _NUMBERED.fullmatch(path.stem)
        if match:
            groups[f"{path.parent}/{match[1]}" if path.parent.name else f"./{match[1]}"].append(row)
    return dict(groups)


def _look_so(images: Images, rows: Sequence[int], truth: Instances | None) -> bool:
    """Return whether the people of numbered images are where those of frames would be."""
    if truth is None:
        return False
    from smallpose.io.continuous_frames import are_continuous  # rarely needed

    return are_continuous(truth, sorted(rows, key=lambda row: _read_number(images.file_names[row])))


def _may_be_frames(images: Images, prefix: str, rows: Sequence[int]) -> bool:
    """Return whether numbers behind a prefix may be those of frames, and not of photographs."""
    numbers = [_read_number(images.file_names[row]) for row in rows]
    # Photographs are numbered, too: without a folder that could be a video's, only numbers in even
    # steps are telling.
    if prefix.startswith("./"):
        steps = set(np.diff(np.sort(numbers)).tolist())
        return len(steps) == 1 and steps.pop() > 1
    # COCO's photographs have any numbers, frames that someone has called so mostly the same step.
    is_coco = prefix.endswith("/") and all(
        len(PurePosixPath(images.file_names[row].replace("\\", "/")).stem) == _COCO_DIGITS
        for row in rows
    )
    return not is_coco or _are_evenly_spaced(numbers)


def _are_alike(images: Images, rows: Sequence[int]) -> bool:
    """Return whether images have one size, as frames of a video do, and close numbers."""
    sizes = {(int(images.width[row]), int(images.height[row])) for row in rows}
    numbers = [_read_number(images.file_names[row]) for row in rows]
    return len(sizes) == 1 and max(numbers) - min(numbers) <= MAX_MEAN_STEP * (len(rows) - 1)


def _read_number(name: str) -> int:
    match = _NUMBERED.fullmatch(PurePosixPath(name.replace("\\", "/")).stem)
    return int(match[2]) if match else 0


def _are_evenly_spaced(numbers: Sequence[int]) -> bool:
    """Return whether most numbers follow the one before by the same step."""
    steps = np.diff(np.sort(numbers))
    return len(steps) > 0 and 2 * int(np.unique(steps, return_counts=True)[1].max()) > len(steps)
