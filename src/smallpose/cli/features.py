"""smallpose features RUN RUN … --data TRUTH.json --images DIR --out FILE.png: Figure 6."""

import argparse
from pathlib import Path

from smallpose.cli.options import parse_non_negative
from smallpose.core.errors import InputError

HELP = "heatmaps and features of the same small people, method beside method (Fig. 6)"
EXAMPLE = (
    "smallpose features runs/hrnet runs/vitpose --data set/annotations/test.json "
    "--images set/images --out fig6.png"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `features`."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run folders or weights; METHOD=FILE where they do not say whose they are",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="TRUTH.json")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="or .svg, .pdf")
    parser.add_argument("--people", type=int, default=5, help="how many rows (5)")
    parser.add_argument("--size", choices=("small", "medium", "large"), default="small")
    parser.add_argument("--seed", type=parse_non_negative, default=0, help="of the choice of people")


def run_command(args: argparse.Namespace) -> None:
    """Choose people, look, draw."""
    import io

    import numpy as np

    from smallpose.core.sizes import SIZES, classify_sizes
    from smallpose.dataloading.images import ImageFolder, open_set_images
    from smallpose.dataloading.top_down.batches import select_trainable
    from smallpose.inference.feature_maps.top_down import compute_feature_maps
    from smallpose.io.coco_annotations import read_coco
    from smallpose.methods import create_method
    from smallpose.methods.checkpoints.read import read_weights
    from smallpose.report.figures.feature_maps import seen_by
    from smallpose.system.files import write_atomically

    ending = args.out.suffix.removeprefix(".") or "png"
    if ending not in ("png", "svg", "pdf"):
        raise InputError(f"--out {args.out}", "no such kind of picture", "end it in .png or .svg")
    if args.people < 1:
        raise InputError(f"--people {args.people}", "nobody to look at", "give 1 or more")
    people = read_coco(args.data)
    inside_set = args.images.name == "images" and (args.images.parent / "manifest.json").is_file()
    pictures = open_set_images(args.images.parent) if inside_set else ImageFolder(args.images)
    rows = select_trainable(people)
    area = people.boxes_xywh[rows, 2] * people.boxes_xywh[rows, 3]
    rows = rows[classify_sizes(area) == SIZES.index(args.size)]
    if not len(rows):
        raise InputError(str(args.data), f"no {args.size} people with a label", "try another size")
    chance = np.random.default_rng(args.seed)
    chosen = np.sort(chance.choice(rows, min(args.people, len(rows)), replace=False))
    heatmaps: dict[str, list[np.ndarray]] = {}
    features: dict[str, list[np.ndarray]] = {}
    crops: list[np.ndarray] = []
    for text in args.runs:
        name, path = _method_and_file(text)
        name = name or str(read_weights(Path(path)).about.get("method") or "")
        if not name:
            raise InputError(path, "does not say whose weights it holds", f"name METHOD={path}")
        method = create_method(name, weights=Path(path))
        title = name if name not in heatmaps else f"{name} ({path})"
        if title in heatmaps:
            raise InputError(text, "stands there twice", "name each once")
        seen = [
            compute_feature_maps(
                method,
                pictures.read(people.images.file_names[people.image_rows[row]]),
                people.boxes_xywh[row : row + 1],
            )
            for row in chosen.tolist()
        ]
        crops = crops or [s.crops[0] for s in seen]
        heatmaps[title] = [s.heatmaps[0] for s in seen]
        features[title] = [s.features[0] for s in seen]
    figure = seen_by(crops, heatmaps, features, people.boxes_xywh[chosen, 3].tolist())
    held = io.BytesIO()
    figure.savefig(held, format=ending)
    write_atomically(args.out, held.getvalue())
    print(f"{len(chosen)} {args.size} people, {len(heatmaps)} methods: {args.out}")


def _method_and_file(text: str) -> tuple[str, str]:
    """METHOD=FILE, or a file alone, whose name may hold a = too."""
    from smallpose.methods import METHODS

    name, _, path = text.partition("=")
    return (name, path) if name in METHODS and path else ("", text)
