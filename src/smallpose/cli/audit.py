"""smallpose audit SET|FILE.json: suspect labels of a file or set, and leaks between its splits."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.cli.audit_file import (
    FILE_ONLY,
    add_file_arguments,
    check_file_options,
    merge_into_file,
    run_file_audit,
)
from smallpose.cli.options import DEMO_TRUTH, add_json, add_option, add_switch
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.dataset.built_set import BuiltSet
    from smallpose.dataset.label_audit.ranking import SuspectLabel
    from smallpose.report.images.contact_sheet import Tile

HELP = (
    "Find labels that look wrong in any COCO keypoint file or built set and send them to a "
    "labelling tool; in a set, find near-duplicates between train and test, too."
)
EXAMPLE = f"smallpose audit {DEMO_TRUTH} --to coco --out suspects"
MAX_TILES = 48  # on a contact sheet
TILES_PER_ROW = 8
BOX_COLOUR = (230, 60, 230)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audit`."""
    parser.add_argument(
        "path",
        type=Path,
        metavar="SET|FILE.json",
        help="COCO keypoint annotations, or a folder that 'smallpose build' made, or one with "
        "annotations/train.json.",
    )
    add_json(parser, "all findings")
    add_option(
        parser,
        "--max-rows",
        type=int,
        default=20,
        metavar="N",
        help="Maximum rows of each printed table.",
    )
    add_file_arguments(parser.add_argument_group("of a file"))
    of_set = parser.add_argument_group("of a built set")
    add_option(
        of_set,
        "--sheet",
        type=Path,
        metavar="DIR",
        default_text="not drawn",
        help="Draw the most suspicious people and the near-duplicates into this folder.",
    )
    add_switch(
        of_set, "--labels-only", help="Check labels alone, without looking for near-duplicates."
    )
    add_option(
        of_set,
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="Number of threads that read images.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Audit a file or a set and print Markdown; the audited files are never changed."""
    if not args.path.is_dir():
        _refuse_set_options(args)
        check_file_options(args)
        if args.corrected is not None:
            merge_into_file(args)
        else:
            run_file_audit(args)
        return
    given = [name for name in FILE_ONLY if getattr(args, name) not in (None, ())]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        remedy = f"give one of its files, such as {args.path / 'annotations' / 'test.json'}"
        raise InputError(f"{option} with {args.path}", "is for a file of annotations", remedy)
    _audit_set(args)


def _refuse_set_options(args: argparse.Namespace) -> None:
    for name in ("sheet", "labels_only"):
        if getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{option} with {args.path}", "is for a built set", f"leave out {option}"
            )


def _audit_set(args: argparse.Namespace) -> None:
    """Audit both parts of a built set, and the images that they share."""
    import msgspec

    from smallpose.core.concat_instances import concat_instances
    from smallpose.dataset.built_set import open_set
    from smallpose.dataset.label_audit.ranking import describe_suspects, rank_suspect_labels
    from smallpose.dataset.label_audit.source_bias import compute_source_bias
    from smallpose.system.files import write_atomically
    from smallpose.system.packages import require_packages
    from smallpose.system.progress import print_written

    require_packages("smallpose audit", "cv2", "PIL", "matplotlib")
    from smallpose.dataset.duplicates.leaks import encode_leaks, find_leaks, format_leaks
    from smallpose.report.images.leak_sheet import draw_image_pairs, open_set_reader

    built = open_set(args.path)
    suspects = {split: rank_suspect_labels(people) for split, people in built.parts.items()}
    rows = {
        split: describe_suspects(built.parts[split], labels) for split, labels in suspects.items()
    }
    parts = list(built.parts.values())
    bias = msgspec.to_builtins(compute_source_bias(concat_instances(parts, parts[0].skeleton)))
    leaks = None if args.labels_only else find_leaks(built, max(args.workers, 1))
    if args.json:
        findings = {"leaks": leaks and encode_leaks(leaks), "labels": rows, "sources": bias}
        text = msgspec.json.format(msgspec.json.encode(findings)).decode() + "\n"
        if args.json == "-":
            sys.stdout.write(text)
        else:
            write_atomically(args.json, text)
    if args.json != "-":
        print(f"# Audit of {args.path}\n")
        if leaks is not None:
            print(f"## Near-duplicates\n\n{format_leaks(leaks, args.max_rows)}")
        print(_format_labels(rows, args.max_rows))
        print(_format_bias(bias))
    if args.sheet is not None:
        for split, labels in suspects.items():
            _draw_suspects(built, split, labels, args.sheet / f"suspects-{split}.png")
        if leaks is not None:
            pairs = encode_leaks(leaks)["pairs"]
            draw_image_pairs(pairs, open_set_reader(built), args.sheet / "near-duplicates.png")
    print_written(args.json, args.sheet)


def _format_labels(rows: dict[str, list[dict[str, Any]]], max_rows: int) -> str:
    from smallpose.core.table import build_text_table
    from smallpose.dataset.label_audit.ranking import REASONS

    parts = ["## Suspicious labels"]
    for split, people in rows.items():
        parts.append(
            f"{split}: {format_count(len(people), 'person', 'people')}, dense small ones first."
        )
        cells = [
            (
                str(p["id"]),
                p["file_name"],
                p["density"] or p["size"],
                REASONS[p["reason"]],
                ", ".join(p["joints"][:4]),
                f"{p['score']:.1f}",
            )
            for p in people[:max_rows]
        ]
        if cells:
            table = build_text_table(("id", "image", "class", "reason", "joints", "score"), cells)
            parts.append(table.to_text())
    return "\n\n".join(parts) + "\n"


def _format_bias(bias: list[dict[str, Any]]) -> str:
    from smallpose.core.table import build_text_table, wrap_text

    title = "## Where sources place the same joint"
    if not bias:
        return f"{title}\n\nNo two sources have enough people.\n"
    intro = (
        "In torsos (middle of the shoulders to middle of the hips), first source minus second. "
        "Sources show different people, so a difference need not come from the labelling."
    )
    rows = [
        (
            o["joint"],
            f"{o['first']} – {o['second']}",
            f"{o['up']:+.3f} ± {o['error_up']:.3f}",
            f"{o['left']:+.3f} ± {o['error_left']:.3f}",
        )
        for o in bias
    ]
    table = build_text_table(("joint", "sources", "up", "left or outward"), rows)
    return wrap_text(f"{title}\n\n{intro}\n\n{table.to_text()}") + "\n"


def _draw_suspects(
    built: "BuiltSet", split: str, suspects: "list[SuspectLabel]", target: Path
) -> None:
    """Draw a contact sheet of the first suspects whose images exist."""
    from smallpose.report.images.contact_sheet import ContactSheet, TileRow
    from smallpose.report.images.encode import encode_image
    from smallpose.report.images.sheet_drawing import draw_sheet
    from smallpose.system.files import write_atomically

    tiles = [
        tile
        for suspect in suspects[:MAX_TILES]
        if (tile := _draw_suspect(built, split, suspect)) is not None
    ]
    rows = []
    for start in range(0, len(tiles), TILES_PER_ROW):
        part = tuple(tiles[start : start + TILES_PER_ROW])
        rows.append(TileRow(f"{start + 1} to {start + len(part)}", "", part))
    if not rows:
        return
    note = (
        "Dense small people first, then by score; correct labels hardly ever exceed 1. "
        "The thin frame is the labelled box."
    )
    sheet = ContactSheet("suspects", f"Suspicious labels, {split}", note, ("label",), tuple(rows))
    write_atomically(target, encode_image(draw_sheet(sheet), "png"))


def _draw_suspect(built: "BuiltSet", split: str, suspect: "SuspectLabel") -> "Tile | None":
    import cv2

    from smallpose.core.boxes import box_around_keypoints, enclose_boxes, to_xyxy
    from smallpose.dataloading.images import read_image
    from smallpose.dataset.label_audit.ranking import REASONS
    from smallpose.report.images.contact_sheet import TILE_WH, Tile
    from smallpose.report.images.pose_drawing import draw_person_tile

    people = built.parts[split]
    path = built.find_image(people.images.file_names[people.image_rows[suspect.row]])
    if path is None:
        return None
    keypoints = people.keypoints[suspect.row]
    box = people.boxes_xywh[[suspect.row]]
    # Shows all labelled keypoints, also those far outside the box.
    region = enclose_boxes(box, box_around_keypoints(keypoints[None]))[0]
    image = read_image(path).copy()
    left, top, right, bottom = to_xyxy(box)[0].round().astype(int)
    thickness = 1 + round(float(region[2:].max()) / max(TILE_WH))
    cv2.rectangle(image, (left, top), (right, bottom), BOX_COLOUR, thickness)
    panel = draw_person_tile(image, region, TILE_WH, people.skeleton, keypoints)
    name = f"id {people.ids[suspect.row]}"
    caption = (name, suspect.reason, f"{suspect.score:.1f}")
    return Tile(panel, caption, f"{name}: {REASONS[suspect.reason]}")
