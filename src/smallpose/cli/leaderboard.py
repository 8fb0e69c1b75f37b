"""smallpose leaderboard add BOARD TRUTH.json PREDICTIONS.json --name NAME: one static page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.cli.options import (
    DEMO_TRUTH,
    add_json,
    add_option,
    add_sigmas_option,
    add_switch,
    add_unknown_images_option,
)
from smallpose.cli.paths import find_predictions_in
from smallpose.core.counts import choose_verb, format_count
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.report.leaderboard.board import Speed
    from smallpose.report.leaderboard.standings import Standing

HELP = "Check results and rank them on one static page, with verdicts against the leader."
EXAMPLE = f"""\
smallpose leaderboard add board {DEMO_TRUTH} \\
    runs/demo/B/found.json --name "R18 tiny, B" --trained-on demo"""
ACTIONS = {"add": 2, "training": 1, "remove": 0, "show": 0}  # the number of files each needs
USAGE = "smallpose leaderboard add BOARD TRUTH.json PREDICTIONS.json --name NAME"
TRAINING_USAGE = (
    "smallpose leaderboard training BOARD TRUTH.json --name SET --images DIR --training-images DIR"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leaderboard`."""
    parser.add_argument(
        "action",
        choices=tuple(ACTIONS),
        metavar="add|training|remove|show",
        help="Add a result, compare the images of the training set called --name with the test "
        "images, remove the row called --name, or print the board and write its page again.",
    )
    parser.add_argument(
        "board", type=Path, metavar="BOARD", help="Folder of the board; the first result makes it."
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="*",
        metavar="TRUTH.json PREDICTIONS.json",
        help="COCO keypoint annotations, and for add COCO keypoint results.",
    )
    _add_row_options(parser.add_argument_group("the row"))
    _add_training_options(parser.add_argument_group("a training set"))
    _add_board_options(parser.add_argument_group("a new board; later rows keep its rules"))
    add_json(parser, "the rows in their order")


def _add_row_options(group: Any) -> None:
    add_option(
        group,
        "--name",
        metavar="NAME",
        default_text="none; only show needs none",
        help="Name of the row, or of the training set.",
    )
    add_option(group, "--by", default="", default_text="empty", metavar="NAME", help="Who adds it.")
    add_option(
        group,
        "--trained-on",
        action="append",
        metavar="NAME|unknown",
        default_text="unknown, shown as not declared",
        help="Name of a training set, give it once for each; those added by 'training' say which "
        "test images they contain.",
    )
    add_option(
        group,
        "--ms-per-image",
        type=_parse_milliseconds,
        metavar="MS",
        default_text="not declared",
        help="Milliseconds per image as you measured them, with --device.",
    )
    add_option(
        group,
        "--device",
        metavar="NAME",
        default_text="not declared",
        help="What --ms-per-image was measured on.",
    )
    add_unknown_images_option(group)
    add_switch(group, "--replace", help="Replace the row, or the training set, of that name.")


def _add_training_options(group: Any) -> None:
    for name, what in (("--images", "test images"), ("--training-images", "training images")):
        add_option(
            group,
            name,
            type=Path,
            metavar="DIR",
            default_text="none; training needs it",
            help=f"Folder of the {what}.",
        )
    add_option(
        group,
        "--workers",
        type=_parse_count,
        default=1,
        metavar="N",
        help="Number of threads that compare images.",
    )


def _add_board_options(group: Any) -> None:
    from smallpose.report.leaderboard.board import RANKED

    add_option(
        group,
        "--rank-by",
        metavar="METRIC",
        choices=RANKED,
        default_text="AP",
        help="Metric that orders the rows, such as AP or AP_S.",
    )
    add_option(
        group,
        "--protocol",
        choices=("coco", "owned"),
        default_text="coco",
        help="Protocol of that metric.",
    )
    add_option(
        group,
        "--keypoints",
        choices=("coco17", "all"),
        default_text="all",
        help="Score COCO's 17 keypoints or all keypoints of the ground truth.",
    )
    add_option(
        group,
        "--max-per-image",
        type=_parse_count,
        metavar="N",
        default_text="100",
        help="Detections of an image above which a result is refused.",
    )
    add_sigmas_option(group)


def run_command(args: argparse.Namespace) -> None:
    """Change the board, and print it."""
    from smallpose.report.leaderboard.submissions import rebuild_page, remove_row
    from smallpose.system.progress import print_status

    _check_call(args)
    if args.action == "add":
        standings = _add(args)
    elif args.action == "training":
        standings = _add_training_set(args)
    elif args.action == "remove":
        standings = remove_row(args.board, args.name)
    else:
        standings = rebuild_page(args.board)
    _print_standings(args, standings)
    print_status(f"open {args.board / 'index.html'}")


def _check_call(args: argparse.Namespace) -> None:
    """Raise InputError where arguments are missing, or where one is not for this action."""
    num_files = ACTIONS[args.action]
    if len(args.files) != num_files:
        raise InputError(
            f"smallpose leaderboard {args.action}",
            f"{format_count(len(args.files), 'file was', 'files were')} given instead of "
            f"{num_files}",
            f"run: {TRAINING_USAGE if num_files == 1 else USAGE}"
            if num_files
            else "leave them out",
        )
    if args.action != "show" and not args.name:
        raise InputError(
            f"smallpose leaderboard {args.action}",
            f"the {'training set' if args.action == 'training' else 'row'} has no name",
            "add --name NAME",
        )
    for flag, folder in (("images", args.images), ("training-images", args.training_images)):
        if (args.action == "training") != (folder is not None):
            raise InputError(
                f"smallpose leaderboard {args.action}",
                f"--{flag} " + ("is not for this action" if folder else "is missing"),
                "leave it out" if folder else f"run: {TRAINING_USAGE}",
            )
        if folder is not None and not folder.is_dir():
            raise InputError(f"--{flag} {folder}", "no such folder", "check the path")


def _add(args: argparse.Namespace) -> "list[Standing]":
    from smallpose.evaluation.doubts import is_doubt
    from smallpose.report.leaderboard.board_rules import BoardOptions
    from smallpose.report.leaderboard.submissions import Submission, add_submission
    from smallpose.system.progress import print_status

    truth, results = args.files
    submission = Submission(
        path=find_predictions_in(results),
        name=args.name,
        by=args.by,
        speed=_read_speed(args),
        trained_on=tuple(args.trained_on or ()),
        unknown_images=args.unknown_images,
    )
    options = BoardOptions(
        keypoints=args.keypoints,
        rank_by=args.rank_by,
        protocol=args.protocol,
        max_per_image=args.max_per_image,
        sigmas=args.sigmas,
    )
    standings = add_submission(args.board, truth, submission, options, args.replace)
    for note in next(one.row.notes for one in standings if one.row.name == args.name):
        if args.json == "-" or not is_doubt(note):  # doubts are below the table
            print_status(f"note: {args.name}: {note}")
    return standings


def _add_training_set(args: argparse.Namespace) -> "list[Standing]":
    from smallpose.report.leaderboard.submissions import add_training_set, rebuild_page
    from smallpose.system.progress import print_status

    made = add_training_set(
        args.board,
        args.files[0],
        args.name,
        images=args.images,
        training_images=args.training_images,
        replace_set=args.replace,
        workers=args.workers,
    )
    print_status(
        f"{made.name}: {format_count(made.num_images, 'training image')}; of the test images "
        f"{len(made.exact):,} {choose_verb(len(made.exact), 'are')} among them as equal files, "
        f"{len(made.near):,} as near-duplicates, and {len(made.not_compared):,} "
        f"{choose_verb(len(made.not_compared), 'were')} not compared"
    )
    standings = rebuild_page(args.board)
    names = [one.row.name for one in standings if made.name in (one.row.trained_on or ())]
    if names:
        print_status(
            f"add {', '.join(names)} again with --replace for the score on the images not seen"
        )
    return standings


def _read_speed(args: argparse.Namespace) -> "Speed | None":
    from smallpose.report.inputs.arguments import check_name
    from smallpose.report.leaderboard.board import Speed

    if (args.ms_per_image is None) != (args.device is None):
        raise InputError(
            "smallpose leaderboard",
            "a speed needs both --ms-per-image and --device",
            "give both, such as --ms-per-image 12.5 --device 'NVIDIA T4, batch 1'",
        )
    if args.ms_per_image is None:
        return None
    return Speed(args.ms_per_image, check_name("--device", args.device))


def _print_standings(args: argparse.Namespace, standings: "list[Standing]") -> None:
    import sys

    from smallpose.core.table import wrap_text
    from smallpose.report.leaderboard.board import read_board
    from smallpose.report.leaderboard.page import build_short_table, encode_standings
    from smallpose.report.leaderboard.standings import list_doubts
    from smallpose.system.files import write_atomically

    board = read_board(args.board)
    assert board is not None
    text = encode_standings(standings, board)
    if args.json == "-":
        sys.stdout.write(text)
        return
    if args.json and Path(args.json).resolve().parent == Path(args.board).resolve():
        raise InputError(
            f"--json {args.json}", "is in the folder of the leaderboard", "name a file elsewhere"
        )
    if args.json:
        write_atomically(args.json, text)
    print(build_short_table(standings, board).to_text())
    for note in list_doubts(standings):
        print(wrap_text(f"note: {note}"))


def _parse_milliseconds(text: str) -> float:
    """Parse a time above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text}: is no time in ms; try 12.5")
    return value


def _parse_count(text: str) -> int:
    """Parse an integer of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: is not an integer of 1 or more; try 100")
    return int(text)
