"""HiEve, Human in Events: frames sampled from labelled videos (paper, Sec. 3.1 and 9.1).

Two kinds of label file say the same: an XML sheet per frame, which tells hidden keypoints from seen
ones, and a JSON list per video, which does not. Where a video has both, the sheets win.
"""

from collections import Counter
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.core.skeleton import HIEVE14
from smallpose.sources.hieve_json import read_annolist
from smallpose.sources.hieve_labels import Frame
from smallpose.sources.hieve_xml import read_sheets
from smallpose.sources.locate import PictureNames, files, find_base, natural, stem
from smallpose.sources.source import Picture, Source
from smallpose.sources.table_builder import Columns
from smallpose.system.progress import track

# The paper says only "uniformly"; the videos run at 25 frames a second or so (A7).
EVERY = 20
LISTS = ("labels/train/track2&3", "labels/track2&3/track2", "labels/track2&3")
SHEETS = "labels/train/all-track"
VIDEOS, FRAMES = "videos/train", "videos/train/images"
PUBLISHED = 19  # training videos, numbered from 1


def read_hieve(root: Path, every: int = EVERY) -> Source:
    """HiEve's people with their drawn boxes in frames 0, `every`, 2 × `every`, … of each video.

    A picture is the frame's own file where the user has extracted it, else the video and the
    frame's number. The builder splits the videos.

    Raises: InputError naming the video, frame and person at fault; RefusedError for a name that
        leads out of its folder.
    """
    patterns = [*(f"{folder}/*.json" for folder in LISTS), f"{SHEETS}/*/*.xml"]
    base = find_base(root, patterns, "HiEve")
    lists = {stem(p): p for folder in reversed(LISTS) for p in files(base, f"{folder}/*.json")}
    sheets = {p.name: p for p in base.glob(f"{SHEETS}/*") if p.is_dir() and files(p, "*.xml")}
    columns = Columns("hieve", HIEVE14, "drawn", {-1: 0, 0: 2, 1: 1})
    told: Counter[str] = Counter()
    labelled = taken = 0
    clips = sorted({*lists, *sheets}, key=natural)
    for clip in track(clips, "hieve: videos' labels"):
        frames, there = (
            read_sheets(sheets[clip], every, told)
            if clip in sheets
            else read_annolist(lists[clip], every, told)
        )
        told.update(_add_clip(base, clip, frames, columns))
        labelled, taken = labelled + there, taken + len(frames)
    notes = [
        f"{taken:,} of {labelled:,} labelled frames taken, those with number 0, {every}, "
        f"{2 * every} and so on"
    ]
    both = sorted({*lists} & {*sheets}, key=natural)
    if both:
        notes.append(f"videos {', '.join(both)} are labelled twice, all-track was taken")
    if len(clips) != PUBLISHED:
        notes.append(f"{len(clips)} videos, the published training set has {PUBLISHED}")
    notes += [f"{n:,} {what}" for what, n in told.items()]
    return columns.finish(base, _unlabelled(base, clips), notes)


def _unlabelled(base: Path, clips: list[str]) -> list[str]:
    """Label files of the videos that are there without any."""
    videos = {stem(p) for p in files(base, f"{VIDEOS}/*.mp4")}
    videos |= {p.name for p in base.glob(f"{FRAMES}/*") if p.is_dir()}
    return [f"{LISTS[0]}/{clip}.json" for clip in sorted(videos - {*clips}, key=natural)]


def _add_clip(base: Path, clip: str, frames: list[Frame], columns: Columns) -> list[str]:
    """The clip's pictures and people; what is to be counted about it."""
    folder = f"{FRAMES}/{clip}"
    extracted = {p.name for p in (base / folder).glob("*.jpg")}
    names = PictureNames(base)
    video = Path(names.path(VIDEOS, f"{clip}.mp4", f"{base}, video {clip}"))
    told = []
    if "000001.jpg" in extracted and "000000.jpg" not in extracted:
        # FFmpeg counts from 1 unless told otherwise, labels from 0.
        if not video.exists():
            raise InputError(
                f"{base / folder}",
                "the frames are numbered from 000001, their labels from 0",
                "extract them with ffmpeg -start_number 0, or put the video back",
            )
        extracted = set()
        told.append("videos whose extracted frames are numbered from 1 were read themselves")
    for frame in frames:
        name = f"{frame.number:06d}.jpg"
        use_file = name in extracted or (bool(extracted) and not video.exists())
        picture = (
            Picture(names.path(folder, name, frame.where))
            if use_file
            else Picture(video, frame.number)
        )
        row = columns.image(
            f"{clip}/{name}",
            picture,
            source_id=f"{clip}/{frame.number:06d}",
            group=clip,
            width=frame.width,
            height=frame.height,
        )
        for count, (box, points) in enumerate(frame.people, 1):
            columns.person(row, box, points, frame.where, f"person {count}")
        for box in frame.regions:
            columns.region(row, box)
    return told
