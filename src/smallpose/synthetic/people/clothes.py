"""Draw clothes: colours by part, sleeves, legs, hair, hats and bags.

Train and test draw from palettes without a common colour, so that memorising colours does not help.

Train and test draw from palettes without a shared colour, so that no model wins by heart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body_parts import PART

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _parse_colours(text: str) -> Floats:
    return np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in text.split()], dtype=float)


TOPS = {
    "train": _parse_colours(
        "f2efe6 22304f c8553d 8fae8b e0b43c 5b7db1 7b2d3b 3c3f45 d98a7a 4f8f8b f4f4f6 a83f4f "
        "1f5f6b b7c4d6 6d5a7e e8d6b3 2f6f4f d0d0d4 c2410c 94a3b8 1d4ed8 eab308"
    ),
    "test": _parse_colours(
        "fafaf7 2b2d30 3f5e96 d97b4a 6e8f5f 9c3148 c9a0b8 86b3c7 54606e e3c567 2a7f76 b5524a "
        "7a6f5d ded8cf 4b3f72 ef9f9f 15803d 0f4c81 f59e0b"
    ),
}
LEGS = {
    "train": _parse_colours(
        "2c3444 3b4a66 55657d 23252a 6b6257 8a7a63 3f4a3c 52525b c8bfae 4a3a33 1e2a3e 747d8a"
    ),
    "test": _parse_colours("343b4f 465a78 1d1f24 5f5a50 97876b 39443f 6a7280 d6cdbb 513f3a 27364d"),
}
SKIN = {
    "train": _parse_colours(
        "f3cfb3 e8b998 d9a07a c68863 a86b48 8a5537 6b4129 4e3020 efc4a6 bb7f5a"
    ),
    "test": _parse_colours("f0c8aa e2b08d d09570 b77a55 99603e 7a4a30 5c3825 f6d6bf"),
}
HAIR = {
    "train": _parse_colours("1c1613 2e211a 4a3324 6b4a2f 8d6a3f b8935a 9a9a98 5a2e1c"),
    "test": _parse_colours("17130f 392820 553a2a 7a5636 a07c4c d0b078 bdbdba 6e3a22"),
}
SHOES = _parse_colours("26262a f2f2ee 6b3f2a 9aa0a8 b23a3a 2f4f7f e8e2d4 3a3a30")
BAGS = _parse_colours("3a3f46 7a4a32 27466b 8a2f3a 4f5f3f c9a25f 1f1f22")
SPORT = _parse_colours("d62839 1d4e9e f2f2f2 1f7a4d f2b705 141414 7cc4ea 7a1fa2 ef6c00 c2185b")


@dataclass(frozen=True)
class Outfits:
    """The clothes of n people.

    Args:
        palette: (n, parts, 3) RGB of each part.
        sleeves: (n,) 0 none, 1 short, 2 long.
        legs: (n,) 0 shorts, 1 trousers, 2 skirt or dress, 3 swimwear.
        loose: (n,) factor on the thickness of clothed parts.
        front: (n,) what tells the front of the shirt from its back: 0 nothing, 1 a low neckline,
            2 an open jacket or a tie, 3 a print.
        long_hair, bald, hat, bag, striped, badge, numbered: (n,) yes or no; a badge or pocket is on
            the person's left, a number on the back.
    """

    palette: Bytes
    sleeves: NDArray[np.int64]
    legs: NDArray[np.int64]
    loose: Floats
    front: NDArray[np.int64]
    long_hair: Mask
    bald: Mask
    hat: Mask
    bag: Mask
    striped: Mask
    badge: Mask
    numbered: Mask


# Shares of (no, short, long) sleeves and (shorts, trousers, skirt, swimwear) by style.
STYLES = {
    "city": ((0.08, 0.45, 0.47), (0.15, 0.62, 0.23, 0.0)),
    "winter": ((0.0, 0.0, 1.0), (0.0, 0.97, 0.03, 0.0)),
    "beach": ((0.55, 0.35, 0.1), (0.4, 0.08, 0.17, 0.35)),
    "sport": ((0.15, 0.75, 0.1), (0.95, 0.05, 0.0, 0.0)),
    "summer": ((0.2, 0.62, 0.18), (0.35, 0.33, 0.32, 0.0)),
}


_NECKLINE = 1
# Shirts without a front of their own, with a neckline, an opening; the others have a print.
_FRONT_SHARES = np.cumsum([0.2, 0.25, 0.35])
_BADGE_SHARE = 0.25
_MIN_CONTRAST = 45.0  # mean difference by channel, from which on a detail is told from its cloth


def draw_outfits(n: int, style: str, palette: str, rng: np.random.Generator) -> Outfits:
    """Draw clothes for n people.

    Args:
        style: a key of `STYLES`.
        palette: "train" or "test".
    """
    sleeve_share, leg_share = STYLES[style]
    chance = rng.random((8, n))
    sleeves = np.searchsorted(np.cumsum(sleeve_share)[:-1], chance[0], side="right")
    legs = np.searchsorted(np.cumsum(leg_share)[:-1], chance[1], side="right")
    sporty = style == "sport"
    colours = _draw_colours(
        {
            "top": TOPS[palette],
            "leg": TOPS[palette] if style == "beach" else LEGS[palette],
            "skin": SKIN[palette],
            "hair": HAIR[palette],
            "shoe": SHOES,
            "bag": BAGS,
            "trim": TOPS[palette],
        },
        n,
        rng,
    )
    if sporty and n:
        team = _assign_teams(n, rng)
        kit = SPORT[rng.permutation(len(SPORT))[:4]]
        colours["top"] = kit[team] + rng.normal(0, 3, (n, 3))
        colours["leg"] = kit[(team + 2) % 4] * 0.9 + 10
        colours["trim"] = np.full((n, 3), 240.0) - (kit[team].mean(axis=1) > 150)[:, None] * 200.0
    swim = legs == 3
    bare = swim & (chance[2] < 0.55)
    dress = (legs == 2) & (chance[2] < 0.55)
    colours["leg"] = np.where(dress[:, None], colours["top"], colours["leg"])
    colours["top"] = np.where(bare[:, None], colours["skin"], colours["top"])
    sleeves = np.where(swim, 0, sleeves)
    long_hair = chance[3] < np.where(legs == 2, 0.8, 0.36)
    bald = (chance[4] < 0.05) & ~long_hair
    plain = bare | dress
    front = np.where(bare, 0, np.searchsorted(_FRONT_SHARES, rng.random(n), side="right"))
    colours["trim"] = _ensure_contrast(colours["trim"], colours["top"])
    return Outfits(
        palette=_build_palette(colours, sleeves, legs, bald, front == _NECKLINE),
        sleeves=sleeves,
        legs=legs,
        loose=np.clip(rng.normal(1.1 if style != "winter" else 1.3, 0.08, n), 1.0, 1.5),
        front=front,
        long_hair=long_hair,
        bald=bald,
        hat=chance[5] < (0.5 if style == "winter" else 0.13),
        bag=(chance[6] < 0.16) & (not sporty) & ~swim,
        striped=(chance[7] < 0.2) & ~plain,
        badge=(rng.random(n) < _BADGE_SHARE) & ~bare,
        numbered=np.full(n, sporty) & ~plain,
    )


def _ensure_contrast(colours: Floats, grounds: Floats) -> Floats:
    """Replace colours that differ too little from their ground by near white or near black."""
    is_faint = np.abs(colours - grounds).mean(axis=1, keepdims=True) < _MIN_CONTRAST
    is_bright = grounds.mean(axis=1, keepdims=True) > 128
    return np.where(is_faint, np.where(is_bright, 40.0, 232.0), colours)


def _assign_teams(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (n,) team 0 or 1, and a few referees as team 3."""
    team = rng.integers(0, 2, n)
    return np.where(rng.random(n) < 0.06, 3, team)


# How far a shade strays from its palette, all of it together; a third of that by channel.
_SPREAD = {"skin": 6.0, "hair": 6.0, "leg": 8.0, "shoe": 8.0, "bag": 8.0, "top": 9.0, "trim": 9.0}


def _draw_colours(
    palettes: dict[str, Floats], n: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return (n, 3) colours from each palette, each slightly varied."""
    which = rng.random((len(palettes), n))
    off = rng.standard_normal((len(palettes), n, 4))
    out = {}
    for row, (name, colours) in enumerate(palettes.items()):
        picked = colours[(which[row] * len(colours)).astype(np.intp)]
        out[name] = picked + _SPREAD[name] * (off[row, :, :1] + off[row, :, 1:] / 3)
    return out


# Which colour a part has: a row of what `_paint` stacks.
_ROWS = [
    "none",
    "skin",
    "top",
    "leg",
    "hair",
    "shoe",
    "bag",
    "trim",
    "ear",
    "mouth",
    "eye",
    "white",
    "brow",
    "scalp",
    "seat",
    "frame",
    "wheel",
    "rim",
]
_PARTS_OF = {
    "skin": "face neck l_hand r_hand l_shin r_shin l_thigh r_thigh "
    "l_upper_arm r_upper_arm l_forearm r_forearm",
    "ear": "ear nose",
    "mouth": "mouth",
    "top": "shirt l_sleeve r_sleeve",
    "trim": "detail number hat",
    "leg": "hips skirt l_leg_cloth r_leg_cloth",
    "shoe": "l_foot r_foot",
    "scalp": "hair fringe",
    "eye": "eye",
    "white": "white",
    "brow": "brow",
    "bag": "bag",
    "seat": "seat",
    "frame": "frame",
    "wheel": "wheel",
    "rim": "rim",
}
_ROW_OF = {name: row for row, name in enumerate(_ROWS)}
_FIXED = np.zeros((len(_ROWS), 3))
_FIXED[[_ROW_OF[n] for n in ("eye", "white", "wheel", "rim")]] = [[28], [236], [38], [190]]
_FIXED[_ROW_OF["seat"]] = 112, 84, 58
_ROW_OF_PART = np.zeros(len(PART), dtype=np.intp)
for _row, _parts in _PARTS_OF.items():
    _ROW_OF_PART[[PART[p] for p in _parts.split()]] = _ROW_OF[_row]
_ARMS = [PART[f"{s}_{p}"] for s in "lr" for p in ("upper_arm", "forearm")]
_LEGS = [PART[f"{s}_{p}"] for s in "lr" for p in ("thigh", "shin")]


def _build_palette(
    colours: dict[str, Floats],
    sleeves: NDArray[np.int64],
    legs: NDArray[np.int64],
    bald: Mask,
    neckline: Mask,
) -> Bytes:
    """Return (n, parts, 3) colours from those of top, legs, skin, hair, shoes and bag."""
    n, skin, hair, bag = len(sleeves), colours["skin"], colours["hair"], colours["bag"]
    rows = np.empty((n, len(_ROWS), 3))
    rows[:] = _FIXED
    made = {
        **colours,
        "ear": skin * np.array([0.93, 0.88, 0.86]),
        "mouth": skin * np.array([0.72, 0.5, 0.5]),
        "brow": hair * 0.8,
        "scalp": np.where(bald[:, None], skin * 0.97, hair),
        "frame": bag * 0.6 + 40,
    }
    for name, colour in made.items():
        rows[:, _ROW_OF[name]] = colour
    # Black and white leave no room for light and shade.
    palette = np.clip(rows, 14, 244).astype(np.uint8)
    palette[:, 0] = 0
    painted = palette[:, _ROW_OF_PART]
    for parts, covered, name in ((_ARMS, sleeves == 2, "top"), (_LEGS, legs == 1, "leg")):
        cloth = palette[covered, _ROW_OF[name]]
        painted[np.ix_(covered, parts)] = cloth[:, None]
    painted[neckline, PART["detail"]] = palette[neckline, _ROW_OF["skin"]]
    return painted
