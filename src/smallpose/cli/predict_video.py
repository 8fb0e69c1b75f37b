"""`smallpose predict` on videos, and on images and videos together."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.cli.draw_check import check_drawing
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.image_formats import is_video_name

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from smallpose.inference.predict_videos import MediaPart, MediaPredictor
    from smallpose.io.media_results import ResultCounts, ResultPart
    from smallpose.report.images.video_drawing import VideoDrawing


def check_video_arguments(args: argparse.Namespace, files: Sequence[Path]) -> bool:
    """Return whether there are videos among the files, and refuse options that do not fit.

    Raises: InputError; ImportError where there are videos and PyAV is not installed.
    """
    from smallpose.io.image_files import is_video_file
    from smallpose.system.packages import require_packages

    videos = [file for file in files if is_video_file(file)]
    if not args.data:
        check_drawing(args.draw, len(files) - len(videos), videos)
    if not videos:
        if args.every != 1:
            what = "is for videos, and none is given"
            raise InputError("--every", what, "leave it out, or name the images that you need")
        return args.track and _check_tracked_images(args, files)
    require_packages("reading videos", "av")
    if args.boxes:
        raise InputError(
            f"--boxes {args.boxes}",
            f"is for images, and {videos[0]} is a video",
            "add --boxes-from METHOD instead, or extract the frames and pass their folder",
        )
    if args.shards or args.backend:
        raise InputError(
            str(videos[0]),
            "is a video, and shards are of images",
            "leave --shards and --backend out: videos of any length are predicted in little memory",
        )
    if args.every < 1:
        raise InputError(f"--every {args.every}", "is below 1", "use 1 for every frame")
    from smallpose.io.media_results import refuse_frames_of_others

    refuse_frames_of_others(args.out)
    return True


def _check_tracked_images(args: argparse.Namespace, files: Sequence[Path]) -> bool:
    """Return True for images that are numbered as frames, and refuse what they cannot have.

    Raises: InputError, also where there are no such images.
    """
    from smallpose.inference.frame_sequences import FRAMES_PER_S, list_frame_sequences
    from smallpose.io.media_results import refuse_frames_of_others
    from smallpose.system.progress import print_status

    if args.data:
        raise InputError(
            "--track",
            "cannot be combined with --data, whose images may be some frames alone",
            "track the video, or the folder of all frames, and evaluate those results",
        )
    sequences = list_frame_sequences(files)
    if not sequences:
        what = "is for videos and for numbered frames (clip/000001.jpg, …), and none are given"
        raise InputError(
            "--track", what, "leave it out, or name the video, or the folder of its frames"
        )
    for is_given, flag, remedy in (
        (args.boxes, "--boxes", "add --boxes-from METHOD instead"),
        (args.shards or args.backend, "--shards and --backend", "leave them out"),
    ):
        if is_given:
            raise InputError(flag, "cannot be combined with --track", remedy)
    refuse_frames_of_others(args.out)
    num_frames = sum(len(sequence.indices) for sequence in sequences)
    frames = format_count(num_frames, "image is a frame", "images are frames")
    print_status(f"--track: by their numbers, {frames} of a video, {FRAMES_PER_S} a second")
    return True


def predict_media(
    args: argparse.Namespace,
    files: Sequence[Path],
    predictor: "MediaPredictor",
    images_path: Path,
    watch: "Callable[[MediaPart], None] | None" = None,
) -> "ResultCounts":
    """Predict files with videos among them, write the results, and draw where it is asked for.

    Args:
        watch: is called with each part.
    """
    from smallpose.io.media_results import write_media_results

    parts = predictor.predict_parts(files)
    if args.draw:
        parts = _draw_parts(
            parts,
            args.draw,
            args.draw_min_score,
            _count_digits(files),
            predictor.options.apply_exif,
        )
    return write_media_results(
        args.out,
        images_path,
        _convert_parts(parts, watch),
        predictor.method.skeleton,
        args.own_joints,
    )


def _convert_parts(
    parts: "Iterable[MediaPart]", watch: "Callable[[MediaPart], None] | None"
) -> "Iterator[ResultPart]":
    from smallpose.io.media_results import ResultPart
    from smallpose.system.progress import print_status

    for part in parts:
        for note in part.predictions.notes:
            print_status(note)
        if watch is not None:
            watch(part)
        frames = [
            {
                "image_id": one.image_id,
                "index": one.index,
                **({} if one.time_s is None else {"time": round(one.time_s, 6)}),
                "video": one.video,
                "file_name": one.file_name,
            }
            for one in part.times
        ]
        yield ResultPart(part.predictions, part.images, part.track_ids, frames)


def _count_digits(files: Sequence[Path]) -> int:
    """Return how many digits ids of images get in names, which may follow frames of videos."""
    from smallpose.io.image_files import is_video_file

    has_videos = any(is_video_file(file) for file in files)
    return 6 if has_videos else len(str(len(files)))


def _draw_parts(
    parts: "Iterable[MediaPart]",
    out: Path,
    min_score: float | None,
    num_digits: int,
    apply_exif: bool = False,
) -> "Iterator[MediaPart]":
    """Yield the parts, and draw each of them meanwhile: frames into videos, images into files.

    Args:
        num_digits: of the ids in the names of drawn images.
        apply_exif: whether the images were turned by their EXIF orientation.
    """
    from smallpose.dataloading.large_images import open_image
    from smallpose.dataloading.shown_images import open_shown_image
    from smallpose.report.images.draw_predictions import DrawnCounter, draw_predictions
    from smallpose.system.progress import print_status

    drawn = DrawnCounter(min_score)
    drawing: VideoDrawing | None = None
    taken: set[Path] = set()
    video = ""
    try:
        for part in parts:
            drawn.add_predictions(part.predictions)
            if not part.frames:
                draw_predictions(
                    part.predictions,
                    part.images,
                    Path(),
                    open_shown_image if apply_exif else open_image,
                    out,
                    min_score=min_score,
                    labels=[str(one) if one else "" for one in part.track_ids],
                    num_digits=num_digits,
                )
                yield part
                continue
            if part.times[0].video != video:
                if drawing is not None:
                    drawing.close()
                video = part.times[0].video
                drawing = _open_drawing(_name_drawing(out, Path(video), taken), part, min_score)
                taken.add(drawing.path)
            if drawing is not None:
                _draw_frames(drawing, part)
            yield part
        if drawing is not None:
            drawing.close()
        people = drawn.describe()
        if people:
            print_status(f"drawn in {out}: {people}")
    finally:
        if drawing is not None:
            drawing.discard()


def _name_drawing(out: Path, video: Path, taken: "AbstractSet[Path]") -> Path:
    """Return the file of a video's drawing, which is no other video's."""
    path = out if is_video_name(out) else out / f"{video.stem}.mp4"
    number = 2
    while path in taken:
        path = path.with_name(f"{video.stem}-{number}.mp4")
        number += 1
    if path.exists() and path.samefile(video):
        raise InputError(f"--draw {out}", f"would overwrite {video}", "name another folder")
    return path


def _open_drawing(path: Path, first: "MediaPart", min_score: float | None) -> "VideoDrawing":
    """Open the drawing of a video, whose size suits the people of its first part."""
    from smallpose.report.images.draw_predictions import measure_drawn_people
    from smallpose.report.images.video_drawing import VideoDrawing

    sizes_px = measure_drawn_people(first.predictions, min_score)
    return VideoDrawing(path, first.rate, min_score, sizes_px)


def _draw_frames(drawing: "VideoDrawing", part: "MediaPart") -> None:
    import numpy as np

    for time, frame in zip(part.times, part.frames, strict=True):
        rows = np.flatnonzero(part.predictions.image_ids == time.image_id)
        labels = [str(part.track_ids[row]) for row in rows] if part.track_ids else []
        drawing.add_frame(frame.image, part.predictions.take(rows), frame.time_s, labels)
