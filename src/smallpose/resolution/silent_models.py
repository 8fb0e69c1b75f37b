"""Name models that detect nobody, which is more often a fault of the call than of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.counts import format_count


@dataclass(frozen=True)
class DetectionCount:
    """How much a model detected in the images of one height and sensor.

    Args:
        px: height of the people.
        num_detections: in all images.
        num_images: images, with one chosen person each.
        share_found: of the chosen people, 0 to 1.
        log: file of what a program printed, below the folder of the study; "" for methods.
    """

    px: int
    num_detections: int
    num_images: int
    share_found: float
    log: str = ""


_OUT = "OUT"  # in notes, which are the same wherever the results are written


def name_output_folder(note: str, out: Path) -> str:
    """Return a note with the folder of the results in the place of `OUT`."""
    return note.replace(f"what it printed: {_OUT}/", f"what it printed: {out}/")


def describe_silent_models(counts: Mapping[str, Sequence[DetectionCount]]) -> list[str]:
    """Return a sentence for each model that detects nobody where people are tallest.

    Args:
        counts: of each model at all heights and sensors.
    """
    notes = []
    for name, all_counts in counts.items():
        tallest = max(count.px for count in all_counts)
        at_tallest = [count for count in all_counts if count.px == tallest]
        num_images = sum(count.num_images for count in at_tallest)
        log = f"; what it printed: {_OUT}/{at_tallest[-1].log}" if at_tallest[-1].log else ""
        if not any(count.num_detections for count in at_tallest):
            is_empty = not any(count.num_detections for count in all_counts)
            where = "at any height" if is_empty else f"at {tallest} px, the largest height"
            notes.append(
                f"{name} wrote no detection {where} (in {format_count(num_images, 'image')} with "
                f"people of {tallest} px), so its curve says nothing about small people{log}"
            )
        elif not any(count.share_found for count in at_tallest):
            num_detections = sum(count.num_detections for count in at_tallest)
            notes.append(
                f"{name} wrote {format_count(num_detections, 'detection')} at {tallest} px, the "
                "largest height, and none is near a chosen person: keypoints are to be in px of "
                f"the image that it is given, in the order of the labels, with its id{log}"
            )
    return notes
