"""Count people who are smaller than a model resolved in `smallpose resolution`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.resolution.curve_file import NAME, CurveRecord, read_curve_file

Floats = NDArray[np.float64]
_SENSORS = ("camera", "clean")  # images of a camera lose more than the clean ones


@dataclass(frozen=True)
class ResolvedHeight:
    """The height below which a model lost more than half of its AP.

    Args:
        px: of a person's box in the image; 0 where the AP did not fall to its half.
        model, sensor: of the curve, by its names.
        largest: height at which the whole AP was measured, px.
        path: of the curve.
        frame: around each reduced image, "" for none.
    """

    px: float
    model: str
    sensor: str
    largest: float
    path: Path
    frame: str = ""


def find_curve(curve: Path | None, weights: Path | str | None) -> Path | None:
    """Return the curve that was named, else that beside the weights; None where there is none."""
    if curve is not None:
        return curve / NAME if curve.is_dir() else curve
    if weights is None:
        return None
    path = Path(weights)
    beside = (path if path.is_dir() else path.parent) / NAME
    return beside if path.exists() and beside.is_file() else None


def read_resolved_height(path: Path, names: Sequence[str]) -> ResolvedHeight | None:
    """Read the height at which half of a model's AP is left; None where the curve has none.

    Args:
        names: of the model, such as its method's and its run's; a file with one model needs none.

    Raises: InputError when the file has several models and none of these names.
    """
    content = read_curve_file(path.parent, path.name)
    models = content.models
    model = next((name for name in names if name in models), "")
    if not model and len(models) > 1:
        raise InputError(
            str(path),
            f"has curves of {', '.join(models)}, and none is called {' or '.join(names)}",
            "run 'smallpose resolution' for this model, or name its curve by --curve",
        )
    model = model or next(iter(models))
    sensors = models[model]
    for sensor in [name for name in _SENSORS if name in sensors] or list(sensors)[:1]:
        px = _get_half_height(sensors[sensor])
        if px is not None:
            largest = sensors[sensor].heights[-1].px
            return ResolvedHeight(px, model, sensor, largest, path, content.settings.frame)
    return None


def _get_half_height(curve: CurveRecord) -> float | None:
    if not curve.heights:
        return None
    if curve.half_ap_px.value is not None:
        return curve.half_ap_px.value
    return None if curve.half_ap_px.below is None else 0.0


def describe_small_people(
    resolved: ResolvedHeight, predicted_px: Floats, labelled_px: Floats
) -> str:
    """Return a warning where people are smaller than a model resolved; "" where nobody is.

    Args:
        predicted_px, labelled_px: heights of the boxes of people in the images.
    """
    parts = []
    for word, heights in (("predicted", predicted_px), ("labelled", labelled_px)):
        num_small = int((heights < resolved.px).sum())
        if num_small:
            parts.append(
                f"{num_small:,} of {format_count(len(heights), 'person', 'people')} {word}"
            )
    if not parts:
        return ""
    return (
        f"{' and '.join(parts)} are less than {resolved.px:.0f} px tall, where {resolved.model} "
        f"has less than half of its AP at {resolved.largest:.0f} px ({resolved.sensor}; "
        f"{resolved.path})"
    )
