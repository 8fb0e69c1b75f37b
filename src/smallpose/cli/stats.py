"""smallpose stats FILE.json… --out DIR: what data sets are made of, as tables and figures."""

import argparse
from pathlib import Path

HELP = "what data sets are made of: Table 1, sizes, densities, areas, crowding, side by side"
EXAMPLE = (
    "smallpose stats set/annotations/train.json set/annotations/test.json "
    "--images set/images --out stats"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `stats`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json", help="COCO files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="their pictures, for sheets of people"
    )
    parser.add_argument("--json", metavar="FILE", help="all numbers as JSON ('-' for stdout)")


def run(args: argparse.Namespace) -> None:
    """Read, count, write tables, figures and sheets, print Table 1."""
    import json
    import sys

    from smallpose.core.files import write_whole
    from smallpose.core.progress import say
    from smallpose.report.data import portrait, write_portrait
    from smallpose.report.pictures import pictures_at
    from smallpose.report.terminal import show
    from smallpose.table.coco_json import read_coco

    sets = {name: read_coco(file) for name, file in short_names(args.files).items()}
    read = None if args.images is None else pictures_at(args.images)
    picture = portrait(sets)
    write_portrait(picture, args.out, read)
    for table in picture.tables():
        # With the JSON on stdout, people read the tables on stderr.
        show(table, sys.stderr if args.json == "-" else sys.stdout)
    if args.json:
        text = json.dumps(picture.to_dict(), indent=1) + "\n"
        sys.stdout.write(text) if args.json == "-" else write_whole(args.json, text)
    say(f"{args.out}: tables (Markdown, CSV) and figures (PNG, SVG)")


def short_names(files: list[Path]) -> dict[str, Path]:
    """Short names that tell the files apart: the stem, with its folders as far as needed."""
    files = list(dict.fromkeys(files))
    stems = [f.name.removesuffix(".gz").removesuffix(".json") for f in files]
    for depth in range(1, 8):
        names = [
            "/".join([*f.resolve().parts[:-1][len(f.resolve().parts) - depth :], stem])
            for f, stem in zip(files, stems, strict=True)
        ]
        if len(set(names)) == len(names):
            return dict(zip(names, files, strict=True))
    return {str(f): f for f in files}
