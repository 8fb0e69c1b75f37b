"""smallpose claims [RUN…]: check the paper's claims on its own numbers and on ours."""

import argparse
from pathlib import Path

from smallpose.cli.options import add_json, add_option

HELP = "Check the paper's claims on its own tables, on your runs and on data sets."
EXAMPLE = "smallpose claims runs/demo/A runs/demo/B"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `claims`."""
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="Folders that 'smallpose train' made."
    )
    add_option(
        parser,
        "--set",
        action="append",
        default=[],
        default_text="that of the runs, as smallpose",
        metavar="NAME=FILE",
        help="COCO file of a data set: smallpose, coco or crowdpose.",
    )
    add_option(
        parser,
        "--scenes",
        action="append",
        default=[],
        default_text="none",
        metavar="NAME=FILE",
        help="Scene probabilities of such a data set, as .npy, .csv, .json or .parquet.",
    )
    add_option(
        parser,
        "--out",
        type=Path,
        metavar="DIR",
        default_text="not written",
        help="Write the table as Markdown and CSV into this folder.",
    )
    add_option(
        parser,
        "--explain",
        choices=("density", "limit", "bias", "all"),
        default_text="none",
        help="Show by simulation, without runs, why density columns follow class frequency, what "
        "the limit of 20 detections costs, or how far AP of few images is off; with --out the "
        "figures, too.",
    )
    add_json(parser, "all comparisons")


def run_command(args: argparse.Namespace) -> None:
    """Check the claims and print them as a table or as JSON."""
    if args.explain:
        _explain(args)
        return
    import shutil
    import sys

    from smallpose.core.table import TERMINAL_WIDTH
    from smallpose.report.claims.check import check_claims
    from smallpose.report.claims.inputs import read_datasets, read_our_runs
    from smallpose.report.inputs.run_labels import describe_own_sets
    from smallpose.report.inputs.runs import read_runs
    from smallpose.report.tables.files import save_table
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    ours = read_our_runs(args.runs)
    notes = filter(None, (describe_own_sets(read_runs(args.runs)), ours.left_out))
    sets = parse_assignments("--set", args.set)
    scenes = parse_assignments("--scenes", args.scenes)
    datasets = read_datasets(sets, scenes, ours.people)
    claims = check_claims(runs=ours.results, datasets=datasets, notes=list(notes))
    if args.out:
        save_table(claims.to_table(), args.out)
    text = claims.to_json()
    if args.json == "-":
        sys.stdout.write(text)
        return
    if args.json:
        write_atomically(args.json, text)
    print_written(args.out, args.json)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else TERMINAL_WIDTH
    print(claims.to_table().to_long_text(width))


def _explain(args: argparse.Namespace) -> None:
    """Simulate, and print the table and the finding of each question."""
    import json
    import sys

    from smallpose.core.errors import InputError
    from smallpose.report.explanations import EXPLANATIONS, save_explanation
    from smallpose.system.files import write_atomically

    if args.runs or args.set or args.scenes:
        raise InputError(
            f"--explain {args.explain}",
            "simulates, and takes no runs and data sets",
            "leave them out",
        )
    names = list(EXPLANATIONS) if args.explain == "all" else [args.explain]
    explanations = {name: EXPLANATIONS[name](0) for name in names}
    content = {
        name: {
            "finding": one.finding,
            "columns": one.table.heads,
            "rows": [list(row) for row in one.table.rows],
        }
        for name, one in explanations.items()
    }
    text = json.dumps(content, indent=1) + "\n"
    for one in explanations.values() if args.out else ():
        save_explanation(one, args.out)
    if args.json == "-":
        sys.stdout.write(text)
        return
    if args.json:
        write_atomically(args.json, text)
    print("\n\n".join(f"{one.table.to_text()}\n{one.finding}" for one in explanations.values()))


def parse_assignments(flag: str, words: list[str]) -> dict[str, Path]:
    """Parse several values of an option of the form NAME=FILE.

    Raises: InputError for any other form, or for a name that is given twice.
    """
    from smallpose.core.errors import InputError

    files: dict[str, Path] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not (name and equals and file):
            raise InputError(
                f"{flag} {word}", "not of the form NAME=FILE", f"write {flag} coco=file.json"
            )
        if name in files:
            raise InputError(f"{flag} {word}", f"{name} was given twice", "pass each name once")
        files[name] = Path(file)
    return files
