"""What `smallpose predict` writes and prints beside its results."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smallpose.core.skeleton import Skeleton
    from smallpose.inference.low_scores import ScoreCollector
    from smallpose.inference.options import InferenceOptions
    from smallpose.methods import PoseMethod


def write_method_environment(out: Path, method: "PoseMethod", options: "InferenceOptions") -> None:
    """Record the packages, precision and processor beside the results, which have no room."""
    from smallpose.inference.environment import describe_method_environment
    from smallpose.io.result_environment import write_environment

    write_environment(out, describe_method_environment(method, options))


def print_joint_order(skeleton: "Skeleton") -> None:
    """Name the joints of results that are not in the order of a file."""
    from smallpose.system.progress import print_status

    print_status(f"joints of the results, in their order: {', '.join(skeleton.joints)}")


def print_low_scores(
    args: argparse.Namespace, method: "PoseMethod", scores: "ScoreCollector"
) -> None:
    """Print how many of the people predicted have a low score, and what leaves them out.

    Nothing is printed with --min-score, nor for people whose boxes are labelled.
    """
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.system.progress import print_status

    finds_people = isinstance(method, FullImageMethod)
    has_labelled_boxes = args.data and not (finds_people or args.boxes or args.boxes_from)
    if args.min_score is not None or has_labelled_boxes:
        return
    message = scores.describe_low_scores()
    if message:
        print_status(message)


def print_rounded_sides(method: "PoseMethod", options: "InferenceOptions") -> None:
    """Print in which input images are fitted where a side is no multiple that a network takes."""
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.system.progress import print_status

    if not isinstance(method, FullImageMethod) or method.engine != "torch":
        return
    for flag, side in (("--input-side", options.input_side), ("--tile-to", options.tile_to)):
        rounded = -(-side // method.size_divisor) * method.size_divisor
        if rounded != side:
            print_status(
                f"{flag} {side}: {method.name} takes multiples of {method.size_divisor} px, so "
                f"{rounded} is used"
            )


def get_image_list_path(out: Path) -> Path:
    """Return the path of the list of images beside results."""
    return out.with_name(f"{out.stem}.images.json")
