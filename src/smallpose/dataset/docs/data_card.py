"""The data card and Table 1 of a built set: every number comes from the manifest."""

from typing import Any

from smallpose.dataset.docs.datasheet import format_datasheet
from smallpose.dataset.docs.licence_terms import get_terms

BOX_DESCRIPTIONS = {
    "coco": "tight around the mask (`mask`)",
    "mpii": "extent of keypoints and head rectangle, × 1.3 (`extent_head130`)",
    "aic": "drawn by people (`drawn`)",
    "hieve": "drawn by people (`drawn`)",
    "posetrack": "PoseTrack's own, extent of keypoints × 1.3 (`extent130`)",
}


def format_data_card(manifest: dict[str, Any], table: str) -> str:
    """The README of a built set, as Markdown.

    Args:
        manifest: what `build` writes to `manifest.json`.
        table: Table 1 as Markdown.
    """
    parts = [
        "# A SmallPose data set",
        "Every image with a small person (box below 128 × 96 px²) of the sources named below, and "
        "images of larger people drawn at random until the mix of sizes is the paper's. "
        "21 keypoints, COCO's format.",
        "## How many",
        table,
        _format_sources(manifest),
        _format_build_steps(manifest),
        _format_leaks(manifest["leaks"]),
        _format_files(manifest),
        format_datasheet(manifest),
        "## Terms",
        "Pictures are the sources' own and stay under their terms; this folder holds "
        f"{_describe_images(manifest['images'])}.",
        _format_terms(manifest),
    ]
    if manifest["synthetic"]:
        note = "**Synthetic.** These people were drawn by a program; absolute scores on them mean "
        parts.insert(1, note + "nothing for real pictures.")
    return "\n\n".join(p for p in parts if p) + "\n"


def _describe_images(how: str) -> str:
    return {
        "link": "links to your copies of them, and copies of frames taken from videos",
        "copy": "copies of them: do not pass it on",
        "none": "no pictures but frames taken from videos; manifest.json says where they lie",
    }[how]


def _format_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _format_sources(manifest: dict[str, Any]) -> str:
    rows = []
    for name, s in manifest["sources"].items():
        counts = [f"{s[k]:,}" for k in ("images_read", "people_read", "images", "people")]
        rows.append(
            [get_terms(name).title, *counts, BOX_DESCRIPTIONS.get(name, "as its file has it")]
        )
    head = ["source", "images read", "people read", "images here", "people here", "box"]
    notes = [f"- {name}: {note}" for name, s in manifest["sources"].items() for note in s["notes"]]
    return "\n\n".join(["## Where from", _format_table(head, rows), "\n".join(notes)])


def _format_build_steps(manifest: dict[str, Any]) -> str:
    lines = [
        f"- split: `{manifest['split']}` "
        + (
            "(the sources' own; MPII and HiEve 8 : 2 by whole videos)"
            if manifest["split"] == "grouped"
            else "(the sources' own; MPII and HiEve 8 : 2 image by image, as in the paper)"
        ),
        f"- seed: {manifest['seed']}; the same sources and seed give the same bytes",
        f"- pictures that were missing: `{manifest['missing_images']}`",
        _describe_derived_joints(manifest["derived"]),
        "- boxes are cut at the edge of the image; boxes without area become regions to ignore",
    ]
    for split, s in manifest["selection"].items():
        lines.append(
            f"- {split}: {s['with_small']:,} images with a small person, {s['drawn']:,} drawn "
            f"from {s['pool']:,} others" + (f"; {s['note']}" if s["note"] else "")
        )
    return "\n\n".join(["## How it was made", "\n".join(lines)])


def _describe_derived_joints(made: dict[str, int]) -> str:
    if not made:
        return "- keypoints a source does not label are `0, 0, 0`, never made up"
    which = " and ".join(f"{n:,} of the {joint}" for joint, n in made.items())
    return (
        f"- keypoints a source does not label are `0, 0, 0`, but for {which}, put in the middle of "
        "two labelled joints with v = 1; each annotation lists its own under `derived`. They are "
        "no labels: `num_keypoints`, all counts here and smallpose's metrics leave them out, but "
        "other tools will take them for labels"
    )


def _format_leaks(leaks: dict[str, Any]) -> str:
    """What a search for near-duplicates between train and test found."""
    if leaks["how"] == "off":
        return "## Leaks\n\nNobody looked for near-duplicates (`--leaks off`)."
    lines = [
        f"{leaks['pictures']:,} pictures were compared; {leaks['near_duplicates']:,} pairs of them "
        "are near-duplicates (cropped, mirrored, resized or recompressed copies, or like frames), "
        f"frames of one video on one side not counted; {leaks['leaks']:,} of the pairs stood on "
        "both sides. `leaks.json` names them."
    ]
    if leaks["how"] == "move":
        lines.append(
            f"{leaks['moved_to_test']:,} pictures were moved to test and "
            f"{leaks['moved_to_train']:,} to train, videos as a whole; {leaks['leaks_left']:,} "
            "leaks are left."
        )
    elif leaks["leaks"]:
        lines.append(
            "They were left where they are: scores on this test side may be too high. "
            "`--leaks move` puts each on one side."
        )
    if leaks["not_looked_at"]:
        lines.append(f"{leaks['not_looked_at']:,} pictures were not there or could not be decoded.")
    return "## Leaks\n\n" + " ".join(lines)


def _format_files(manifest: dict[str, Any]) -> str:
    rows = [
        [f"`{name}`", f"{f['bytes']:,}", f"`{f['sha256'][:16]}…`"]
        for name, f in manifest["files"].items()
    ]
    check = "`smallpose check` on this folder compares every file with its hash."
    return "\n\n".join(["## Files", _format_table(["file", "bytes", "SHA-256"], rows), check])


def _format_terms(manifest: dict[str, Any]) -> str:
    found = [get_terms(name) for name in manifest["sources"]]
    rows = [[terms.title, terms.summary, terms.page] for terms in found]
    return _format_table(["source", "terms, as far as known", "where they stand"], rows)
