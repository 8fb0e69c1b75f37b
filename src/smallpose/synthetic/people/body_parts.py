"""Define the parts of a figure and which of them show a joint.

Each pixel of a drawn figure has the number of the topmost part. Colours come from a palette
afterwards, and a joint is visible where the topmost part is one of its own.

Each pixel of a drawn figure holds the number of the part on top there; colours come from a palette
afterwards, and a joint is seen where the top part is one of its own.
"""

import numpy as np

from smallpose.core.skeleton import SMALLPOSE

_LIMB_PARTS = ("upper_arm", "forearm", "hand", "sleeve", "thigh", "shin", "foot", "leg_cloth")
PARTS = (
    "",
    "hair",
    "fringe",
    "face",
    "ear",
    "nose",
    "mouth",
    "eye",
    "white",
    "brow",
    "neck",
    "shirt",
    "detail",
    "number",
    "hips",
    "skirt",
    "hat",
    "bag",
    "seat",
    "frame",
    "wheel",
    "rim",
    *(f"{side}_{part}" for side in "lr" for part in _LIMB_PARTS),
)
PART = {name: number for number, name in enumerate(PARTS)}

_HEAD = "hair fringe face ear nose mouth eye white brow hat"
_OWN = {
    "nose": "face nose eye mouth white brow",
    "head_top": f"{_HEAD}",
    "eye": "face eye white brow nose fringe",
    "ear": "ear face hair fringe hat",
    "head_bottom": "neck face hair shirt",
    "chest": "shirt detail number neck",
    "pelvis": "hips shirt skirt detail L_leg_cloth R_leg_cloth L_thigh R_thigh",
    "shoulder": "S_upper_arm S_sleeve",
    "elbow": "S_upper_arm S_forearm S_sleeve",
    "wrist": "S_forearm S_hand",
    "hip": "S_thigh S_leg_cloth skirt",
    "knee": "S_thigh S_shin S_leg_cloth skirt",
    "ankle": "S_shin S_foot",
}
# The trunk shows a shoulder or hip only when it is on the near side of the body.
_NEAR = {"shoulder": "shirt detail number", "hip": "hips shirt skirt detail"}


def _build_table(own: dict[str, str]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    table = np.zeros((len(SMALLPOSE), 64), dtype=bool)
    for row, joint in enumerate(SMALLPOSE.joints):
        side, _, kind = joint.partition("_")
        parts = own.get(joint, own.get(kind, ""))
        parts = parts.replace("S_", f"{side[0]}_").replace("L_", "l_").replace("R_", "r_")
        table[row, [PART[p] for p in parts.split()]] = True
    return table


# Objects that carry a person, such as a chair: the first and the last part number.
CARRIED = (PART["seat"], PART["rim"])

# (21, 64) whether a part shows a joint: always, and when the joint is on the near side.
SHOWS = _build_table(_OWN)
SHOWS_NEAR = SHOWS | _build_table(_NEAR)
