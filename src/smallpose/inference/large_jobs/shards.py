"""Predict in shards: a fixed number of images at a time, each shard in a file written atomically.

A job that was stopped resumes with the missing shards. This process and remote workers
(`ray_backend.py`) call the same function. A shard is JSON Lines: first a report, then one line for
each person in the form of COCO's results. Concatenated, shards are the file that a single process
would have written.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from smallpose.core.counts import format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.joint_order import JointOrder, keep_joint_order
from smallpose.core.score_limits import ScoreLimit
from smallpose.core.skeleton import Skeleton, resolve_skeleton
from smallpose.dataloading.images import refuse_unreadable
from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.inference.boxes import convert_to_boxes
from smallpose.inference.input_images import read_image_sizes
from smallpose.inference.large_jobs.work_list import WorkList
from smallpose.inference.low_scores import ScoreCollector
from smallpose.inference.notes import list_unreadable
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict import predict_people
from smallpose.inference.predict_files import (
    BoxDetector,
    make_full_image_boxes,
)
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import build_result_records, wrap_named_results
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod, describe_full_views, describe_limit
from smallpose.system.files import read_bytes, write_atomically, write_atomically_with
from smallpose.system.progress import print_status, show_progress

JOB = "job.json"
# Names of options and values in the job files of older versions.
_OLD_OPTIONS = {
    "nms_above": "oks_threshold",
    "most_bad": "max_unreadable",
    "most": "max_people",
    "score_above": "score_threshold",
}
_NEW_OPTIONS: dict[str, Any] = {
    "smallest": 0,
    "calibration": None,
    "min_score": None,
    "engine": "torch",
    "precision": "float32",
    "heatmap_decoding": "",
    "tile_to": 0,
    "second_look": False,
    "apply_exif": False,
}
_OLD_SCORE_RULES = {"box_times_sure": "box_times_confident_mean"}


class ShardReport(msgspec.Struct):
    """The first line of a shard's file.

    Args:
        shard: its index, from 0.
        unreadable: reasons why images could not be read.
        num_limited: images with more people than the limit.
        num_views: views that were searched, of a network that finds a certain number of people in
            each at most.
        num_full_views: those with as many.
        sizes_wh: of its images, if they were unknown before; 0 for unreadable ones.
        score_limits: limits on scores, and what they left out.
    """

    shard: int
    unreadable: list[str] = []
    num_limited: int = 0
    num_views: int = 0
    num_full_views: int = 0
    sizes_wh: list[tuple[int, int]] = []
    score_limits: list[ScoreLimit] = []


class ShardWorker:
    """Predicts shards, one after another, and writes their files.

    Args:
        method: used by this worker alone.
        work: the images.
        folder: of the shards.
        options: of the prediction.
        detector: predicts boxes for a top-down method without boxes.
        order: of the joints in the results (default: the method's own).
    """

    def __init__(
        self,
        method: PoseMethod,
        work: WorkList,
        folder: Path,
        options: InferenceOptions,
        detector: BoxDetector | None = None,
        order: JointOrder | None = None,
    ) -> None:
        self.method, self.work, self.detector = method, work, detector
        self.order = order or keep_joint_order(method.skeleton)
        self.folder = folder.absolute()
        self.max_unreadable = options.max_unreadable
        # The share counts for the whole job; one unreadable image must not stop a small shard.
        self.options = replace(options, max_unreadable=1.0)

    def move_to(self, device: str) -> "ShardWorker":
        """Move the networks to a device; "" is a GPU if there is one."""
        self.method.move_to(device)
        if self.detector is not None:
            self.detector.method.move_to(device)
        return self

    def process_shard(self, shard: int) -> ShardReport:
        """Predict the images of a shard and write its file."""
        work, method = self.work, self.method
        people = make_instances(
            method.skeleton,
            work.images_of(shard),
            [],
            np.zeros((0, 4)),
            [],
            category_id=work.category_id,
        )
        report = ShardReport(shard)
        boxes = work.boxes_of(shard)
        is_full_image = isinstance(method, FullImageMethod)
        if work.reader is None:
            report.sizes_wh, problems = read_image_sizes(
                people.images.file_names, self.options.apply_exif
            )
            report.unreadable += [] if is_full_image else problems
        if self.detector is not None:
            detector, options = self.detector
            options = replace(options, max_unreadable=1.0)
            detected = predict_people(detector, people, None, work.read, options)
            boxes = convert_to_boxes(detected, people.images, detector.box_margin)
            report.unreadable = list_unreadable(detected)
            _report_limits(report, detector)
        elif boxes is None and not is_full_image:
            boxes = make_full_image_boxes(report.sizes_wh)
        predictions = predict_people(method, people, boxes, work.read, self.options)
        report.unreadable += list_unreadable(predictions)
        if isinstance(method, FullImageMethod):
            _report_limits(report, method)
        report.score_limits = list(predictions.score_limits)
        predictions = self.order.apply_to(predictions)
        has_own_ids = work.skeleton is None  # of image files, which we numbered ourselves
        records = build_result_records(predictions, work.category_id, people.images, has_own_ids)
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        path = get_shard_path(self.folder, shard)
        write_atomically(path, msgspec.json.encode(report) + b"\n" + lines)
        return report


def get_shard_path(folder: Path, shard: int) -> Path:
    """Return the path of a shard's file."""
    return folder / f"found-{shard:06d}.jsonl"


def process_shards(
    worker: ShardWorker,
    run: Callable[[Sequence[int]], Iterable[ShardReport]] | None = None,
    part: tuple[int, int] = (0, 1),
    label: str = "",
) -> list[ShardReport]:
    """Process all shards whose files are missing; return the reports of all that exist then.

    Args:
        run: processes shards and yields their reports in any order (default: in this process).
        part: index of this job, from 0, and the number of jobs that share the shards.
        label: of a progress bar over the shards.

    Raises: InputError when too many images cannot be read, or the folder holds another job.
    """
    folder, num_shards = worker.folder, worker.work.num_shards
    _check_job(worker)
    reports: dict[int, ShardReport] = {}
    _read_finished(folder, num_shards, reports)
    index, num_jobs = part
    missing = [n for n in range(index, num_shards, num_jobs) if n not in reports]
    if reports:
        print_status(
            f"{folder}: {format_share(len(reports), num_shards, 'shard exists', 'shards exist')} "
            "already"
        )
    problems = [reason for report in reports.values() for reason in report.unreadable]
    _refuse_unreadable(worker, problems)
    new_reports = (run or partial(map, worker.process_shard))(missing)
    for report in show_progress(new_reports, label, len(missing)):
        reports[report.shard] = report
        for reason in report.unreadable:
            print_status(f"not predicted: {reason}")
        problems += report.unreadable
        _refuse_unreadable(worker, problems)
    # Other jobs have written shards meanwhile; the job that ends last reads all of them.
    others = _read_finished(folder, num_shards, reports)
    problems += [reason for report in others for reason in report.unreadable]
    _refuse_unreadable(worker, problems)
    detector = worker.method if worker.detector is None else worker.detector.method
    if isinstance(detector, FullImageMethod):
        num_limited = sum(report.num_limited for report in reports.values())
        for note in describe_limit(detector.name, num_limited, _get_max_people(worker)):
            print_status(note)
        num_views = sum(report.num_views for report in reports.values())
        num_full_views = sum(report.num_full_views for report in reports.values())
        for note in describe_full_views(
            detector.name, detector.most_in_view, num_full_views, num_views
        ):
            print_status(note)
    return [reports[shard] for shard in sorted(reports)]


def _report_limits(report: ShardReport, method: FullImageMethod) -> None:
    report.num_limited = method.num_limited
    report.num_views = method.num_views
    report.num_full_views = method.num_full_views


def _read_finished(
    folder: Path, num_shards: int, reports: dict[int, ShardReport]
) -> list[ShardReport]:
    """Add the reports of existing shards to `reports`; return those that were added."""
    added = []
    for shard in range(num_shards):
        path = get_shard_path(folder, shard)
        if shard not in reports and path.exists():
            with path.open("rb") as lines:
                reports[shard] = msgspec.json.decode(next(lines), type=ShardReport)
            added.append(reports[shard])
    return added


def _refuse_unreadable(worker: ShardWorker, problems: list[str]) -> None:
    where, num_images = str(worker.folder), worker.work.num_images_read
    details = f"; the last: {problems[-1]}" if problems else ""
    refuse_unreadable(where, len(problems), num_images, worker.max_unreadable, details)


def _check_job(worker: ShardWorker) -> None:
    """Write `job.json`, or raise InputError if it describes another job."""
    job = _describe_job(worker)
    path = worker.folder / JOB
    if not path.exists():
        write_atomically(path, json.dumps(job, indent=1) + "\n")
        return
    stored = msgspec.json.decode(read_bytes(path), type=dict[str, Any])
    # Joints that are spelled otherwise are the same; older versions wrote the names of the 21.
    stored["joints"] = resolve_skeleton(stored.get("joints", [])).joints
    job["joints"] = resolve_skeleton(job["joints"]).joints
    stored["options"] = _rename_old_options(stored.get("options", {}))
    for name, value in job.items():
        if stored.get(name) != value:
            raise InputError(
                str(worker.folder),
                f"holds shards of another job, whose {name} differ",
                "name another folder with --shards, or remove this one",
            )


def _describe_computation(options: dict[str, Any]) -> dict[str, bool]:
    """Take out what older versions recorded as `half` and `onnx`, and return it so."""
    is_half = options.get("precision") == "half"
    is_onnx = options.get("engine") == "onnxruntime"
    if is_half:
        del options["precision"]
    if is_onnx:
        del options["engine"]
    return {"half": is_half, "onnx": is_onnx}


def _describe_job(worker: ShardWorker) -> dict[str, Any]:
    """Return what must be the same for a job to resume; the batch size may differ."""
    work, method = worker.work, worker.method
    boxes = work.boxes
    arrays = [work.image_ids, work.name_bytes, work.name_ends]
    if work.text_ids:
        arrays.append(np.array(work.text_ids, dtype=np.str_))
    if boxes is not None:
        arrays += [boxes.image_rows, boxes.boxes_xywh, boxes.scores]
    options = asdict(replace(worker.options, calibration=None))
    del options["batch_size"]
    if worker.options.calibration is not None:
        options["calibration"] = worker.options.calibration.compute_digest()
    # Jobs of older versions lack these options, and with the defaults they are the same jobs.
    for name, default in _NEW_OPTIONS.items():
        if options[name] == default:
            del options[name]
    options |= _describe_computation(options)
    options["max_people"] = _get_max_people(worker)  # jobs of older versions had no limit
    # Jobs of older versions have no crop options, and with the defaults they are the same jobs.
    crop = method.crop_options.override(options.pop("crop_interpolation"), options.pop("zoom"))
    if crop != CropOptions():
        options["crop"] = crop.to_dict()
    return {
        "method": method.name,
        "weights": _hash_weights(method),
        "joints": list(worker.order.skeleton.spelled_joints),
        "images": len(work.image_ids),
        "per_shard": work.per_shard,
        "pictures and boxes": _hash_arrays(arrays),
        "options": options,
        "boxes from": _hash_weights(worker.detector.method) if worker.detector else "",
    }


def _get_max_people(worker: ShardWorker) -> int | None:
    """Return the limit of people per image; None for none, and for top-down methods."""
    detector, options = worker.detector or (worker.method, worker.options)
    if not isinstance(detector, FullImageMethod):
        return None
    return detector.max_people if options.max_people is None else options.max_people or None


def _rename_old_options(options: dict[str, Any]) -> dict[str, Any]:
    renamed = {_OLD_OPTIONS.get(name, name): value for name, value in options.items()}
    rule = renamed.get("score_rule", "")
    return renamed | {"score_rule": _OLD_SCORE_RULES.get(rule, rule)}


def _hash_arrays(arrays: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _hash_weights(method: PoseMethod) -> str:
    return _hash_arrays(weight.cpu().numpy() for weight in method.state_dict().values())


class _ScoredPerson(msgspec.Struct):
    """What is read of a person when shards are merged."""

    image_id: int | str
    score: float


def merge_shards(
    folder: Path,
    num_shards: int,
    out: Path,
    named: Skeleton | None = None,
    scores: ScoreCollector | None = None,
) -> int:
    """Concatenate the shards to one COCO result file, line by line to save memory.

    Args:
        named: the joints whose names are written, too (default: a plain list is written).
        scores: collects the scores.

    Returns: the number of people in it.
    """
    num_people = 0
    decoder = msgspec.json.Decoder(_ScoredPerson)

    def fill(file: IO[bytes]) -> None:
        nonlocal num_people
        head, tail = (b"", b"") if named is None else wrap_named_results(named)
        file.write(head)
        separator = b"["
        for shard in range(num_shards):
            people = []
            with get_shard_path(folder, shard).open("rb") as lines:
                next(lines)
                for line in lines:
                    file.write(separator + line.rstrip())
                    separator = b","
                    num_people += 1
                    if scores is not None:
                        people.append(decoder.decode(line))
            if scores is not None:
                scores.add_scores([p.score for p in people], [p.image_id for p in people])
        file.write((b"[]" if separator == b"[" else b"]") + tail)

    write_atomically_with(out, fill)
    return num_people


def write_image_list(
    work: WorkList, reports: Sequence[ShardReport], skeleton: Skeleton, path: Path
) -> None:
    """Write a COCO file without people, which maps image ids to the names of image files."""
    parts = [work.images_of(report.shard) for report in reports]
    names = [name for part in parts for name in part.file_names]
    sizes = np.array([size for report in reports for size in report.sizes_wh]).reshape(-1, 2)
    images = make_images(work.image_ids, names, *sizes.T)
    write_coco(make_instances(skeleton, images, [], np.zeros((0, 4)), []), path)
