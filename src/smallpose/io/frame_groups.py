"""Group the images of a ground truth by their video, where its file does not.

Frames of one video resemble each other. Intervals resample images by their `group`, so frames
without one would count as independent images, and their intervals would be too narrow.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
_EVALUATE_REMEDY = "give images of one video the same 'group' (evaluate has --video)"
_NUMBERED = re.compile(r"(.*?)(\d+)")
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
        f"intervals resample {format_count(num_videos, 'video')} instead of "
        f"{format_count(sum(map(bool, videos)), 'image')}: {reason}"
    )
    images = replace(truth.images, groups=tuple(videos))
    return replace(truth, images=images, notes=(*truth.notes, note))


def group_listed_frames(truth: Instances, results: Iterable[Path]) -> Instances:
    """Group the images that `frames.json` beside some results names as frames of videos."""
    folders = {path if path.is_dir() else path.parent for path in results}
    paths = sorted(path for folder in folders if (path := folder / FRAMES_NAME).is_file())
    if not paths or any(truth.images.groups):
        return truth
    videos: dict[int, str] = {}
    lookup = ImageLookup(truth.images, goes_by_names=True)
    for path in paths:
        try:
            frames = msgspec.json.decode(read_bytes(path), type=list[_Frame])
            for frame in frames:
                image_id = lookup.find_id_if_known(None, frame.file_name, str(path))
                if image_id is not None:
                    videos[image_id] = frame.video
        except (InputError, msgspec.MsgspecError):
            continue
    names = _spread_to_folders(truth.images, videos)
    return group_frames(truth, names, f"they are frames by {FRAMES_NAME} beside the results")


def _spread_to_folders(images: Images, videos: dict[int, str]) -> list[str]:
    """Return the video of each image: its own, else that of another image of its folder."""
    folders = [str(PurePosixPath(name).parent) for name in images.file_names]
    own = [videos.get(one, "") for one in images.ids.tolist()]
    by_folder = {folder: video for folder, video in zip(folders, own, strict=True) if video}
    return [video or by_folder.get(folder, "") for video, folder in zip(own, folders, strict=True)]


def describe_possible_frames(images: Images, remedy: str = _EVALUATE_REMEDY) -> list[str]:
    """Say where images without a group are numbered as closely as frames of a video.

    Sets of more than `MAX_IMAGES` are taken to have groups where they are due.

    Args:
        remedy: what to do about it.
    """
    if any(images.groups) or len(images) > MAX_IMAGES:
        return []
    numbers: dict[str, list[int]] = {}
    flat: dict[str, list[int]] = {}  # of images without a folder
    coco: dict[str, list[int]] = {}  # of images with names as COCO's
    for name in images.file_names:
        path = PurePosixPath(name.replace("\\", "/"))
        match = _NUMBERED.fullmatch(path.stem)
        if match and not path.parent.name:
            flat.setdefault(match[1], []).append(int(match[2]))
        elif match and not match[1] and len(match[2]) == _COCO_DIGITS:
            coco.setdefault(str(path.parent), []).append(int(match[2]))
        elif match:
            numbers.setdefault(f"{path.parent}/{match[1]}", []).append(int(match[2]))
    # Photographs are numbered, too: without a folder that could be a video's, only numbers in even
    # steps are telling.
    for prefix, members in flat.items():
        steps = set(np.diff(np.sort(members)).tolist())
        if len(steps) == 1 and steps.pop() > 1:
            numbers[f"./{prefix}"] = members
    # COCO's photographs have any numbers, frames that someone has called so mostly the same step.
    for folder, members in coco.items():
        if _are_evenly_spaced(members):
            numbers[f"{folder}/"] = members
    counts = Counter(
        {
            name: len(members)
            for name, members in numbers.items()
            if len(members) >= MIN_FRAMES
            and np.ptp(np.array(members)) <= MAX_MEAN_STEP * (len(members) - 1)
        }
    )
    num_images = counts.total()
    if 2 * num_images <= len(images):
        return []
    first = counts.most_common(1)[0][0]
    folder = str(PurePosixPath(first + "0").parent)
    if first.startswith("./"):  # without a folder, a name is shown
        folder = next(name for name in images.file_names if name.startswith(first[2:]))
    return [
        f"{num_images:,} of {format_count(len(images), 'image')} are numbered as frames of videos "
        f"are ({folder}): if they are, they are not independent, and the intervals here are too "
        f"narrow; {remedy}"
    ]


def _are_evenly_spaced(numbers: Sequence[int]) -> bool:
    """Return whether most numbers follow the one before by the same step."""
    steps = np.diff(np.sort(numbers))
    return len(steps) > 0 and 2 * int(np.unique(steps, return_counts=True)[1].max()) > len(steps)
