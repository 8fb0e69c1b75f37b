"""The part of `smallpose audit` for a file: suspects, correction lists, merging corrections."""

import argparse
import sys
from pathlib import Path

from smallpose.cli.options import (
    OptionGroup,
    add_category_option,
    add_option,
    add_unknown_images_option,
)
from smallpose.core.errors import InputError

FORMS = ("cvat", "label-studio", "coco")
# Options that a built set as a whole does not have.
FILE_ONLY = (
    "predictions",
    "to",
    "out",
    "corrected",
    "delete_missing",
    "max_suspects",
    "image_prefix",
    "category",
)


def add_file_arguments(group: OptionGroup) -> None:
    """Add the options that need a single file of annotations."""
    add_option(
        group,
        "--predictions",
        type=Path,
        metavar="FILE",
        default_text="labels are judged by themselves",
        help="Results of a good model, which add evidence and show people without a label.",
    )
    add_option(
        group,
        "--to",
        choices=FORMS,
        default_text="no list is written",
        help="Write the suspects alone, in the form that this tool imports, to the folder --out.",
    )
    add_option(
        group,
        "--out",
        type=Path,
        metavar="DIR|FILE",
        default_text="not written",
        help="New folder of the correction list, or with --corrected the merged file.",
    )
    add_option(
        group,
        "--max-suspects",
        type=int,
        metavar="N",
        default_text="all",
        help="Write at most this many people to the correction list, the most suspect first.",
    )
    add_option(
        group,
        "--image-prefix",
        metavar="TEXT",
        default_text="/data/local-files/?d=",
        help="Put this before the file names of images in Label Studio's tasks.",
    )
    add_option(
        group,
        "--corrected",
        type=Path,
        metavar="FILE",
        default_text="the file is audited",
        help="Merge the people corrected in this export of the tool (CVAT's XML, Label Studio's "
        "JSON, COCO, or a zip of one) into a copy of the file, and audit nothing.",
    )
    add_option(
        group,
        "--delete-missing",
        type=Path,
        metavar="DIR",
        default_text="they are kept",
        help="With --corrected, remove the people of the correction list in this folder that the "
        "export lacks.",
    )
    add_category_option(group, "of the file")
    add_unknown_images_option(group)


def check_file_options(args: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    if args.max_suspects is not None and args.max_suspects < 1:
        raise InputError(
            f"--max-suspects {args.max_suspects}", "is no number of people", "give 1 or more"
        )
    if args.to and args.corrected:
        raise InputError("--to with --corrected", "are two steps", "run one after the other")
    if args.predictions and args.corrected:
        raise InputError(
            "--predictions with --corrected",
            "merging needs no predictions",
            "leave out --predictions, or audit the merged file",
        )
    if args.to and args.out is None:
        raise InputError(f"--to {args.to}", "needs a folder", "add --out DIR")
    if args.corrected and args.out is None:
        raise InputError(f"--corrected {args.corrected}", "needs a file to write", "add --out FILE")
    if args.out is not None and not (args.to or args.corrected):
        choices = "|".join(FORMS)
        raise InputError(
            f"--out {args.out}", "has nothing to write", f"add --to {choices}, or --corrected FILE"
        )
    if args.delete_missing and not args.corrected:
        raise InputError(
            f"--delete-missing {args.delete_missing}", "is for merging", "add --corrected FILE"
        )
    if args.max_suspects is not None and not args.to:
        raise InputError(
            "--max-suspects", "is for a correction list", "add --to, or use --max-rows"
        )
    if args.image_prefix is not None and args.to != "label-studio":
        raise InputError("--image-prefix", "is for Label Studio", "add --to label-studio")


def run_file_audit(args: argparse.Namespace) -> None:
    """Print the findings of a file, and write the JSON and the list that were asked for."""
    from smallpose.dataset.corrections.correction_list import write_correction_list
    from smallpose.dataset.label_audit.audit_file import audit_file, make_correction_list
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.coco_results import read_results
    from smallpose.io.result_paths import find_label_path, find_result_path
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    people = read_coco(find_label_path(args.path), category=args.category)
    predictions = None
    if args.predictions is not None:
        path = find_result_path(args.predictions)
        predictions = read_results(path, people, unknown_images=args.unknown_images)
    audit = audit_file(args.path, people, predictions)
    if args.to:
        corrections = make_correction_list(audit, args.max_suspects, args.image_prefix)
        write_correction_list(corrections, args.to, args.out)
    if args.json == "-":
        sys.stdout.write(audit.to_json())
    else:
        if args.json:
            write_atomically(args.json, audit.to_json())
        print(audit.to_text(args.max_rows), end="")
    print_written(args.json, args.out)


def merge_into_file(args: argparse.Namespace) -> None:
    """Write the file with the corrected people, and print what changed."""
    from smallpose.dataset.corrections.correction_list import read_listed_ids
    from smallpose.dataset.corrections.merge import merge_corrected
    from smallpose.dataset.corrections.read_corrected import list_corrected_images, read_corrected
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    people = read_corrected(args.corrected)
    listed = read_listed_ids(args.delete_missing) if args.delete_missing else []
    images = list_corrected_images(args.corrected) if args.delete_missing else []
    merged, summary = merge_corrected(args.path, people, listed, images)
    write_atomically(args.out, merged)
    if args.json:
        text = summary.to_json()
        sys.stdout.write(text) if args.json == "-" else write_atomically(args.json, text)
    if args.json != "-":
        print("\n".join(summary.to_lines()))
    print_written(args.json, args.out)
