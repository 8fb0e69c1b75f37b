"""smallpose check FILE.json or a built set: what is wrong with it."""

import argparse
from pathlib import Path

from smallpose.core.errors import InputError

HELP = "what is wrong with a COCO file or a result file; re-hash a built set"
EXAMPLE = "smallpose check annotations/person_keypoints_val2017.json --images val2017"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `check`."""
    parser.add_argument("path", type=Path, metavar="FILE.json|SET", help="a file, or a built set")
    parser.add_argument("--images", type=Path, metavar="DIR", help="look for the pictures there")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE.json", help="the truth that results are about"
    )
    parser.add_argument("--workers", type=int, default=2, help="threads for hashing (2)")


def run_command(args: argparse.Namespace) -> int:
    """Print one sentence per finding; exit code 2 when there is a fault."""
    from smallpose.dataset.verify import check_images, check_set
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.coco_results import is_result_file, make_truth_for_results, read_results
    from smallpose.io.validation import check_predictions, check_truth

    of_results = not args.path.is_dir() and is_result_file(args.path)
    if args.truth and not of_results:
        raise InputError(f"--truth {args.truth}", "is for result files", "leave it out")
    if args.images and (of_results or args.path.is_dir()):
        raise InputError(f"--images {args.images}", "is for annotation files", "leave it out")
    if args.path.is_dir():
        findings, subject = check_set(args.path, max(args.workers, 1))
    elif of_results:
        truth = read_coco(args.truth) if args.truth else make_truth_for_results(args.path)
        found = read_results(args.path, truth)
        findings = check_predictions(found)
        subject = f"{len(found):,} people found, {found.skeleton.name}"
    else:
        people = read_coco(args.path)
        findings = check_truth(people)
        if args.images is not None:
            findings += check_images(people.images, args.images)
        subject = (
            f"{len(people.images):,} images, {int(people.is_counted.sum()):,} people with keypoints, "
            f"{len(people) - int(people.is_counted.sum()):,} to ignore, {people.skeleton.name}"
        )
    faults = sum(f.is_fault for f in findings)
    print(f"{args.path}: {subject}")
    for finding in findings:
        print(f"  {finding}")
    print(f"{faults} faults, {len(findings) - faults} remarks" if findings else "nothing wrong")
    return 2 if faults else 0
