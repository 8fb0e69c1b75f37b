"""smallpose audit SET: leaks between train and test, suspicious labels, sources' habits."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smallpose.dataset.built_set import BuiltSet
    from smallpose.dataset.label_audit.ranking import SuspectLabel

HELP = "near-duplicates between train and test, suspicious labels, and how sources differ"
EXAMPLE = "smallpose audit set --json audit.json --sheet audit"
TILES = 48  # on a contact sheet
IN_A_ROW = 8
BOX_COLOUR = (230, 60, 230)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `audit`."""
    parser.add_argument("set", type=Path, metavar="SET", help="a set that build made")
    parser.add_argument(
        "--json", metavar="FILE", help="everything found, for machines; - is stdout"
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="DIR",
        help="draw the most suspicious people and the near-duplicates there",
    )
    parser.add_argument(
        "--labels-only", action="store_true", help="do not look at pictures for near-duplicates"
    )
    parser.add_argument("--most", type=int, default=20, help="rows of each printed table (20)")
    parser.add_argument("--workers", type=int, default=2, help="threads that look at pictures (2)")


def run_command(args: argparse.Namespace) -> None:
    """Look, then print Markdown; nothing in the set is changed."""
    import msgspec

    from smallpose.core.instances import concat_instances
    from smallpose.dataset.built_set import open_set
    from smallpose.dataset.duplicates.leaks import encode_leaks, find_leaks, format_leaks
    from smallpose.dataset.label_audit.ranking import describe_suspects, rank_suspect_labels
    from smallpose.dataset.label_audit.source_bias import compute_source_bias
    from smallpose.system.files import write_atomically

    built = open_set(args.set)
    suspects = {split: rank_suspect_labels(people) for split, people in built.parts.items()}
    rows = {
        split: describe_suspects(built.parts[split], found) for split, found in suspects.items()
    }
    parts = list(built.parts.values())
    bias = compute_source_bias(concat_instances(parts, parts[0].skeleton))
    leaks = None if args.labels_only else find_leaks(built, max(args.workers, 1))
    if args.json:
        machine: dict[str, Any] = {
            "leaks": None if leaks is None else encode_leaks(leaks),
            "labels": rows,
            "sources": [msgspec.to_builtins(offset) for offset in bias],
        }
        text = msgspec.json.format(msgspec.json.encode(machine)).decode() + "\n"
        if args.json == "-":
            print(text, end="")
        else:
            write_atomically(args.json, text)
    if args.json != "-":
        print(f"# Audit of {args.set}\n")
        if leaks is not None:
            print(f"## Near-duplicates\n\n{format_leaks(leaks, args.most)}")
        print(_labels_markdown(rows, args.most))
        print(_bias_markdown(msgspec.to_builtins(bias)))
    if args.sheet is not None:
        for split, found in suspects.items():
            _draw(built, split, found, args.sheet / f"suspects-{split}.png")
        if leaks is not None:
            from smallpose.report.images.leak_sheet import draw_image_pairs, open_set_reader

            pairs = encode_leaks(leaks)["pairs"]
            draw_image_pairs(pairs, open_set_reader(built), args.sheet / "near-duplicates.png")


def _table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "| --- " * columns + "|", *rows])


def _labels_markdown(rows: dict[str, list[dict[str, Any]]], most: int) -> str:
    from smallpose.dataset.label_audit.ranking import REASONS

    parts = ["## Labels worth a second look"]
    for split, people in rows.items():
        parts.append(f"{split}: {len(people):,} people, dense small ones first.")
        lines = [
            f"| {p['id']} | {p['file_name']} | {p['density'] or p['size']} | "
            f"{REASONS[p['reason']]} | {p['score']:.1f} |"
            for p in people[:most]
        ]
        if lines:
            parts.append(_table("| id | picture | class | why | score |", lines))
    return "\n\n".join(parts) + "\n"


def _bias_markdown(bias: list[dict[str, Any]]) -> str:
    intro = (
        "## Where sources put the same joint\n\nIn torsos (middle of the shoulders to middle of "
        "the hips), first minus second. Sources show different people,"
        " so not all of it is habit."
    )
    lines = [
        f"| {o['joint']} | {o['first']} – {o['second']} | {o['up']:+.3f} ± {o['error_up']:.3f} | "
        f"{o['left']:+.3f} ± {o['error_left']:.3f} |"
        for o in bias
    ]
    if not lines:
        return "## Where sources put the same joint\n\nNo two sources have people enough.\n"
    return f"{intro}\n\n{_table('| joint | sources | up | left or outward |', lines)}\n"


def _draw(built: "BuiltSet", split: str, suspects: "list[SuspectLabel]", target: Path) -> None:
    """A contact sheet of the first suspects whose pictures are there."""
    import cv2

    from smallpose.core.boxes import box_around_keypoints, enclose_boxes, to_xyxy
    from smallpose.dataloading.images import read_image
    from smallpose.dataset.label_audit.ranking import REASONS
    from smallpose.report.images.contact_sheet import (
        TILE_WH,
        ContactSheet,
        Tile,
        TileRow,
        draw_sheet,
    )
    from smallpose.report.images.encode import encode_image
    from smallpose.report.images.pose_drawing import draw_person_tile
    from smallpose.system.files import write_atomically

    people = built.parts[split]
    tiles = []
    for suspect in suspects[:TILES]:
        path = built.find_image(people.images.file_names[people.image_rows[suspect.row]])
        if path is None:
            continue
        keypoints = people.keypoints[suspect.row]
        # Shows all of what was labelled, also where it lies far outside the box.
        shown = enclose_boxes(
            people.boxes_xywh[[suspect.row]], box_around_keypoints(keypoints[None])
        )[0]
        picture = read_image(path).copy()
        left, top, right, bottom = to_xyxy(people.boxes_xywh[[suspect.row]])[0].round().astype(int)
        thick = 1 + round(float(shown[2:].max()) / max(TILE_WH))
        cv2.rectangle(picture, (left, top), (right, bottom), BOX_COLOUR, thick)
        drawn = draw_person_tile(picture, shown, TILE_WH, people.skeleton, keypoints)
        name = f"id {people.ids[suspect.row]}"
        caption = (name, suspect.reason, f"{suspect.score:.1f}")
        tiles.append(Tile(drawn, caption, f"{name}: {REASONS[suspect.reason]}"))
    rows = [
        TileRow(f"{start + 1} to {start + len(part)}", "", tuple(part))
        for start in range(0, len(tiles), IN_A_ROW)
        for part in [tiles[start : start + IN_A_ROW]]
    ]
    if rows:
        note = (
            "Dense small people first, then by score; 1 is hardly ever seen in sound labels. "
            "The thin frame is the labelled box."
        )
        sheet = ContactSheet(
            "suspects", f"Suspicious labels, {split}", note, ("label",), tuple(rows)
        )
        write_atomically(target, encode_image(draw_sheet(sheet), "png"))
