"""smallpose check FILE.json|SET: faults of a COCO file, a result file or a built set."""

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.cli.options import (
    DEMO_SET,
    add_category_option,
    add_option,
    add_unknown_images_option,
)
from smallpose.cli.paths import find_predictions_in
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.joint_names import are_numbered
from smallpose.io.result_paths import suggest_build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smallpose.core.instances import Instances
    from smallpose.core.predictions import Predictions
    from smallpose.io.finding import Finding

HELP = "Check a COCO file or a result file for faults, or the hashes of a built set."
EXAMPLE = f"smallpose check {DEMO_SET}"
UNKNOWN_JOINTS = (
    "which joints these are is not known from their number (COCO has 17, our sets 21); compare "
    "them with the ground truth by --truth FILE"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    parser.add_argument(
        "path", type=Path, metavar="FILE.json|SET", help="File or built set to check."
    )
    add_option(
        parser,
        "--images",
        type=Path,
        metavar="DIR",
        default_text="images are not checked",
        help="Check that the images of an annotation file are in this folder and can be read.",
    )
    add_option(
        parser,
        "--truth",
        type=Path,
        metavar="FILE.json",
        default_text="results are checked without it",
        help="Ground truth that a result file belongs to.",
    )
    add_category_option(parser)
    add_unknown_images_option(parser)
    add_option(
        parser,
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="Number of threads that hash files.",
    )


@dataclass(frozen=True)
class _Checked:
    """What was checked.

    Args:
        findings: of the file or set.
        subject: what it has, in a few words.
        next_steps: what to type then, and what was not checked.
    """

    findings: "Sequence[Finding]"
    subject: str
    next_steps: tuple[str, ...]


def run_command(args: argparse.Namespace) -> int:
    """Print one sentence per finding and return 2 when there is a fault."""
    from smallpose.io.coco_results import is_result_file
    from smallpose.io.result_folders import is_result_folder
    from smallpose.system.files import read_bytes

    args.path = find_predictions_in(args.path)
    is_set = args.path.is_dir() and not is_result_folder(args.path)
    data = None if args.path.is_dir() else read_bytes(args.path)
    has_results = is_result_file(args.path, data) if data is not None else not is_set
    _check_arguments(args, is_set, has_results)
    if is_set and not (args.path / "manifest.json").exists():
        return _check_label_files(args)
    if is_set:
        checked = _check_built_set(args)
    else:
        checked = _check_results(args, data) if has_results else _check_labels(args, data)
    num_faults = _print_findings(args.path, checked)
    _print_next_steps(checked.next_steps, num_faults)
    return 2 if num_faults else 0


def _check_arguments(args: argparse.Namespace, is_set: bool, has_results: bool) -> None:
    """Refuse options that do not belong to what is checked, and folders that are none of it."""
    if args.truth and not has_results:
        raise InputError(f"--truth {args.truth}", "is for result files", "leave it out")
    if args.images and (has_results or is_set):
        raise InputError(f"--images {args.images}", "is for annotation files", "leave it out")
    if args.category and (is_set or (has_results and not args.truth)):
        raise InputError("--category", "is for annotation files and --truth", "leave it out")
    remedy = suggest_build(args.path) if is_set else ""
    if remedy and not (args.path / "manifest.json").exists():
        raise InputError(
            str(args.path), "is the folder of a YOLO data set, and no built set", remedy
        )


def _check_label_files(args: argparse.Namespace) -> int:
    """Check the labels and images of a folder that has the layout of a built set, but no hashes."""
    from smallpose.dataset.built_set import list_label_files, refuse_folder_without_labels
    from smallpose.dataset.verify import check_split_names
    from smallpose.system.files import read_bytes

    refuse_folder_without_labels(args.path)
    files = list_label_files(args.path)
    images = args.path / "images"
    num_faults = 0
    for path in files.values():
        given = {"path": path, "images": images if images.is_dir() else None}
        own = argparse.Namespace(**{**vars(args), **given})
        num_faults += _print_findings(path, _check_labels(own, read_bytes(path)))
    shared = check_split_names(list(files.values()))
    for finding in shared:
        print(f"{args.path}: {finding}")
    num_faults += len(shared)
    _print_next_steps([_describe_training(args.path)], num_faults)
    return 2 if num_faults else 0


def _check_built_set(args: argparse.Namespace) -> _Checked:
    from smallpose.dataset.verify import check_set

    findings, subject = check_set(args.path, max(args.workers, 1))
    return _Checked(findings, subject, (_describe_training(args.path),))


def _check_results(args: argparse.Namespace, data: bytes | None) -> _Checked:
    """Check a result file, with the labels that it belongs to where they are given."""
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.coco_results import make_truth_for_results, read_results
    from smallpose.io.finding import Finding
    from smallpose.io.label_faults import describe_label_faults
    from smallpose.io.predicted_images import describe_listed_images
    from smallpose.io.result_validation import check_joints, check_predictions

    results = shlex.quote(str(args.path))
    truth_path = shlex.quote(str(args.truth or "LABELS.json"))
    next_steps = [f"next, to score them: smallpose evaluate {truth_path} {results}"]
    if args.truth:
        truth = read_coco(args.truth, category=args.category)
    elif data is not None:
        truth = make_truth_for_results(args.path, data)
        next_steps.insert(
            0, "joints and images were not compared with labels: add --truth LABELS.json"
        )
    else:
        what = "is a folder of results, whose images only the ground truth knows"
        raise InputError(str(args.path), what, "add --truth FILE")
    predictions = read_results(args.path, truth, data, args.unknown_images)
    findings = check_predictions(predictions, truth.images)
    if args.truth:
        joint_findings = [Finding(fault, True) for fault in describe_label_faults(truth)]
        joint_findings += check_joints(truth, predictions)
        joint_findings += _check_matches(truth, predictions)
        known = [finding.message for finding in joint_findings]
        findings = joint_findings + [
            f for f in findings if not any(one.startswith(f.message) for one in known)
        ]
    else:
        if are_numbered(predictions.skeleton.joints):
            findings.append(Finding(UNKNOWN_JOINTS, is_fault=False))
        listed = describe_listed_images(args.path, predictions.image_ids)
        findings += [Finding(listed, is_fault=False)] if listed else []
    subject = f"{format_count(len(predictions), 'detection')}, {predictions.skeleton.name}"
    return _Checked(findings, subject, tuple(next_steps))


def _check_matches(truth: "Instances", predictions: "Predictions") -> "list[Finding]":
    """Return the fault that nobody is matched, and remarks on few matches and missing images."""
    from smallpose.evaluation.doubts import lacks_images
    from smallpose.evaluation.evaluate import evaluate
    from smallpose.evaluation.notes import FEW_MATCHES, NO_MATCH
    from smallpose.io.finding import Finding

    try:
        notes = evaluate(truth, predictions).notes
    except InputError:  # such as joints without a sigma, which are no fault of the results
        return []
    return [
        Finding(note, is_fault=note.startswith(NO_MATCH))
        for note in notes
        if note.startswith((NO_MATCH, FEW_MATCHES)) or lacks_images([note])
    ]


def _check_labels(args: argparse.Namespace, data: bytes | None) -> _Checked:
    """Check an annotation file, and its images where their folder is given."""
    from smallpose.dataset.verify import check_images
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.merged_poses import check_merged_poses
    from smallpose.io.raw_annotations import check_ignore_flags, read_raw_annotations
    from smallpose.io.validation import check_truth

    people = read_coco(args.path, category=args.category, data=data)
    findings = check_truth(people)
    raw = read_raw_annotations(args.path, people.images, data)
    findings += check_merged_poses(people, raw.image_rows, raw.boxes_xywh)
    findings += check_ignore_flags(raw)
    next_steps = []
    if args.images is not None:
        findings += check_images(people, args.images)
    elif len(people.images):
        next_steps.append("images were not checked: add --images DIR")
    num_people = int(people.is_counted.sum())
    if num_people:
        labels = shlex.quote(str(args.path))
        images = "DIR" if args.images is None else shlex.quote(str(args.images))
        next_steps.append(
            f"next, to score results: smallpose evaluate {labels} PREDICTIONS.json; to find "
            f"doubtful labels: smallpose audit {labels}; to train: smallpose split {labels} "
            f"--images {images} --out SET"
        )
    subject = (
        f"{format_count(len(people.images), 'image')}, "
        f"{format_count(num_people, 'person', 'people')} with keypoints, "
        f"{len(people) - num_people:,} to ignore, {people.skeleton.name}"
    )
    return _Checked(findings, subject, tuple(next_steps))


def _print_findings(path: Path, checked: _Checked) -> int:
    """Print what was checked and found; return the number of faults."""
    findings = checked.findings
    num_faults = sum(finding.is_fault for finding in findings)
    print(f"{path}: {checked.subject}")
    for finding in findings:
        print(f"  {finding}")
    if findings:
        remarks = format_count(len(findings) - num_faults, "remark")
        print(f"{format_count(num_faults, 'fault')}, {remarks}")
    else:
        print("no faults")
    return num_faults


def _describe_training(data: Path) -> str:
    return f"next, to train on it: smallpose train METHOD --data {shlex.quote(str(data))} --out RUN"


def _print_next_steps(steps: "Sequence[str]", num_faults: int) -> None:
    """Print what goes on; where there are faults, what was not checked alone."""
    from smallpose.system.progress import print_status

    for step in steps:
        if not (num_faults and step.startswith("next")):
            print_status(step)
