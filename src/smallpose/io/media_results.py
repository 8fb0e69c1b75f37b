"""Write the results of videos while they are predicted, so that memory does not depend on length.

Three files are written: the results, the list of images, and `frames.json`, which says which frame
of which video each image is. None of them exists before all are complete.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.io.coco_results import build_result_records, wrap_named_results
from smallpose.io.frame_groups import FRAMES_NAME
from smallpose.system.files import write_atomically_with


class ResultPart(NamedTuple):
    """The results in some images.

    Args:
        predictions: the detections.
        images: the images.
        track_ids: (d,) number of the person, 0 for none; empty where people are not tracked.
        frames: one record for each image that is a frame of a video: image_id, file_name, video,
            index, and time in s where it is known.
    """

    predictions: Predictions
    images: Images
    track_ids: Sequence[int]
    frames: Sequence[Mapping[str, Any]]


class ResultCounts(NamedTuple):
    """How much was written."""

    num_people: int
    num_images: int
    num_tracks: int


def get_frames_path(out: Path) -> Path:
    """Return the path of the list of frames beside a result file."""
    return out.with_name(FRAMES_NAME)


def refuse_frames_of_others(out: Path) -> None:
    """Raise InputError where `frames.json` beside new results belongs to others."""
    frames = get_frames_path(out)
    if frames.exists() and not out.exists():
        raise InputError(
            str(frames),
            f"is there, and without {out.name} it belongs to other results",
            "write each video's results into a folder of their own: --out FOLDER/found.json",
        )


def write_media_results(
    out: Path,
    images_path: Path,
    parts: Iterable[ResultPart],
    skeleton: Skeleton,
    keypoint_names: bool = False,
) -> ResultCounts:
    """Write results, images and frames, part by part.

    Args:
        images_path: of the COCO file that lists the images.
        skeleton: the joints of the predictions.
        keypoint_names: write the names of the joints with the results.
    Raises: RunError when the disk is full; what `parts` raises. Then no file is changed.
    """
    counts: list[ResultCounts] = []

    def fill(results: IO[bytes], images: IO[bytes], frames: IO[bytes]) -> None:
        counts.append(_fill_files(_Files(results, images, frames), parts, skeleton, keypoint_names))

    write_atomically_with(
        out,
        lambda results: write_atomically_with(
            images_path,
            lambda images: write_atomically_with(
                get_frames_path(out), lambda frames: fill(results, images, frames)
            ),
        ),
    )
    return counts[0]


class _Files(NamedTuple):
    results: IO[bytes]
    images: IO[bytes]
    frames: IO[bytes]


def _fill_files(
    files: _Files, parts: Iterable[ResultPart], skeleton: Skeleton, keypoint_names: bool
) -> ResultCounts:
    head, tail = wrap_named_results(skeleton) if keypoint_names else (b"", b"")
    files.results.write(head + b"[")
    files.images.write(b'{"categories":[' + msgspec.json.encode(_describe_category(skeleton)))
    files.images.write(b'],\n"images":[')
    files.frames.write(b"[")
    num_people = 0
    num_images = 0
    last_track = 0
    num_frames = 0
    for part in parts:
        _write_records(files.results, _build_results(part), num_people)
        _write_records(files.images, _build_images(part), num_images)
        _write_records(files.frames, part.frames, num_frames)
        num_people += len(part.predictions)
        num_images += len(part.images)
        num_frames += len(part.frames)
        last_track = max([last_track, *part.track_ids])
    files.results.write(b"]" + tail)
    files.images.write(b'],\n"annotations":[]}\n')
    files.frames.write(b"]\n")
    return ResultCounts(num_people, num_images, last_track)


def _write_records(file: IO[bytes], records: Sequence[Mapping[str, Any]], num_before: int) -> None:
    encoder = msgspec.json.Encoder()
    for index, record in enumerate(records, start=num_before):
        file.write((b",\n" if index else b"\n") + encoder.encode(record))


def _build_results(part: ResultPart) -> list[dict[str, Any]]:
    records = build_result_records(part.predictions, 1, part.images, file_names=True)
    for record, track_id in zip(records, part.track_ids, strict=False):
        if track_id:
            record["track_id"] = track_id
    return records


def _build_images(part: ResultPart) -> list[dict[str, Any]]:
    images = part.images
    index_of = {frame["image_id"]: frame["index"] for frame in part.frames}
    records = []
    sizes = np.stack([images.width, images.height], axis=1).tolist()
    for image_id, name, size in zip(images.ids.tolist(), images.file_names, sizes, strict=True):
        record = {"id": image_id, "file_name": name}
        if all(size):
            record |= {"width": size[0], "height": size[1]}
        if image_id in index_of:
            record |= {"group": str(Path(name).parent), "frame_id": index_of[image_id]}
        records.append(record)
    return records


def _describe_category(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.spelled_joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
    }
