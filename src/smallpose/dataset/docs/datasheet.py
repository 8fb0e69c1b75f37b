"""Answer the questions of Datasheets for Datasets (Gebru et al., 2021) for a built data set.

Every number comes from the manifest.
"""

from typing import Any

from smallpose.core.counts import format_count

SECTIONS = (
    "Motivation",
    "Composition",
    "Collection process",
    "Preprocessing, cleaning and labelling",
    "Uses",
    "Distribution",
    "Maintenance",
)


def format_datasheet(manifest: dict[str, Any]) -> str:
    """Format the datasheet, a section of the data card, as Markdown."""
    answers = (
        _describe_motivation(),
        _describe_composition(manifest),
        _describe_collection(manifest),
        _describe_preprocessing(manifest),
        _describe_uses(),
        _describe_distribution(),
        _describe_maintenance(),
    )
    parts = [f"### {title}\n\n{answer}" for title, answer in zip(SECTIONS, answers, strict=True)]
    return "\n\n".join(["## Datasheet", *parts])


def _sum_over_sources(manifest: dict[str, Any], key: str) -> int:
    return sum(int(s[key]) for s in manifest["sources"].values())


def _sum_size_classes(manifest: dict[str, Any]) -> list[int]:
    """Return the numbers of small, medium and large people in both splits."""
    mixes = [s["small_medium_large"] for s in manifest["selection"].values()]
    return [sum(column) for column in zip(*mixes, strict=True)]


def _describe_motivation() -> str:
    return (
        "The data set was created to measure how small a person in an image may be before methods "
        "for human pose estimation fail, the question of the *SmallPose* paper. Common data sets "
        "contain few small people, or do not label them. It was assembled by whoever ran "
        "`smallpose build`; the images and labels were made and paid for by the makers of the "
        "sources, and none were added."
    )


def _describe_composition(manifest: dict[str, Any]) -> str:
    small, medium, large = _sum_size_classes(manifest)
    people = max(small + medium + large, 1)
    num_people = _sum_over_sources(manifest, "people")
    num_images = _sum_over_sources(manifest, "images")
    samples = "; ".join(
        f"{split} contains {format_count(s['images'], 'image')}, which are all {s['with_small']:,} "
        f"with a small person and {s['drawn']:,} drawn from {format_count(s['pool'], 'other')}"
        for split, s in manifest["selection"].items()
    )
    lines = [
        f"- Instances: people in images, {format_count(num_people, 'person', 'people')} in "
        f"{format_count(num_images, 'image')}, each with a bounding box and up to 21 keypoints "
        "with visibility.",
        f"- Sizes: {small:,} small ({100 * small / people:.1f} %), {medium:,} medium, {large:,} "
        "large, by width × height of the box (limits 128 × 96 and 256 × 192 px²).",
        f"- Sample or all instances: a sample. {samples}.",
        "- Relationships: people with the same `image_id` are in one image, and frames of one "
        f"video or sequence have the same `group`. {_describe_split(manifest['split'])}",
        "- Recommended splits: train for training and test for evaluation, as in the paper; take "
        "validation images out of train, by `group`.",
        "- Errors and noise: the labels are those of the sources, which define joints and boxes "
        "differently (see `source` and `box_rule` of every person). `smallpose audit` lists "
        "suspect labels.",
        "- External resources: the images of the sources, which may become unavailable; "
        "`index.json` lists each with its hash.",
        "- Missing information: keypoints that a source never labels (each source has its own "
        "joints), and people that no source labels; a detection of them counts as a false "
        "positive.",
        "- Confidential or offensive content, and people: the images show people in public and "
        "private places, mostly without their knowledge. There are no names, and the images were "
        "not checked for offensive content. People may be identifiable by face or place, and were "
        "not asked for consent; to be removed, they have to contact the makers of the source.",
    ]
    if manifest["synthetic"]:
        lines[-1] = "- People: none of them is real; a program rendered them."
    return "\n".join(lines)


def _describe_split(method: str) -> str:
    if method == "grouped":
        return "No group that the builder split is in both train and test."
    return "Frames of MPII and HiEve were split one by one, so a video can be in train and test."


def _describe_collection(manifest: dict[str, Any]) -> str:
    lines = [
        "The makers of the sources collected and labelled the images, as their publications "
        "describe. `smallpose build` combined their published files:",
        "",
    ]
    for name, s in manifest["sources"].items():
        line = (
            f"- {name}: {format_count(s['images_read'], 'image')} and "
            f"{format_count(s['people_read'], 'person', 'people')} read"
        )
        num_missing = s.get("images_missing", 0)
        if num_missing:
            line += f", {format_count(num_missing, 'image')} missing or unreadable"
        if s["missing"]:
            line += f"; missing annotation files: {', '.join(s['missing'])}"
        lines.append(line + ".")
    return "\n".join(lines)


def _describe_preprocessing(manifest: dict[str, Any]) -> str:
    notes = "".join(f"\n- {note}" for note in manifest["notes"])
    return (
        "Joints were mapped to the 21 of the paper, boxes were clipped to the image and computed "
        "where MPII has none, frames were sampled from HiEve's videos, images were selected by "
        "the sizes of their people, and ids were assigned anew. The images were not changed. "
        "`manifest.json` records what is needed to repeat this (smallpose "
        f"{manifest['smallpose']}, seed {manifest['seed']}, split `{manifest['split']}`).{notes}"
    )


def _describe_uses() -> str:
    return (
        "Intended: training and comparing methods for human pose estimation. Not intended: "
        "identifying or monitoring people, or conclusions about groups of people, because the "
        "people shown are not balanced by group. Previous use: the paper used its own copy, which "
        "is not available; a new build does not contain exactly the same images. Scores on small "
        "people depend on how each source defines its boxes, so compare methods on the same data "
        "set and state the protocol."
    )


def _describe_distribution() -> str:
    return (
        "Images may be redistributed only where the licence of their source allows it (see "
        "Licences). `smallpose release` writes a copy without images: annotations, an index that "
        "identifies the source image of each entry, this card, Croissant metadata and checksums. "
        "With the sources, others can build the same bytes from it."
    )


def _describe_maintenance() -> str:
    return (
        "This copy is not maintained. Errors are corrected in the sources or in smallpose, and the "
        "data set is built again. `smallpose check` verifies that a copy is unchanged, and "
        "`smallpose audit` lists suspect labels. Older builds are not archived; `index.json` "
        "reproduces them. To extend the data set, pass a custom source to `smallpose build`."
    )
