"""smallpose split LABELS.json --images DIR --out SET: labels of your own, to train and to test."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.cli.options import (
    DEMO_SET,
    DEMO_TRUTH,
    add_option,
    add_seed,
    add_switch,
    parse_non_negative,
)

if TYPE_CHECKING:
    from smallpose.dataset.write_split import WrittenSplit

HELP = (
    "Split a COCO file with any joints into a training and a test part, as a set that 'train' "
    "takes, with all records and ids as they are, and no neighbouring frames in both parts."
)
EXAMPLE = f"""\
smallpose split {DEMO_TRUTH} \\
    --images {DEMO_SET}/images --out own"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `split`."""
    parser.add_argument("labels", type=Path, metavar="LABELS.json", help="COCO file of all labels.")
    add_option(
        parser,
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="Folder that the file names of the labels start from.",
    )
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="SET",
        help="Folder to create, with annotations/train.json, annotations/test.json and images/.",
    )
    add_option(
        parser,
        "--test",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="Share of the images that are for tests.",
    )
    add_option(
        parser,
        "--by",
        choices=("auto", "video", "time", "image"),
        default="auto",
        help="Keep whole videos in one part (video), cut each in time (time), or assign images "
        "one by one (image); auto keeps videos whole where there are enough of them.",
    )
    add_option(
        parser,
        "--gap",
        type=parse_non_negative,
        metavar="N",
        default_text="5 % of the images of the video, at least 1",
        help="Leave out N images where a video is cut in time.",
    )
    add_switch(parser, "--copy", help="Copy the images instead of linking to them.")
    add_seed(parser, "the split")


def run_command(args: argparse.Namespace) -> None:
    """Write the set and say what is in its parts."""
    from smallpose.core.table import wrap_text
    from smallpose.dataset.label_split import SplitRules
    from smallpose.dataset.write_split import write_split

    rules = SplitRules(test_share=args.test, unit=args.by, gap=args.gap, seed=args.seed)
    written = write_split(args.labels, args.images, args.out, rules, copies=args.copy)
    first, *others = written.to_lines()
    print(wrap_text(f"{args.out}: {first}"))
    for line in [*others, *_describe_test_part(written, args.test)]:
        print(wrap_text(f"  {line}"))


def _describe_test_part(written: "WrittenSplit", share: float) -> list[str]:
    """Say what the test part is too small for, and how to get a larger one."""
    from smallpose.evaluation.analysis.sample_size import (
        describe_remedy,
        describe_shortage,
        measure_sample,
    )

    test, everyone = measure_sample(written.test_people), measure_sample(written.people)
    shortage = describe_shortage(test)
    return [f"note: {shortage}; {describe_remedy(test, everyone, share)}"] if shortage else []
