"""smallpose stats FILE.json… --out DIR: what data sets are made of, as tables and figures."""

import argparse
from pathlib import Path
from typing import Any

HELP = "what data sets are made of: Table 1, sizes, densities, areas, crowding, side by side"
EXAMPLE = (
    "smallpose stats set/annotations/train.json set/annotations/test.json "
    "--images set/images --out stats"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `stats`."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="COCO files, or Parquet shards of any size: train-00000-of-00004.parquet and so on "
        "are one set",
    )
    parser.add_argument(
        "--engine",
        choices=("polars", "ray", "arrow"),
        default="",
        help="what reads Parquet: Polars on one machine (default where it is installed), Ray on "
        "many, or a plain loop",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="their pictures, for sheets of people"
    )
    parser.add_argument(
        "--scenes",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="scene probabilities of a set: .npy, .csv, .json or .parquet (Table 4)",
    )
    parser.add_argument(
        "--scene-weights",
        type=Path,
        metavar="FILE.pth",
        help="a Places365 ResNet of yours, to make those probabilities from --images",
    )
    parser.add_argument("--json", metavar="FILE", help="all numbers as JSON ('-' for stdout)")


def run_command(args: argparse.Namespace) -> None:
    """Read, count, write tables, figures and sheets, print Table 1."""
    import json
    import sys

    from smallpose.core.errors import InputError
    from smallpose.io.coco_annotations import read_coco
    from smallpose.report.dataset_report import build_dataset_report, write_dataset_report
    from smallpose.report.images.encode import open_image_reader
    from smallpose.stats.dataset_counts import count_dataset
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_status

    shards = [file for file in args.files if file.suffix == ".parquet"]
    files = [file for file in args.files if file.suffix != ".parquet"]
    if args.images is not None and not files:
        raise InputError(
            f"--images {args.images}", "no pictures are drawn of Parquet", "name COCO files"
        )
    sets = {name: read_coco(file) for name, file in short_names(files).items()}
    tallies = {name: count_dataset(people) for name, people in sets.items()}
    tallies |= _tallies(shards, args.engine, set(tallies))
    read = None if args.images is None else open_image_reader(args.images)
    picture = build_dataset_report(tallies, sets, _scenes(args, sets))
    write_dataset_report(picture, args.out, read)
    for table in picture.build_tables():
        # With the JSON on stdout, people read the tables on stderr.
        print(table.to_text(), file=sys.stderr if args.json == "-" else sys.stdout)
    if args.json:
        text = json.dumps(picture.to_dict(), indent=1) + "\n"
        sys.stdout.write(text) if args.json == "-" else write_atomically(args.json, text)
    print_status(f"{args.out}: tables (Markdown, CSV) and figures (PNG, SVG)")


def _tallies(shards: list[Path], engine: str, taken: set[str]) -> dict[str, Any]:
    """Shards of one name, counted together; sets of their own beside those of COCO files."""
    if not shards:
        return {}
    from smallpose.core.errors import InputError
    from smallpose.dataset.parquet_shards import count_shards, group_shards

    sets = group_shards(shards)
    twice = sorted(set(sets) & taken)
    if twice:
        raise InputError(str(sets[twice[0]][0]), f"{twice[0]} is there as JSON too", "name one")
    return {name: count_shards(files, engine) for name, files in sets.items()}


def _scenes(args: argparse.Namespace, sets: dict[str, Any]) -> dict[str, Any]:
    """Table 4's entropies by set, from files or from a network."""
    from smallpose.cli.claims import pairs
    from smallpose.core.errors import InputError
    from smallpose.stats.scene_entropy import read_probabilities, summarize_scenes

    files = pairs("--scenes", args.scenes)
    unknown = [name for name in files if name not in sets]
    if unknown:
        mend = f"name one of {', '.join(sets)}" if sets else "name COCO files, not Parquet alone"
        raise InputError(f"--scenes {unknown[0]}", "no such set", mend)
    rows = {name: read_probabilities(file) for name, file in files.items()}
    if args.scene_weights is not None:
        rows |= _look(args, {n: people for n, people in sets.items() if n not in rows})
    made = {}
    for name, probabilities in rows.items():
        images = sets[name].images
        alike = len(images) == len(probabilities)
        made[name] = summarize_scenes(probabilities, images.groups if alike else None)
    return made


def _look(args: argparse.Namespace, sets: dict[str, Any]) -> dict[str, Any]:
    """The network's probabilities, kept beside the results so that they need not be made again."""
    import io

    import numpy as np

    from smallpose.core.errors import InputError
    from smallpose.report.images.encode import open_image_reader
    from smallpose.system.files import write_atomically

    if args.images is None:
        raise InputError("--scene-weights", "no pictures to look at", "give --images too")
    from smallpose.inference.scene_classifier import predict_scenes, read_scene_net

    net, read = read_scene_net(args.scene_weights), open_image_reader(args.images)
    out = {}
    for name, people in sets.items():
        out[name] = predict_scenes(net, people.images.file_names, read)
        held = io.BytesIO()
        np.save(held, out[name])
        write_atomically(args.out / f"scenes_{name.replace('/', '_')}.npy", held.getvalue())
    return out


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
