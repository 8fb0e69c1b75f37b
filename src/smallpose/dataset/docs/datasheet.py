"""The questions of Datasheets for Datasets (Gebru et al., 2021), answered for a built set.

Every number comes from the manifest; what nobody knows is said to be unknown.
"""

from typing import Any

QUESTIONS = (
    "Motivation",
    "Composition",
    "Collection",
    "Preprocessing",
    "Uses",
    "Distribution",
    "Maintenance",
)


def format_datasheet(manifest: dict[str, Any]) -> str:
    """The section of the data card, as Markdown."""
    answers = (
        _describe_motivation,
        _describe_composition,
        _describe_collection,
        _describe_preprocessing,
        _describe_uses,
        _describe_distribution,
        _describe_maintenance,
    )
    parts = [
        f"### {title}\n\n{say(manifest)}" for title, say in zip(QUESTIONS, answers, strict=True)
    ]
    return "\n\n".join(["## Datasheet", *parts])


def _sum_over_sources(manifest: dict[str, Any], key: str) -> int:
    return sum(int(s[key]) for s in manifest["sources"].values())


def _sum_size_classes(manifest: dict[str, Any]) -> list[int]:
    """Small, medium, large over both splits."""
    mixes = [s["small_medium_large"] for s in manifest["selection"].values()]
    return [sum(column) for column in zip(*mixes, strict=True)]


def _describe_motivation(manifest: dict[str, Any]) -> str:
    return (
        "Made to find out how small a person in a picture may get before methods for human pose "
        "estimation fail, as the paper *SmallPose* asks. Common sets hold few small people, or "
        "leave them without labels. Who made it: whoever ran `smallpose build` here; the pictures "
        "and labels are the work of each source's makers, who paid for them too, and this set adds "
        "none of its own."
    )


def _describe_composition(manifest: dict[str, Any]) -> str:
    small, medium, large = _sum_size_classes(manifest)
    people = max(small + medium + large, 1)
    lines = [
        f"- What is a record: a person in an image, {_sum_over_sources(manifest, 'people'):,} of them in "
        f"{_sum_over_sources(manifest, 'images'):,} images; boxes and up to 21 keypoints with visibility.",
        f"- Sizes: {small:,} small ({100 * small / people:.1f} %), {medium:,} medium, {large:,} "
        "large, by width × height of the box (limits 128 × 96 and 256 × 192 px²).",
        "- Is it all there is: no. "
        + "; ".join(
            f"{split} holds {s['images']:,} images, all {s['with_small']:,} that show a small "
            f"person and {s['drawn']:,} drawn from {s['pool']:,} others"
            for split, s in manifest["selection"].items()
        )
        + ".",
        "- How records hang together: people of one image stand side by side, and frames of one "
        f"video or sequence share a `group`. {_describe_split(manifest['split'])}",
        "- Splits: train for training, test for scoring, as the paper uses them; take images for "
        "choosing settings out of train, by `group`.",
        "- Errors and noise: the labels of the sources as they are, each with its makers' idea of "
        "a joint and of a box (`source` and `box_rule` of every person say which); `smallpose "
        "audit` names labels worth a second look.",
        "- Does it hang on others: yes, on the sources' pictures, which stay where they are and "
        "can go away; `index.json` names each with its hash.",
        "- What is missing: keypoints that a source never labels (each source has its own joints), "
        "and people whom no source labelled: a prediction on them counts as false.",
        "- Are parts confidential, offensive, or about people: the pictures show people in public "
        "and private places, mostly without their knowledge; nobody here has names, and nobody "
        "checked the pictures for what may offend. People can be known again by face or place, "
        "and were not asked for this set; to be taken out, they turn to the source's makers.",
    ]
    if manifest["synthetic"]:
        lines[-1] = "- About people: none of them is real; a program drew them."
    return "\n".join(lines)


def _describe_split(split: str) -> str:
    if split == "grouped":
        return "No group that the builder made a split of stands on both sides."
    return "MPII's and HiEve's frames were split one by one, so a video can stand on both sides."


def _describe_collection(manifest: dict[str, Any]) -> str:
    lines = [
        "The sources' makers collected and labelled the pictures; their papers say how. This set "
        "was put together by a program from their published files:",
        "",
    ]
    for name, s in manifest["sources"].items():
        line = f"- {name}: {s['images_read']:,} images and {s['people_read']:,} people read"
        gone = s.get("images_missing", 0)
        line += f", {gone:,} pictures were not there" if gone else ""
        lines.append(
            line + (f"; not there: {', '.join(s['missing'])}" if s["missing"] else "") + "."
        )
    return "\n".join(lines)


def _describe_preprocessing(manifest: dict[str, Any]) -> str:
    notes = "".join(f"\n- {note}" for note in manifest["notes"])
    return (
        "Joints were renamed to the 21 of the paper, boxes cut at the edge of the image, boxes "
        "made where MPII has none, frames sampled from HiEve's videos, images chosen by size, and "
        "ids numbered anew. Pictures themselves were not changed. Everything needed to repeat it "
        f"stands in `manifest.json` (smallpose {manifest['smallpose']}, seed {manifest['seed']}, "
        f"split `{manifest['split']}`).{notes}"
    )


def _describe_uses(manifest: dict[str, Any]) -> str:
    return (
        "For training and comparing methods that find the joints of people. Not for finding out "
        "who somebody is, for watching people, nor for claims about groups of people: who is shown "
        "was never balanced. Used before: by the paper, whose own copy is not to be had; a set "
        "built anew is not its to the last image. Scores on small people hang on how each source "
        "drew its boxes; "
        "compare methods on the same set and say which protocol was used."
    )


def _describe_distribution(manifest: dict[str, Any]) -> str:
    return (
        "Pictures may not be passed on unless their source allows it (see Terms). `smallpose "
        "release` makes a folder without pictures: annotations, an index of which picture of which "
        "source each image is, this card, Croissant metadata and checksums. Whoever has the "
        "sources can build the same bytes from it."
    )


def _describe_maintenance(manifest: dict[str, Any]) -> str:
    return (
        "Nobody mends this copy: errors are mended in the source or in smallpose, and the set is "
        "built anew. `smallpose check` says whether a copy is still what was built, `smallpose "
        "audit` looks for labels worth a second look. Older builds are not kept: `index.json` and "
        "the seed make them again. Whoever wants to add to it gives `build` a source of his own."
    )
