"""Predict people in videos, and in images beside them, part by part.

A part is what fits in memory: some frames of a video, or the images between two videos. Frames
have names as if they had been extracted: `clip/000012.jpg` is frame 12 of `clip.mp4`, counted from
0. So results fit labels of extracted frames, too.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Images, make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.inference.boxes import Boxes, convert_to_boxes
from smallpose.inference.computation import apply_speed_options
from smallpose.inference.frame_sequences import list_frame_sequences, track_sequences
from smallpose.inference.notes import describe_unreadable, list_unreadable
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict import predict_people
from smallpose.inference.predict_files import (
    BoxDetector,
    make_full_image_boxes,
    predict_image_files,
)
from smallpose.inference.tile_cost import print_tiles
from smallpose.inference.tracking import Tracker
from smallpose.inference.video_parts import (
    FrameTally,
    group_files,
    name_videos,
    read_ahead,
    split_frames,
)
from smallpose.io.image_files import is_video_file
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod, describe_full_views
from smallpose.sources.video import TimedFrame, describe_video, iterate_frames
from smallpose.system.progress import format_duration, print_status, track_progress

FRAMES_PER_PART = 32
TILED_FRAMES_PER_PART = 4  # each of them takes long, and progress counts parts
MAX_TRACKED_STEP_S = 0.1  # between frames; beyond, whoever walks may have left their own box
_APPLIED: dict[str, Any] = {"engine": "torch", "precision": "float32", "compile": False}


@dataclass(frozen=True)
class FrameTime:
    """Which frame of which video an image is.

    Args:
        index: in the order in which frames are shown, from 0.
        time_s: at which it is shown, from the beginning of the video; None where that is unknown.
    """

    image_id: int
    file_name: str
    video: str
    index: int
    time_s: float | None


@dataclass(frozen=True)
class MediaPart:
    """The predictions in some images, or in some frames of one video.

    Args:
        predictions: in the order of the images.
        images: their names, ids and sizes.
        times: of the frames; empty for image files that are none.
        frames: the frames themselves; empty for image files.
        track_ids: (d,) number of the person in each prediction, 0 for none; empty where people are
            not tracked.
        rate: frames of this video that are predicted per second.
    """

    predictions: Predictions
    images: Images
    times: tuple[FrameTime, ...] = ()
    frames: tuple[TimedFrame, ...] = ()
    track_ids: tuple[int, ...] = ()
    rate: Fraction = Fraction(25)


@dataclass(frozen=True)
class MediaPredictor:
    """Predicts people in image files and videos.

    Args:
        method, detector, options, device: as in `predict_image_files`.
        every: every so many-th frame of a video is predicted.
        is_tracking: number the people of videos, and of image files that are numbered as frames.
    """

    method: PoseMethod
    detector: BoxDetector | None
    options: InferenceOptions
    device: str = ""
    every: int = 1
    is_tracking: bool = False

    def predict_parts(self, files: Sequence[Path]) -> Iterator[MediaPart]:
        """Yield the parts in the order of the files; image ids count from 1 over all of them.

        Raises: InputError for files that cannot be read; ImportError without PyAV.
        """
        names = name_videos(files)
        method = self.method.move_to(self.device)
        tracker = Tracker(method.skeleton.sigmas)
        num_images = 0
        with ExitStack() as stack:
            # Once for all parts: networks are compiled and converted here.
            stack.enter_context(apply_speed_options(method, self.options))
            if self.detector is not None:
                detecting = self.detector.method.move_to(self.device)
                stack.enter_context(apply_speed_options(detecting, self.detector.options))
            for group in group_files(files):
                parts = self._predict_images(group, num_images + 1, tracker)
                if is_video_file(group[0]):
                    parts = self._predict_video(group[0], names[group[0]], num_images + 1, tracker)
                for part in parts:
                    num_images += len(part.images)
                    yield part

    def _predict_images(
        self, files: Sequence[Path], first_id: int, tracker: Tracker
    ) -> Iterator[MediaPart]:
        result = predict_image_files(
            self.method, files, self.detector, self.options, self.device, first_id
        )
        predictions, images = result.predictions, result.people.images
        sequences = list_frame_sequences(files) if self.is_tracking else []
        if not sequences:
            yield MediaPart(predictions, images)
            return
        ids = images.ids.tolist()
        times = [
            FrameTime(ids[index], images.file_names[index], str(one.folder), number, None)
            for one in sequences
            for index, number in zip(one.indices, one.numbers, strict=True)
        ]
        track_ids = track_sequences(tracker, predictions, sequences, ids)
        yield MediaPart(predictions, images, times=tuple(times), track_ids=track_ids)

    def _predict_video(
        self, video: Path, name: str, first_id: int, tracker: Tracker
    ) -> Iterator[MediaPart]:
        info = describe_video(video)
        tracker.start_video()
        if self.detector is None and not isinstance(self.method, FullImageMethod):
            print_status(
                f"{video}: no boxes: each frame is taken as the box of one person; --boxes-from "
                "METHOD detects people first"
            )
        if self.is_tracking:
            self._print_distant_frames(video, float(info.rate))
        counter = FrameTally(iterate_frames(video))
        total = -(-info.num_frames // self.every) or None
        frames = (frame for frame in counter if frame.index % self.every == 0)
        options = self.options
        is_slow = bool(options.tile or options.smallest or options.second_look)
        chunks = split_frames(frames, TILED_FRAMES_PER_PART if is_slow else FRAMES_PER_PART)
        num_limited = num_views = num_full_views = 0
        detector = self._get_detector()
        is_first = True
        with track_progress(video.name[:28], total) as advance:
            for chunk in read_ahead(chunks):
                if is_first:
                    self._print_tiles(chunk[0])
                started_at = time.monotonic()
                part = self._predict_frames(video, name, first_id, chunk, tracker, info.rate)
                if is_first and total is not None and (options.tile or options.smallest):
                    seconds = time.monotonic() - started_at
                    _print_time_left(video, seconds, len(chunk), total)
                is_first = False
                if detector is not None:
                    num_limited += detector.num_limited
                    num_views += detector.num_views
                    num_full_views += detector.num_full_views
                advance(len(chunk))
                yield part
                first_id += len(chunk)
        counter.print_missing(video, info.num_frames)
        if num_limited:
            limited = format_count(num_limited, "frame")
            print_status(
                f"{video}: the limit of people was reached in {limited}; the highest scores were "
                "kept, and smallpose predict --max-people N or all keeps more"
            )
        if detector is not None:
            for note in describe_full_views(
                detector.name, detector.most_in_view, num_full_views, num_views
            ):
                print_status(f"{video}: {note}")

    def _print_distant_frames(self, video: Path, rate: float) -> None:
        """Print that tracks break where frames are too far apart for people who move."""
        step_s = self.every / rate
        if self.every > 1 and step_s > MAX_TRACKED_STEP_S:
            print_status(
                f"{video}: frames are {step_s:.2g} s apart (--every {self.every}), and people who "
                "move fast get new track numbers; for whole tracks leave --every out, and take the "
                "frames that you need from the results"
            )

    def _print_tiles(self, frame: TimedFrame) -> None:
        """Print which tiles are searched in the frames."""
        method = self._get_detector()
        if method is not None:
            height, width = frame.image.shape[:2]
            images = make_images([1], [""], [width], [height])
            print_tiles(method, images, self.options)

    def _get_detector(self) -> FullImageMethod | None:
        """Return the method that finds the people; None where boxes are given."""
        detector = self.method if self.detector is None else self.detector.method
        return detector if isinstance(detector, FullImageMethod) else None

    def _predict_frames(
        self,
        video: Path,
        name: str,
        first_id: int,
        frames: Sequence[TimedFrame],
        tracker: Tracker,
        rate: Fraction,
    ) -> MediaPart:
        names = [f"{name}/{frame.index:06d}.jpg" for frame in frames]
        sizes_wh = [(frame.image.shape[1], frame.image.shape[0]) for frame in frames]
        ids = range(first_id, first_id + len(frames))
        width, height = np.array(sizes_wh).T
        images = make_images(ids, names, width, height, groups=[name] * len(frames))
        pixels = dict(zip(names, (frame.image for frame in frames), strict=True))
        people = make_instances(self.method.skeleton, images, [], np.zeros((0, 4)), [])
        # What the context of all parts has applied is not applied again.
        options = replace(self.options, **_APPLIED)
        boxes: Boxes | None = None
        if self.detector is not None:
            detecting, how = self.detector
            how = replace(how, **_APPLIED)
            detected = predict_people(detecting, people, None, pixels.__getitem__, how)
            boxes = convert_to_boxes(detected, images, detecting.box_margin)
        elif not isinstance(self.method, FullImageMethod):
            boxes = make_full_image_boxes(sizes_wh)
        predictions = predict_people(self.method, people, boxes, pixels.__getitem__, options)
        order = np.argsort(predictions.image_ids, kind="stable")
        notes = describe_unreadable(list_unreadable(predictions))
        predictions = replace(predictions.take(order), notes=notes)
        track_ids: list[int] = []
        if self.is_tracking:
            for image_id, frame in zip(ids, frames, strict=True):
                rows = np.flatnonzero(predictions.image_ids == image_id)
                track_ids += tracker.assign(predictions.take(rows), frame.time_s)
        times = tuple(
            FrameTime(image_id, file_name, str(video), frame.index, frame.time_s)
            for image_id, file_name, frame in zip(ids, names, frames, strict=True)
        )
        return MediaPart(
            predictions=predictions,
            images=images,
            times=times,
            frames=tuple(frames),
            track_ids=tuple(track_ids),
            rate=rate / self.every,
        )


def _print_time_left(video: Path, seconds: float, num_done: int, total: int) -> None:
    """Print how long the first frames took, and how long the others will take."""
    if total > num_done:
        seconds_left = seconds * (total - num_done) / num_done
        print_status(
            f"{video.name}: {format_count(num_done, 'frame')} took {format_duration(seconds)}; "
            f"about {format_duration(seconds_left)} for the other {total - num_done:,}"
        )
