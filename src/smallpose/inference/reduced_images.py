"""Tell users that images are reduced so far that small people vanish, and what shows them larger.

A full-image method fits an image into its input, of 512 px for MoveNet: of a person 60 px tall in
a frame of 1,920 px it sees 16.
"""

from collections import Counter

from smallpose.core.counts import format_share
from smallpose.core.instances import Images
from smallpose.inference.view_merging import compute_network_px
from smallpose.methods.full_image import FullImageMethod

MIN_REDUCTION = 2.0  # px of the image for one of the network's input; below, nothing is said


class ImageSizeCounter:
    """Counts images by size; they may come in parts."""

    def __init__(self) -> None:
        self._sizes: Counter[tuple[int, int]] = Counter()

    def add_images(self, images: Images) -> None:
        """Add the images of a part; those of unknown size are left out."""
        sizes = zip(images.width.tolist(), images.height.tolist(), strict=True)
        self._sizes.update(size for size in sizes if min(size) > 0)

    def describe_reduction(self, method: FullImageMethod, instead_of: str = "") -> str:
        """Return which people the network sees at less than it needs, and what to type.

        Args:
            instead_of: an option that is given and cannot be combined with tiles.

        Returns: "" where no image is reduced to half of its size or less.
        """
        reductions = {size: compute_network_px(method, size) for size in self._sizes}
        reduced = [size for size, px in reductions.items() if px >= MIN_REDUCTION]
        if not reduced:
            return ""
        most = max(reduced, key=lambda size: reductions[size])
        num_reduced = sum(self._sizes[size] for size in reduced)
        share = format_share(num_reduced, self._sizes.total(), "image is", "images are")
        px = reductions[most]
        needed = method.needed_px
        place = f", in place of {instead_of}" if instead_of else ""
        which = "the largest " if len(reduced) > 1 else ""
        return (
            f"{share} reduced for {method.name}, {which}from {most[0]:,} × {most[1]:,} to "
            f"{max(most) / px:.0f} px: people below {needed * px:.0f} px are seen at less than "
            f"{needed} px there, and many are missed; --tile auto --smallest PX shows people "
            f"from PX on larger{place}"
        )
