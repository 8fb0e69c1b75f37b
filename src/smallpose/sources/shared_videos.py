"""Find the MPII video that a PoseTrack clip was cut from.

The number in the name of a clip of kind `mpii`, such as `003418_mpii_test`, is the 1-based
position of an image in MPII's `RELEASE.annolist`; it is not the number of a video (`vididx`). The
clip surrounds that image, so it belongs to the video of the image at that position. Clips of the
kinds `bonn` and `mpiinew` have numbers of their own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from smallpose.core.counts import format_count, format_share
from smallpose.sources.mpii import FILE, POSITION_PREFIX, VIDEO_PREFIX
from smallpose.sources.source import ListedImage, Source

_CLIP = re.compile(r"(\d+)_mpii_(\w+)")
_IS_TRAINING = {"train": True, "test": False}


def tie_clips_to_mpii(posetrack: Source, listed_images: Sequence[ListedImage]) -> Source:
    """Give PoseTrack's clips of kind `mpii` the groups of the MPII videos they were cut from.

    No clip is tied unless all of them agree with MPII's list: the position exists, and a clip whose
    name ends in `train` is at a training image and one that ends in `test` at a test image. A list
    that was cut or sorted anew does not agree. A note says what was done.

    Args:
        posetrack: what `read_posetrack` returned.
        listed_images: every image that MPII lists, in the order of the list.
    """
    images = posetrack.people.images
    clips = [PurePosixPath(name).parent.name for name in images.file_names]
    group_of, disagreeing = _find_mpii_groups(set(clips), listed_images)
    if not group_of and not disagreeing:
        return posetrack
    if disagreeing:
        note = (
            f"{len(disagreeing):,} of {format_count(len(group_of) + len(disagreeing), 'clip')} of "
            f"kind mpii do not agree with the {format_count(len(listed_images), 'image')} in "
            f"MPII's list (first: {min(disagreeing)}), so no clip is tied to an MPII video and "
            f"frames of one video can be in train and test; use the published {FILE} to tie them"
        )
        return _add_note(posetrack, note)
    groups = tuple(group_of.get(c, g) for c, g in zip(clips, images.groups, strict=True))
    people = replace(posetrack.people, images=replace(images, groups=groups))
    note = (
        f"{format_share(len(group_of), len(set(clips)), 'clip was', 'clips were')} cut from "
        f"{format_count(len(set(group_of.values())), 'MPII video')} and stay in one split with "
        "their images"
    )
    tied = _add_note(replace(posetrack, people=people), note)
    divided = _find_divided_groups(groups, posetrack.splits)
    if divided:
        tied = _add_note(
            tied,
            f"{len(divided):,} MPII videos have clips in both of PoseTrack's splits (first: "
            f"{divided[0]}); MPII's images of them are in test",
        )
    return tied


def name_video(source: str, group: str) -> str:
    """Name a video so that equal names mean the same video; "" for an image without a video.

    Groups of two sources can have the same name by chance, except for those of MPII, which
    PoseTrack's clips of the same videos share.
    """
    if not group or group.startswith((VIDEO_PREFIX, POSITION_PREFIX)):
        return group
    return f"{source} {group}"


def _find_mpii_groups(
    clips: Iterable[str], listed_images: Sequence[ListedImage]
) -> tuple[Mapping[str, str], list[str]]:
    """Return the MPII group of each clip of kind `mpii`, and the clips that do not agree."""
    group_of = {}
    disagreeing = []
    for clip in sorted(clips):
        match = _CLIP.fullmatch(clip)
        if match is None:
            continue
        position, ending = int(match[1]), match[2]
        is_listed = 1 <= position <= len(listed_images)
        if is_listed and listed_images[position - 1].is_training is _IS_TRAINING.get(ending):
            group_of[clip] = listed_images[position - 1].group
        else:
            disagreeing.append(clip)
    return group_of, disagreeing


def _find_divided_groups(groups: Sequence[str], splits: Sequence[str]) -> list[str]:
    """Return the MPII groups that have frames in both splits."""
    splits_of: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        if group.startswith((VIDEO_PREFIX, POSITION_PREFIX)):
            splits_of.setdefault(group, set()).add(split)
    return sorted(group for group, of_group in splits_of.items() if len(of_group) > 1)


def _add_note(source: Source, note: str) -> Source:
    return replace(source, people=replace(source.people, notes=(*source.people.notes, note)))
