"""Write the data card (README.md) of a built data set; every number comes from the manifest."""

from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.table import build_text_table
from smallpose.dataset.docs.datasheet import format_datasheet
from smallpose.dataset.docs.licence_terms import get_terms

BOX_DESCRIPTIONS = {
    "coco": "tight around the segmentation mask (`mask`)",
    "mpii": "1.3 × the extent of keypoints and head rectangle (`extent_head130`)",
    "aic": "drawn by annotators (`drawn`)",
    "hieve": "drawn by annotators (`drawn`)",
    "posetrack": "PoseTrack's own: 1.3 × the extent of the keypoints (`extent130`)",
}


_SELECTIONS = {
    "paper": "All images of the sources below that show a small person (bounding box below "
    "128 × 96 px²), and images with larger people only, drawn at random until the mix of "
    "person sizes is that of the SmallPose paper or no image is left.",
    "all": "All images of the sources below (`--select all`), with and without small people.",
}


def format_data_card(manifest: dict[str, Any], table: str) -> str:
    """Format the README of a built data set as Markdown.

    Args:
        manifest: content of `manifest.json`.
        table: Table 1 as Markdown.
    """
    parts = [
        "# SmallPose data set",
        f"{_SELECTIONS[manifest['select']]} Annotations have 21 keypoints and are in COCO format.",
        "## Statistics",
        table,
        _format_sources(manifest),
        _format_build_steps(manifest),
        _format_leaks(manifest["leaks"]),
        _format_files(manifest),
        format_datasheet(manifest),
        "## Licences",
        "Images and labels remain under the licences of their sources. This folder contains "
        f"{_describe_images(manifest['images'])}{_describe_turned(manifest['turned'])}.",
        _format_terms(manifest),
    ]
    if manifest["synthetic"]:
        note = "**Synthetic.** The people were rendered by a program; absolute scores on them say "
        parts.insert(1, note + "nothing about real images.")
    return "\n\n".join(p for p in parts if p) + "\n"


def _describe_images(mode: str) -> str:
    return {
        "link": "links to your copies of the images, and the frames extracted from videos",
        "copy": "copies of the images: do not redistribute it",
        "none": "no images except the frames extracted from videos; manifest.json has the paths",
    }[mode]


def _describe_turned(num_turned: int) -> str:
    if not num_turned:
        return ""
    return (
        f"; {format_count(num_turned, 'turned image is', 'turned images are')} copies: do not "
        "redistribute them"
    )


def _format_table(head: list[str], rows: list[list[str]]) -> str:
    return build_text_table(head, rows).to_markdown().rstrip()


def _format_sources(manifest: dict[str, Any]) -> str:
    rows = []
    for name, s in manifest["sources"].items():
        counts = [f"{s[k]:,}" for k in ("images_read", "people_read", "images", "people")]
        boxes = BOX_DESCRIPTIONS.get(name, "as in its annotation file")
        rows.append([get_terms(name).title, *counts, boxes])
    head = ["source", "images read", "people read", "images included", "people included", "boxes"]
    notes = [f"- {name}: {note}" for name, s in manifest["sources"].items() for note in s["notes"]]
    meaning = (
        "Images included are all images of the set; tables of images with people, as under "
        "Statistics, leave out those in which no person has a labelled keypoint."
    )
    return "\n\n".join(["## Sources", _format_table(head, rows), meaning, "\n".join(notes)])


def _format_build_steps(manifest: dict[str, Any]) -> str:
    method = "by entire videos"
    if manifest["split"] != "grouped":
        method = "image by image, as in the paper"
    lines = [
        f"- split: `{manifest['split']}` (each source's own; 8 : 2 {method} where a source has "
        "none, as MPII and HiEve)",
        f"- seed: {manifest['seed']}; the same sources and seed give the same bytes",
        f"- missing images: `{manifest['missing_images']}`",
        _describe_orientation(manifest),
        _describe_derived_joints(manifest["derived"]),
        "- boxes are clipped to the image; people whose boxes have no area become ignore regions",
    ]
    if "hieve" in manifest["sources"]:
        lines.append(f"- HiEve: every {manifest['hieve_step']}th labelled frame number")
    for split, s in manifest["selection"].items():
        lines.append(_describe_selection(split, s, manifest["select"]))
    return "\n\n".join(["## Construction", "\n".join(lines)])


def _describe_selection(split: str, selection: dict[str, Any], select: str) -> str:
    text = f"- {split}: {format_count(selection['with_small'], 'image')} with a small person, and "
    if select == "all":
        return f"{text}all {format_count(selection['drawn'], 'other')}"
    text += f"{selection['drawn']:,} drawn from {format_count(selection['pool'], 'other')}"
    if selection["without_people"]:
        text += f"; {selection['without_people']:,} without labelled people are left out"
    note = selection["note"].removeprefix(f"{split}: ")
    return f"{text}; {note}" if note else text


def _describe_orientation(manifest: dict[str, Any]) -> str:
    if manifest["exif"] != "apply":
        return "- EXIF orientations are ignored: labels are taken to refer to the stored pixels"
    return (
        "- EXIF orientations are applied: "
        f"{format_count(manifest['turned'], 'image was', 'images were')} turned as viewers show "
        "them and written into this folder without EXIF, and their labels refer to them"
    )


def _describe_derived_joints(num_derived: dict[str, int]) -> str:
    if not num_derived:
        return "- keypoints that a source does not label are `0, 0, 0`; none were derived"
    joints = " and ".join(f"{count:,} {joint}" for joint, count in num_derived.items())
    return (
        f"- keypoints that a source does not label are `0, 0, 0`, except for {joints} keypoints, "
        "which are the midpoints of two labelled joints, with v = 1; each annotation lists its "
        "own under `derived`. They are not labels: `num_keypoints`, the counts in this card and "
        "smallpose's metrics exclude them, but other tools will treat them as labels"
    )


def _format_leaks(leaks: dict[str, Any]) -> str:
    """Describe the near-duplicates between train and test."""
    heading = "## Near-duplicates between train and test"
    if leaks["how"] == "off":
        return f"{heading}\n\nNear-duplicates were not searched for (`--leaks off`)."
    lines = [
        f"{format_count(leaks['pictures'], 'image was', 'images were')} compared, and "
        f"{format_count(leaks['near_duplicates'], 'pair is', 'pairs are')} near-duplicates: copies "
        "that were cropped, mirrored, resized or recompressed, or similar frames. Frames of one "
        f"video in the same split are not counted. {leaks['leaks']:,} of the pairs had one image "
        "in train and one in test. `leaks.json` lists all pairs."
    ]
    num_templates = leaks.get("of_one_template", 0)
    if num_templates:
        lines.append(
            f"{num_templates:,} of these are synthetic scenes of one template: they share a "
            "painted background and no person, and are no leaks."
        )
    if leaks["how"] == "move":
        lines.append(
            f"{format_count(leaks['moved_to_test'], 'image was', 'images were')} moved to test and "
            f"{leaks['moved_to_train']:,} to train, always with the other frames of their video; "
            f"{format_count(leaks['leaks_left'], 'such pair is', 'such pairs are')} left."
        )
    elif leaks["leaks"] > num_templates:
        lines.append(
            "They were not moved, so scores on the test split may be too high. Build with "
            "`--leaks move` to put both images of each pair into the same split."
        )
    if leaks["not_looked_at"]:
        lines.append(
            f"{format_count(leaks['not_looked_at'], 'image was', 'images were')} not compared, "
            "because they are missing or cannot be decoded."
        )
    return f"{heading}\n\n" + " ".join(lines)


def _format_files(manifest: dict[str, Any]) -> str:
    rows = [
        [f"`{name}`", f"{f['bytes']:,}", f"`{f['sha256'][:16]}…`"]
        for name, f in manifest["files"].items()
    ]
    check = "Run `smallpose check` on this folder to compare every file with its hash."
    return "\n\n".join(["## Files", _format_table(["file", "bytes", "SHA-256"], rows), check])


def _format_terms(manifest: dict[str, Any]) -> str:
    terms = [get_terms(name) for name in manifest["sources"]]
    rows = [[t.title, t.summary, t.page] for t in terms]
    return _format_table(["source", "licence or terms, as far as known", "page"], rows)
