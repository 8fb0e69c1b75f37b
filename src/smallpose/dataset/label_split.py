"""Choose which images of a file of labels are trained on, and which are for tests.

Neighbouring frames of a video are almost the same image, so they must not be in both parts: whole
videos go to one of them, or each video is cut in time, and the frames at the cut are left out.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.dataset.splits import find_closest_subset
from smallpose.io.frame_groups import MAX_MEAN_STEP, MIN_FRAMES

Unit = Literal["auto", "video", "time", "image"]
UNITS: tuple[Unit, ...] = ("auto", "video", "time", "image")
GAP_SHARE = 0.05  # of a video's images, which are left out where it is cut in time

_NUMBERED = re.compile(r"(.*?)(\d{1,18})")
_COCO_DIGITS = 12  # of the names of COCO's photographs
_MAX_DEVIATION = 0.5  # of the wanted number of test images, where whole videos are assigned


@dataclass(frozen=True, kw_only=True)
class SplitRules:
    """How images are split.

    Args:
        test_share: of the images, above 0 and below 1.
        unit: what stays together. "auto" keeps videos whole, and cuts them in time where too few
            are known; images that are no frames are assigned one by one.
        gap: images left out where a video is cut; by default `GAP_SHARE` of the video's.
        seed: of the draw.
    """

    test_share: float = 0.2
    unit: Unit = "auto"
    gap: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class LabelSplit:
    """The rows of images in each part.

    Args:
        train, test, left_out: rows in the order of the file.
        reason: what was kept together and why, in a sentence.
    """

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    left_out: NDArray[np.intp]
    reason: str


def split_images(images: Images, rules: SplitRules) -> LabelSplit:
    """Choose the images of both parts.

    Raises: InputError for a share that leaves a part empty, and for `unit` "video" with one video.
    """
    if not 0 < rules.test_share < 1:
        raise InputError(f"--test {rules.test_share:g}", "is no share of the images", "use 0.2")
    if len(images) < 2:
        raise InputError(
            "the labels", f"have {format_count(len(images), 'image')}", "give two or more"
        )
    rng = np.random.default_rng(rules.seed)
    wanted = min(max(round(rules.test_share * len(images)), 1), len(images) - 1)
    if rules.unit == "image":
        chosen = rng.permutation(len(images))[:wanted].tolist()
        return _collect(images, chosen, [], "images were assigned one by one (--by image)")
    videos, evidence = find_videos(images)
    if not videos and rules.unit != "auto":
        raise InputError(
            f"--by {rules.unit}",
            "no images are known to be frames of a video",
            'give images of one video the same "group" in the labels, or add --by image',
        )
    if not videos:
        chosen = rng.permutation(len(images))[:wanted].tolist()
        return _collect(
            images, chosen, [], "no images are frames of a video by their names and sizes"
        )
    if rules.unit != "time":
        units = [*videos.values(), *_list_singles(images, videos)]
        chosen = _choose_whole(units, wanted, rng)
        is_close = abs(len(chosen) - wanted) <= _MAX_DEVIATION * wanted
        if chosen and len(chosen) < len(images) and (is_close or rules.unit == "video"):
            return _collect(images, chosen, [], f"{evidence}; each video is in one part")
        if rules.unit == "video":
            raise InputError(
                "--by video", "one video cannot be in one part and leave images", "use --by time"
            )
    chosen, left_out = _cut_videos(images, videos, wanted, rules, rng)
    cut = "which is cut in time" if len(videos) == 1 else "each of which is cut in time"
    reason = (
        f"{evidence}, {cut}: the end is for tests (independent photographs: split again with "
        "--by image and another --out)"
    )
    return _collect(images, chosen, left_out, reason)


def find_videos(images: Images) -> tuple[dict[str, list[int]], str]:
    """Return the rows of each video's images in the order of time, and what tells them.

    The labels tell by `group` (or `video_id`), else the names, where those of a folder are numbered
    closely and the images have one size.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    if any(images.groups):
        for row, group in enumerate(images.groups):
            if group:
                groups[group].append(row)
        evidence = f"the labels name {format_count(len(groups), 'video')}"
    else:
        groups = _find_numbered(images)
        numbered = format_count(sum(map(len, groups.values())), "image is", "images are")
        count = format_count(len(groups), "video")
        evidence = f"{numbered} numbered as frames of {count} ({_name_first(images, groups)})"
    ordered = {
        name: sorted(rows, key=lambda row: (_read_number(images.file_names[row]), row))
        for name, rows in groups.items()
    }
    return ordered, evidence


def _name_first(images: Images, groups: dict[str, list[int]]) -> str:
    rows = next(iter(groups.values()), [])
    return f"{images.file_names[rows[0]]}, …" if rows else ""


def _find_numbered(images: Images) -> dict[str, list[int]]:
    """Return the rows of images of one size whose names differ only in close numbers.

    Photographs are numbered, too, but seldom all have one size, as frames of a video do.
    """
    names = images.file_names
    sizes = list(zip(images.width.tolist(), images.height.tolist(), strict=True))
    groups: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        path = PurePosixPath(name.replace("\\", "/"))
        match = _NUMBERED.fullmatch(path.stem)
        if match is not None and not (not match[1] and len(match[2]) == _COCO_DIGITS):
            folder = "" if str(path.parent) == "." else f"{path.parent}/"
            groups[folder + match[1]].append(row)
    return {
        prefix: rows
        for prefix, rows in groups.items()
        if len(rows) >= MIN_FRAMES
        and len({sizes[row] for row in rows}) == 1
        and np.ptp([_read_number(names[row]) for row in rows]) <= MAX_MEAN_STEP * (len(rows) - 1)
    }


def _read_number(name: str) -> int:
    match = _NUMBERED.fullmatch(PurePosixPath(name.replace("\\", "/")).stem)
    return int(match[2]) if match else 0


def _choose_whole(units: Sequence[list[int]], wanted: int, rng: np.random.Generator) -> list[int]:
    """Choose videos, or single images, with as many images as are wanted."""
    chosen = find_closest_subset([len(rows) for rows in units], wanted, rng)
    return [row for index in chosen for row in units[index]]


def _list_singles(images: Images, videos: dict[str, list[int]]) -> list[list[int]]:
    in_videos = {row for rows in videos.values() for row in rows}
    return [[row] for row in range(len(images)) if row not in in_videos]


def _cut_videos(
    images: Images,
    videos: dict[str, list[int]],
    wanted: int,
    rules: SplitRules,
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Cut each video in time; return the rows at the ends, and those left out before them.

    Videos that are too short for that are assigned whole, as single images are.
    """
    share = wanted / len(images)
    whole = _list_singles(images, videos)
    chosen: list[int] = []
    left_out: list[int] = []
    for rows in videos.values():
        count = round(len(rows) * share)
        gap = max(round(GAP_SHARE * len(rows)), 1) if rules.gap is None else rules.gap
        start = len(rows) - count
        if not count or start - gap < 1:
            whole.append(rows)
            continue
        chosen += rows[start:]
        left_out += rows[start - gap : start]
    return [*chosen, *_choose_whole(whole, wanted - len(chosen), rng)], left_out


def _collect(
    images: Images, chosen: Sequence[int], left_out: Sequence[int], reason: str
) -> LabelSplit:
    part = np.zeros(len(images), dtype=np.int8)
    part[list(chosen)] = 1
    part[list(left_out)] = 2
    train, test, out = (np.flatnonzero(part == code) for code in range(3))
    if not len(train) or not len(test):
        name = "to train on" if not len(train) else "for tests"
        remedy = "give another share for --test, less for --gap, or add --by image"
        raise InputError("the split", f"leaves no image {name}", remedy)
    return LabelSplit(train, test, out, reason)
