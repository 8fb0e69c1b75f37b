"""smallpose features RUN… --data TRUTH.json --images DIR --out FILE.png: Figure 6 of the paper."""

import argparse
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.catalog.early_checks import refuse_other_weights
from smallpose.catalog.methods import is_listed_method
from smallpose.cli.options import DEMO_SET, DEMO_TRUTH, add_option, add_seed
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from smallpose.core.instances import Instances
    from smallpose.methods import PoseMethod

PACKAGES = ("torch", "safetensors", "cv2", "PIL", "matplotlib")
HELP = "Draw heatmaps and features of the same small people for several methods (Fig. 6)."
EXAMPLE = f"""\
smallpose features runs/demo/untrained runs/demo/B \\
    --data {DEMO_TRUTH} \\
    --images {DEMO_SET}/images --out fig6.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `features`."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="Run folders or checkpoints; METHOD=FILE where a file does not name its method.",
    )
    add_option(
        parser,
        "--data",
        type=Path,
        required=True,
        metavar="TRUTH.json",
        help="COCO keypoint annotations of the people.",
    )
    add_option(
        parser, "--images", type=Path, required=True, metavar="DIR", help="Folder of their images."
    )
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="FILE.png",
        help="Figure to write, as .png, .svg or .pdf.",
    )
    add_option(
        parser, "--people", type=int, default=5, metavar="N", help="Number of people to draw."
    )
    add_option(
        parser,
        "--size",
        choices=("small", "medium", "large"),
        default="small",
        help="Size class of the people.",
    )
    add_seed(parser, "the choice of people")


def run_command(args: argparse.Namespace) -> None:
    """Choose people, compute their maps with every method and draw them side by side."""
    suffix = _check_arguments(args)
    from smallpose.dataloading.images import ImageReader, open_set_images
    from smallpose.inference.feature_maps.top_down import UnknownFormError, compute_feature_maps
    from smallpose.io.coco_annotations import read_coco
    from smallpose.report.figures.feature_maps import draw_feature_maps
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_status

    people = read_coco(args.data)
    in_built_set = args.images.name == "images" and (args.images.parent / "manifest.json").is_file()
    images = open_set_images(args.images.parent) if in_built_set else ImageReader(args.images)
    rows = _choose_people(people, args)
    _refuse_missing_images(people, rows, args.images)
    heatmaps: dict[str, list[np.ndarray]] = {}
    features: dict[str, list[np.ndarray]] = {}
    crops: list[np.ndarray] = []
    undrawn: list[UnknownFormError] = []
    for text in args.runs:
        method, path = _load_method(text)
        title = method.name if method.name not in heatmaps else f"{method.name} ({path})"
        if title in heatmaps:
            raise InputError(text, "was given twice", "pass each run once")
        try:
            maps = [
                compute_feature_maps(
                    method,
                    images.read(people.images.file_names[people.image_rows[row]]),
                    people.boxes_xywh[row : row + 1],
                )
                for row in rows.tolist()
            ]
        except UnknownFormError as error:  # the others can be drawn
            undrawn.append(error)
            continue
        crops = crops or [m.crops[0] for m in maps]
        heatmaps[title] = [m.heatmaps[0] for m in maps]
        features[title] = [m.features[0] for m in maps]
    if not heatmaps:
        raise undrawn[0]
    for one in undrawn:
        print_status(f"{one.where}: {one.what}; left out")
    figure = draw_feature_maps(crops, heatmaps, features, people.boxes_xywh[rows, 3].tolist())
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix)
    write_atomically(args.out, buffer.getvalue())
    print(
        f"{format_count(len(rows), f'{args.size} person', f'{args.size} people')}, "
        f"{format_count(len(heatmaps), 'method')}: {args.out}"
    )


def _check_arguments(args: argparse.Namespace) -> str:
    """Refuse files that are not there before PyTorch is loaded; return the format of the figure."""
    suffix = str(args.out.suffix.removeprefix(".") or "png")
    if suffix not in ("png", "svg", "pdf"):
        raise InputError(f"--out {args.out}", "is not a known format", "end it in .png or .svg")
    if args.people < 1:
        raise InputError(f"--people {args.people}", "leaves nothing to draw", "give 1 or more")
    if not args.images.is_dir():
        raise InputError(f"--images {args.images}", "no such folder", "check the path")
    for text in args.runs:
        name, path = _split_method_and_file(text)
        if not Path(path).exists():
            raise InputError(path, "no such file", "name a run, or METHOD=FILE")
        if name:
            refuse_other_weights(name, path)
    return suffix


def _choose_people(people: "Instances", args: argparse.Namespace) -> "np.ndarray":
    """Draw the rows of `--people` people of the size class that have a labelled keypoint."""
    import numpy as np

    from smallpose.core.sizes import SIZES, classify_sizes
    from smallpose.dataloading.top_down.batches import select_trainable

    rows = select_trainable(people)
    area = people.boxes_xywh[rows, 2] * people.boxes_xywh[rows, 3]
    rows = rows[classify_sizes(area) == SIZES.index(args.size)]
    if not len(rows):
        raise InputError(
            str(args.data), f"has no {args.size} people with keypoints", "try another --size"
        )
    rng = np.random.default_rng(args.seed)
    return np.sort(rng.choice(rows, min(args.people, len(rows)), replace=False))


def _refuse_missing_images(people: "Instances", rows: "np.ndarray", folder: Path) -> None:
    """Raise InputError, before methods are loaded, where the image of a person is missing."""
    from smallpose.dataset.meant_folder import suggest_image_folder

    names = [people.images.file_names[row] for row in dict.fromkeys(people.image_rows[rows])]
    missing = [name for name in names if not os.path.isfile(f"{folder}/{name}")]  # noqa: PTH113
    if missing:
        raise InputError(
            f"--images {folder}",
            f"lacks {len(missing):,} of {format_count(len(names), 'image')} of these people "
            f"(first: {missing[0]})",
            suggest_image_folder(folder, names, "name the folder that each file_name starts from"),
        )


def _load_method(text: str) -> "tuple[PoseMethod, str]":
    from smallpose.catalog.run_method import name_run_method
    from smallpose.methods import create_method
    from smallpose.methods.checkpoints.read import read_weights

    name, path = _split_method_and_file(text)
    if not name:
        metadata = read_weights(Path(path)).metadata
        name = name_run_method(Path(path), metadata, "write {code}={weights}")
    if not name:
        raise InputError(path, "does not name the method of its weights", f"use METHOD={path}")
    return create_method(name, weights=Path(path)), path


def _split_method_and_file(text: str) -> tuple[str, str]:
    """Split METHOD=FILE; a file alone, whose name may contain =, has the method ''."""
    name, _, path = text.partition("=")
    return (name, path) if is_listed_method(name) and path else ("", text)
