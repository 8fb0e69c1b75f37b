"""Read HiEve (Human in Events): frames sampled from labelled videos (paper, Sec. 3.1 and 9.1).

There are two label formats: an XML file per frame, which distinguishes hidden from visible
keypoints, and a JSON list per video, which does not. Where a video has both, the XML files win.
"""

from collections import Counter
from pathlib import Path

from smallpose.core.counts import format_count, format_phrase
from smallpose.core.errors import InputError
from smallpose.core.skeleton import HIEVE14
from smallpose.sources.hieve_json import read_annolist
from smallpose.sources.hieve_labels import Frame
from smallpose.sources.hieve_xml import read_frame_files
from smallpose.sources.locate import (
    ImagePaths,
    find_base,
    find_files,
    name_before_first_dot,
    natural_sort_key,
)
from smallpose.sources.source import ImageFile, Source
from smallpose.sources.table_builder import TableBuilder
from smallpose.system.progress import show_progress

# The paper says only "uniformly"; the videos have about 25 frames per second (A7).
DEFAULT_FRAME_STEP = 20
JSON_FOLDERS = ("labels/train/track2&3", "labels/track2&3/track2", "labels/track2&3")
XML_FOLDER = "labels/train/all-track"
VIDEOS = "videos/train"
FRAMES = "videos/train/images"
NUM_PUBLISHED_VIDEOS = 19  # training videos, numbered from 1


def read_hieve(root: Path, frame_step: int = DEFAULT_FRAME_STEP) -> Source:
    """Read HiEve's people with their drawn boxes in every `frame_step`-th frame of each video.

    An image is the extracted frame where the user has one, else the video and the frame's index.
    The builder splits the videos.

    Raises: InputError naming the video, frame and person at fault; RefusedError for a name that
        leaves its folder.
    """
    patterns = [*(f"{folder}/*.json" for folder in JSON_FOLDERS), f"{XML_FOLDER}/*/*.xml"]
    base = find_base(root, patterns, "HiEve")
    json_files = {
        name_before_first_dot(p): p
        for folder in reversed(JSON_FOLDERS)
        for p in find_files(base, f"{folder}/*.json")
    }
    xml_folders = {
        p.name: p for p in base.glob(f"{XML_FOLDER}/*") if p.is_dir() and find_files(p, "*.xml")
    }
    builder = TableBuilder("hieve", HIEVE14, "drawn", {-1: 0, 0: 2, 1: 1})
    note_counts: Counter[str] = Counter()
    num_labelled = num_read = 0
    clips = sorted({*json_files, *xml_folders}, key=natural_sort_key)
    for clip in show_progress(clips, "hieve: videos' labels"):
        frames, num_labelled_here = (
            read_frame_files(xml_folders[clip], frame_step, note_counts)
            if clip in xml_folders
            else read_annolist(json_files[clip], frame_step, note_counts)
        )
        note_counts.update(_add_clip(base, clip, frames, builder))
        num_labelled += num_labelled_here
        num_read += len(frames)
    notes = [
        f"{num_read:,} of {format_count(num_labelled, 'labelled frame')} read: numbers 0, "
        f"{frame_step}, {2 * frame_step} and so on"
    ]
    both = sorted({*json_files} & {*xml_folders}, key=natural_sort_key)
    if both:
        notes.append(f"videos {', '.join(both)} are labelled twice; all-track was used")
    if len(clips) != NUM_PUBLISHED_VIDEOS:
        notes.append(
            f"{format_count(len(clips), 'video')}, the published training set has "
            f"{NUM_PUBLISHED_VIDEOS}"
        )
    notes += [format_phrase(n, what) for what, n in note_counts.items()]
    return builder.finish(base, _list_missing_labels(base, clips), notes)


def _list_missing_labels(base: Path, clips: list[str]) -> list[str]:
    """List the label files that videos in the folder lack."""
    videos = {name_before_first_dot(p) for p in find_files(base, f"{VIDEOS}/*.mp4")}
    videos |= {p.name for p in base.glob(f"{FRAMES}/*") if p.is_dir()}
    return [
        f"{JSON_FOLDERS[0]}/{clip}.json" for clip in sorted(videos - {*clips}, key=natural_sort_key)
    ]


def _add_clip(base: Path, clip: str, frames: list[Frame], builder: TableBuilder) -> list[str]:
    """Add a clip's images and people; return the notes to count."""
    folder = f"{FRAMES}/{clip}"
    extracted = {p.name for p in (base / folder).glob("*.jpg")}
    names = ImagePaths(base)
    video = Path(names.path(VIDEOS, f"{clip}.mp4", f"{base}, video {clip}"))
    notes = []
    if "000001.jpg" in extracted and "000000.jpg" not in extracted:
        # FFmpeg numbers frames from 1 by default, the labels from 0.
        if not video.exists():
            raise InputError(
                f"{base / folder}",
                "the extracted frames are numbered from 000001, their labels from 0",
                "extract them with ffmpeg -start_number 0, or put the video back",
            )
        extracted = set()
        notes.append("videos were decoded because their extracted frames are numbered from 1")
    for frame in frames:
        name = f"{frame.number:06d}.jpg"
        use_file = name in extracted or (bool(extracted) and not video.exists())
        image_file = (
            ImageFile(names.path(folder, name, frame.where))
            if use_file
            else ImageFile(video, frame.number)
        )
        row = builder.add_image(
            f"{clip}/{name}",
            image_file,
            source_id=f"{clip}/{frame.number:06d}",
            group=clip,
            width=frame.width,
            height=frame.height,
        )
        for count, person in enumerate(frame.people, 1):
            builder.add_person(
                row,
                person.box,
                person.points,
                frame.where,
                f"person {count}",
                track_id=person.track_id,
            )
        for box in frame.regions:
            builder.add_ignore_region(row, box)
    return notes
