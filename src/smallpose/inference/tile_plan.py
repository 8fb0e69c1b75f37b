"""Choose the tiles of an image from the size of the smallest people to be detected.

Tiles are so small that the smallest people are as tall as a network needs. The full image shows
people that tall only from some larger size on; where people between these sizes are larger than
the overlap, larger tiles are searched as well.
"""

from math import ceil, log

from smallpose.core.counts import format_count
from smallpose.inference.options import InferenceOptions
from smallpose.inference.tiles import TileLevel, list_tile_views, use_test_side
from smallpose.inference.view_merging import compute_network_px
from smallpose.methods.full_image import FullImageMethod

MAX_ENLARGEMENT = 4.0  # of a tile; beyond, there are more tiles without anything new in them
MIN_STEP = 1.5  # between the sizes of tiles, also where a network is small


def choose_tile_levels(
    method: FullImageMethod, image_wh: tuple[int, int], options: InferenceOptions
) -> list[TileLevel]:
    """Choose the tiles in which an image is searched; none where the full image is enough.

    Args:
        options: `tile` and `tile_overlap` are taken as they are, if `smallest` is 0.
    """
    if not options.smallest:
        if not options.tile:
            return []
        overlap = options.tile // 4 if options.tile_overlap is None else options.tile_overlap
        return [TileLevel(options.tile, overlap)]
    network_side = options.tile_to or compute_network_side(method)
    network_px = max(options.smallest / method.needed_px, 1 / MAX_ENLARGEMENT)
    steps = compute_network_px(method, image_wh) / network_px
    if steps <= 1:
        return []
    share = min(max(2 * method.needed_px / network_side, 0.25), 0.5)
    max_step = max(share * network_side / method.needed_px, MIN_STEP)
    num_levels = ceil(log(steps) / log(max_step))
    sides = [network_side * network_px * steps ** (i / num_levels) for i in range(num_levels)]
    return [TileLevel(round(side), _choose_overlap(round(side), share, options)) for side in sides]


def _choose_overlap(side: int, share: float, options: InferenceOptions) -> int:
    """Return the overlap asked for, as far as half of a tile allows, or a share of the tile."""
    if options.tile_overlap is None:
        return int(share * side)
    return min(options.tile_overlap, side // 2)


def describe_tile_levels(
    method: FullImageMethod,
    image_wh: tuple[int, int],
    levels: list[TileLevel],
    options: InferenceOptions,
) -> str:
    """Return which tiles images of a size have, how many views that is, and their people's height.

    The height is that of `smallest` in the network's input, where tiles are chosen by it.
    """
    smallest = options.smallest
    size = f"{image_wh[0]:,} × {image_wh[1]:,} px"
    full_px = compute_network_px(method, image_wh)
    if not levels:
        return (
            f"{size}: no tiles, so 1 view; people of {smallest} px are {smallest / full_px:.0f} px "
            f"tall in {method.name}'s input"
        )
    parts = []
    num_views = 1
    for level in levels:
        with use_test_side(method, options.tile_to):
            views = list_tile_views(method, image_wh, level)
        num_views += len(views)
        factor = 1 / views[0].network_px if views else 1 / full_px
        parts.append(
            f"{format_count(len(views), 'tile')} of {level.side:,} px, {_describe_factor(factor)}, "
            f"overlap {level.overlap:,}"
        )
    if num_views == 1:
        return f"{size}: no tiles, because a tile of {levels[0].side:,} px contains it, so 1 view"
    text = f"{size}: {'; '.join(parts)}; {format_count(num_views, 'view')} of an image instead of 1"
    if not smallest:
        return text
    network_side = options.tile_to or compute_network_side(method)
    height = smallest * network_side / levels[0].side
    return (
        f"{text}; people of {smallest} px are {height:.0f} px tall in "
        f"{method.name}'s input instead of {smallest / full_px:.0f}"
    )


def compute_network_side(method: FullImageMethod) -> float:
    """Return the side in which a network sees a square image, px of its input."""
    side = 10_000
    return side / compute_network_px(method, (side, side))


def _describe_factor(factor: float) -> str:
    if 0.95 < factor < 1.05:
        return "at full size"
    if factor >= 1:
        return f"enlarged {factor:.2g} times"
    return f"reduced {1 / factor:.2g} times"
