"""Parts of the chosen people that are scored on their own: cut off by the frame, and whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.resolution.curves import Curve
from smallpose.resolution.people import ChosenPeople

CUT_PX = 2.0  # of the stored image; boxes that come so near to its border count as cut off


@dataclass(frozen=True)
class PeoplePart:
    """The curves of a part of the chosen people.

    Args:
        name: of the part.
        num_people: in it.
        curves: by model, then by sensor; none without people.
    """

    name: str
    num_people: int
    curves: dict[str, dict[str, Curve]]

    def to_dict(self, level: float) -> dict[str, Any]:
        """Return the part for JSON."""
        models = {
            model: {sensor: curve.to_dict(level) for sensor, curve in by_sensor.items()}
            for model, by_sensor in self.curves.items()
        }
        return {"people": self.num_people, "models": models}


def find_cut_people(people: ChosenPeople, sizes_wh: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) whose box touches the border of their image.

    Args:
        sizes_wh: (n, 2) of the image of each person.
    """
    boxes = people.truth.boxes_xywh[people.rows]
    ends = boxes[:, :2] + boxes[:, 2:]
    return np.asarray(((boxes[:, :2] <= CUT_PX) | (ends >= sizes_wh - CUT_PX)).any(axis=1))


def describe_parts(parts: "tuple[PeoplePart, ...]") -> list[str]:
    """Say for each curve what a model reaches on each part, at the largest height."""
    if not all(part.curves for part in parts):
        return []
    sentences = []
    for model, by_sensor in parts[0].curves.items() if parts else ():
        for sensor in by_sensor:
            words = []
            for part in parts:
                point = part.curves[model][sensor].points[-1]
                interval = point.intervals["AP"]
                ends = ""
                if interval.has_ends:
                    ends = f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
                value = f"{100 * interval.value:.1f}{ends}"
                words.append(
                    f"{value} of the {format_count(part.num_people, 'person', 'people')} "
                    f"{part.name}"
                )
            px = parts[0].curves[model][sensor].points[-1].px
            sentences.append(f"{model}, {sensor}: AP at {px} px is {', and '.join(words)}.")
    return sentences
