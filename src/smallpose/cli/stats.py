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
    from smallpose.core.progress import say, track
    from smallpose.report import figures, sheets
    from smallpose.report.data import portrait
    from smallpose.report.pictures import picture_file, pictures_at
    from smallpose.report.terminal import show
    from smallpose.table.coco_json import read_coco

    names = _names(args.files)
    sets = {name: read_coco(file) for name, file in names.items()}
    picture = portrait(sets)
    for table in picture.tables():
        write_whole(args.out / f"{table.name}.md", table.to_markdown())
        write_whole(args.out / f"{table.name}.csv", table.to_csv())
        # With the JSON on stdout, people read the tables on stderr.
        show(table, sys.stderr if args.json == "-" else sys.stdout)
    for drawing in track(picture.drawings(), "figures"):
        figures.save(drawing.draw(), args.out, drawing.name)
    if args.images is not None:
        read = pictures_at(args.images)
        made = {f"fig1b_samples_{n}": sheets.sample_sheet(p, read) for n, p in sets.items()}
        made["sources"] = sheets.source_sheet([*reversed(sets.values())], read)
        for name, sheet in made.items():
            if any(row.tiles for row in sheet.rows):
                file = args.out / f"{name.replace('/', '_')}.png"
                write_whole(file, picture_file(sheets.paint(sheet), "png"))
    if args.json:
        text = json.dumps(picture.to_dict(), indent=1) + "\n"
        sys.stdout.write(text) if args.json == "-" else write_whole(args.json, text)
    say(f"{args.out}: tables (Markdown, CSV) and figures (PNG, SVG)")


def _names(files: list[Path]) -> dict[str, Path]:
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
