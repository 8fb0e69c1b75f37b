"""The options of a build."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """The options of a build, named as the flags of `smallpose build`.

    Args:
        seed: seed of the split and of the selection.
        split: "grouped" (entire videos) or "paper" (image by image).
        images: "link", "copy" or "none".
        missing_images: "refuse", "drop" or "keep".
        max_unreadable: largest share of a source's images that may be unreadable and left out.
        trust_file: whether to use the size of the image file where the annotation differs.
        apply_exif: whether to turn images by their EXIF orientation, as viewers do.
        workers: threads for headers, videos and hashes; the output does not depend on them.
        overwrite: whether to replace a data set that was built before.
        leaks: "report" near-duplicates between train and test, "move" them to one side, or "off".
        select: "paper" (images with a small person, and others until the mix of sizes is the
            paper's), "all" images, or "" for "all" where all sources are custom, else "paper".
        hieve_step: every which labelled frame of HiEve's videos is read.
        derive: joints to compute from others where a source lacks them.
    """

    seed: int = 0
    split: str = "grouped"
    images: str = "link"
    missing_images: str = "refuse"
    max_unreadable: float = 0.001
    trust_file: bool = False
    apply_exif: bool = False
    workers: int = 1
    overwrite: bool = False
    leaks: str = "report"
    select: str = ""
    hieve_step: int = 20
    derive: tuple[str, ...] = ()
