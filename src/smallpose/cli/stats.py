"""smallpose stats FILE.json… --out DIR: tables and figures that describe data sets."""

import argparse
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.catalog.keywords import make_path_parser
from smallpose.cli.claims import parse_assignments
from smallpose.cli.options import (
    DEMO_SET,
    DEMO_TRUTH,
    add_backend_option,
    add_category_option,
    add_json,
    add_option,
)
from smallpose.cli.paths import list_annotation_files
from smallpose.cli.stats_results import count_results, refuse_mixed
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from smallpose.core.instances import Instances
    from smallpose.core.table import Table
    from smallpose.stats.measure_comparison import SetComparison

PACKAGES = ("cv2", "PIL", "matplotlib")
REAL = "real"  # of --compare: the measures that come with the package
HELP = "Describe data sets side by side: sizes, densities, areas, crowding (Tables 1 and 4)."
EXAMPLE = f"""\
smallpose stats {DEMO_SET}/annotations/train.json \\
    {DEMO_TRUTH} \\
    --images {DEMO_SET}/images --out stats --compare real"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `stats`."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="COCO files, or Parquet shards of any size; train-00000-of-00004.parquet and so on "
        "are one data set. Of result files the detections are counted by size.",
    )
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="Folder for tables and figures.",
    )
    add_option(
        parser,
        "--compare",
        nargs="+",
        type=make_path_parser(REAL, "--compare"),
        default=[],
        default_text="none",
        metavar="FILE",
        help="COCO files whose people are compared with the others: views, proportions, sizes, "
        "visibility and crowding. 'real' compares each source with what was measured on real "
        "people of it.",
    )
    add_backend_option(parser)
    add_option(
        parser,
        "--images",
        type=Path,
        metavar="DIR",
        default_text="sheets are not drawn",
        help="Folder of the images, for sheets of people.",
    )
    add_option(
        parser,
        "--scenes",
        action="append",
        default=[],
        default_text="none",
        metavar="NAME=FILE",
        help="Scene probabilities of a data set, as .npy, .csv, .json or .parquet (Table 4).",
    )
    add_option(
        parser,
        "--scene-weights",
        type=Path,
        metavar="FILE.pth",
        help="Weights of a Places365 ResNet that predicts these probabilities from --images.",
    )
    add_option(
        parser,
        "--min-score",
        type=float,
        metavar="SCORE",
        default_text="all are counted",
        help="Score below which detections of result files are not counted.",
    )
    add_category_option(parser, "of the COCO files")
    add_json(parser, "all numbers")


def run_command(args: argparse.Namespace) -> None:
    """Count, write tables, figures and sheets, and print the tables."""
    from smallpose.dataset.meant_folder import refuse_folder_without
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.label_faults import describe_wrong_units
    from smallpose.report.dataset_report import build_dataset_report, write_dataset_report
    from smallpose.report.images.encode import open_image_reader
    from smallpose.stats.dataset_counts import count_dataset
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_status

    if _describe_results(args):
        return
    shards = [file for file in args.files if file.suffix == ".parquet"]
    files = list_annotation_files([f for f in args.files if f.suffix != ".parquet"])
    if args.category and not files:
        raise InputError("--category", "Parquet files have no categories", "pass COCO files")
    if args.images is not None and not files:
        raise InputError(
            f"--images {args.images}", "no sheets are drawn of Parquet files", "pass COCO files"
        )
    sets = {
        name: read_coco(file, category=args.category) for name, file in shorten_names(files).items()
    }
    for name, people in sets.items():
        for note in [*people.notes, *describe_wrong_units(people)]:
            print_status(f"{name}: {note}")
    labelled = [people.images for people in sets.values()]
    if args.images is not None:
        refuse_folder_without(args.images, [name for one in labelled for name in one.file_names])
    counts = {name: count_dataset(people) for name, people in sets.items()}
    counts |= _count_parquet(shards, args.backend, set(counts))
    read_image = None if args.images is None else open_image_reader(args.images, labelled)
    report = build_dataset_report(counts, sets, _summarize_scenes(args, sets))
    comparisons = _compare_people(args, sets)
    write_dataset_report(report, args.out, read_image)
    tables = [one.build_table() for one in comparisons]
    for table in tables:
        write_atomically(args.out / f"{table.name}.md", table.to_markdown())
        write_atomically(args.out / f"{table.name}.csv", table.to_csv())
    _print_tables(args, [*report.build_tables(), *tables])
    for one in comparisons:
        print_status(one.summarize())
    content = report.to_dict()
    for one in comparisons:
        content[one.name].setdefault("compared", {})[one.key] = one.to_dict()
    _write_json(args, content)
    print_status(f"{args.out}: tables (Markdown, CSV) and figures (PNG, SVG)")


def _describe_results(args: argparse.Namespace) -> bool:
    """Count the detections of result files; return whether the files are results."""
    from smallpose.io.result_paths import begins_with_results
    from smallpose.report.tables.files import save_table
    from smallpose.system.progress import print_status

    results = [file for file in args.files if file.is_file() and begins_with_results(file)]
    if not results:
        if args.min_score is not None:
            raise InputError("--min-score", "labels have no scores", "pass result files")
        return False
    refuse_mixed(results, args.files)
    table, content, notes = count_results(args, shorten_names(results))
    save_table(table, args.out)
    _print_tables(args, [table])
    for note in notes:
        print_status(note)
    _write_json(args, content)
    print_status(f"{args.out}: a table (Markdown, CSV, LaTeX)")
    return True


def _print_tables(args: argparse.Namespace, tables: "list[Table]") -> None:
    """Print the tables; with the JSON on stdout, people read them on stderr."""
    for table in tables:
        print(table.to_text(), file=sys.stderr if args.json == "-" else sys.stdout)


def _write_json(args: argparse.Namespace, content: dict[str, Any]) -> None:
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    text = json.dumps(content, indent=1) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
    elif args.json:
        write_atomically(args.json, text)
        print_written(args.json)


def _compare_people(
    args: argparse.Namespace, sets: "dict[str, Instances]"
) -> "list[SetComparison]":
    """Compare each data set with those of --compare, in their order."""
    if not args.compare:
        return []
    from smallpose.io.coco_annotations import read_coco
    from smallpose.stats.measure_comparison import compare_sets, compare_sources_with_real

    if not sets:
        raise InputError("--compare", "Parquet files are not compared", "pass COCO files")
    others = [file for file in args.compare if str(file) != REAL]
    compared = []
    for name, people in sets.items():
        if len(others) < len(args.compare):
            compared += compare_sources_with_real(name, people)
        for other, file in shorten_names(list_annotation_files(others)).items():
            compared.append(compare_sets(name, people, other, read_coco(file)))
    return compared


def _count_parquet(shards: list[Path], backend: str, taken: set[str]) -> dict[str, Any]:
    """Count the data sets that the shards belong to, by their names."""
    if not shards:
        return {}
    from smallpose.dataset.parquet_shards import count_shards, group_shards

    sets = group_shards(shards)
    repeated = sorted(set(sets) & taken)
    if repeated:
        raise InputError(
            str(sets[repeated[0]][0]), f"{repeated[0]} was given as JSON, too", "pass one of them"
        )
    return {name: count_shards(files, backend) for name, files in sets.items()}


def _summarize_scenes(args: argparse.Namespace, sets: "dict[str, Instances]") -> dict[str, Any]:
    """Compute Table 4's entropies by data set, from files or from a network."""
    from smallpose.stats.scene_entropy import read_probabilities, summarize_scenes

    files = parse_assignments("--scenes", args.scenes)
    unknown = [name for name in files if name not in sets]
    if unknown:
        remedy = f"use one of {', '.join(sets)}" if sets else "pass COCO files, too"
        raise InputError(f"--scenes {unknown[0]}", "no such data set", remedy)
    rows = {name: read_probabilities(file) for name, file in files.items()}
    if args.scene_weights is not None:
        rows |= _predict_scenes(args, {n: people for n, people in sets.items() if n not in rows})
    summaries = {}
    for name, probabilities in rows.items():
        images = sets[name].images
        is_per_image = len(images) == len(probabilities)
        summaries[name] = summarize_scenes(probabilities, images.groups if is_per_image else None)
    return summaries


def _predict_scenes(
    args: argparse.Namespace, sets: "dict[str, Instances]"
) -> "dict[str, np.ndarray]":
    """Predict scene probabilities and write them beside the results, to be used again."""
    import numpy as np

    from smallpose.report.images.encode import open_image_reader
    from smallpose.system.files import write_atomically

    if args.images is None:
        raise InputError("--scene-weights", "needs the images", "add --images DIR")
    from smallpose.inference.scene_classifier import predict_scenes, read_scene_net

    net = read_scene_net(args.scene_weights)
    read_image = open_image_reader(args.images, [people.images for people in sets.values()])
    probabilities = {}
    for name, people in sets.items():
        probabilities[name] = predict_scenes(net, people.images.file_names, read_image)
        buffer = io.BytesIO()
        np.save(buffer, probabilities[name])
        write_atomically(args.out / f"scenes_{name.replace('/', '_')}.npy", buffer.getvalue())
    return probabilities


def shorten_names(files: list[Path]) -> dict[str, Path]:
    """Name files by their stems, with as many folders before them as tell them apart."""
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
