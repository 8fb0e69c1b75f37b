"""How a set is built; the command line's flags of the same names."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a set is built.

    Args:
        seed: of the split and the draw.
        split: "grouped" (whole videos) or "paper" (image by image).
        images: "link", "copy" or "none".
        missing_images: "refuse", "drop" or "keep".
        max_bad: the share of a source's pictures that may be unreadable; they are left out.
        trust_file: where a picture's size differs from what its annotation says, believe the file.
        jobs: threads for headers, videos and hashes; the bytes of the set do not depend on it.
        overwrite: replace a set that was built before.
        leaks: "report" near-duplicates between train and test, "move" them to one side, or "off".
        derive: joints made from others where a source lacks them.
    """

    seed: int = 0
    split: str = "grouped"
    images: str = "link"
    missing_images: str = "refuse"
    max_unreadable: float = 0.001
    trust_file: bool = False
    workers: int = 1
    overwrite: bool = False
    leaks: str = "report"
    derive: tuple[str, ...] = ()
