"""What `smallpose predict` writes and prints beside its results."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.cli.options import AUTO_ZOOM

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from smallpose.core.score_limits import ScoreLimit
    from smallpose.core.skeleton import Skeleton
    from smallpose.inference.low_scores import ScoreCollector
    from smallpose.inference.options import InferenceOptions
    from smallpose.inference.reduced_images import ImageSizeCounter
    from smallpose.methods import PoseMethod
    from smallpose.resolution.small_people import ResolvedHeight

    Floats = NDArray[float64]


def write_method_environment(
    out: Path,
    method: "PoseMethod",
    options: "InferenceOptions",
    limits: "Sequence[ScoreLimit]" = (),
) -> None:
    """Record packages, precision, processor and run beside the results, which have no room.

    Args:
        limits: on scores; what they have left out is recorded, too.
    """
    from smallpose.inference.environment import describe_method_environment
    from smallpose.io.result_environment import write_environment
    from smallpose.io.trained_images import describe_run

    environment = describe_method_environment(method, options)
    environment |= describe_run(method.weights_path, out)
    if limits:
        environment["score_limits"] = {limit.name: limit.to_dict() for limit in limits}
    write_environment(out, environment)


def print_joint_order(skeleton: "Skeleton", is_named: bool, image_list: Path | None = None) -> None:
    """Name the joints of results that are not in the order of a file.

    Args:
        is_named: whether the results have the names. Other joints than COCO's 17 need them where
            results are read.
        image_list: the list of images beside the results, which has the names, too; None without.
    """
    from smallpose.core.skeleton import COCO17
    from smallpose.system.progress import print_status

    print_status(f"joints of the results, in their order: {', '.join(skeleton.spelled_joints)}")
    if is_named or skeleton.joints == COCO17.joints:
        return
    if image_list is None:
        print_status(
            "they are not COCO's 17: add --own-joints, so that their names are in the results and "
            "'smallpose evaluate' can score them"
        )
        return
    print_status(
        f"they are not COCO's 17: 'smallpose evaluate' reads their names from {image_list.name}; "
        "without that file, they must be in the results (--own-joints)"
    )


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


def print_many_left_out(limits: "Iterable[ScoreLimit]", scores: "ScoreCollector") -> None:
    """Print which limits on scores leave out more people than they keep.

    Args:
        scores: of those that they keep.
    """
    from smallpose.core.score_limits import list_many_left_out
    from smallpose.system.progress import print_status

    for remark in list_many_left_out(limits, scores.compute_low_limit()):
        print_status(remark)


def print_reduction(
    args: argparse.Namespace, method: "PoseMethod", sizes: "ImageSizeCounter"
) -> None:
    """Print which people a full-image method hardly sees in large images, unless there are tiles.

    Args:
        method: that detects people.
    """
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.system.progress import print_status

    if args.tile or args.input_side or not isinstance(method, FullImageMethod):
        return
    instead_of = "--zoom auto" if args.zoom == AUTO_ZOOM else ""
    message = sizes.describe_reduction(method, instead_of)
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


def read_resolved_curve(args: argparse.Namespace) -> "ResolvedHeight | None":
    """Read the height that a model resolves from its curve, if there is one."""
    from smallpose.resolution.small_people import find_curve, read_resolved_height

    path = find_curve(args.curve, args.weights)
    if path is None:
        return None
    return read_resolved_height(path, (Path(args.weights or "").name, args.method))


def print_labelled_boxes(method: "PoseMethod", data: Path, boxes: object) -> None:
    """Say that people get the boxes of their labels, which are better than any detector's."""
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.system.progress import print_status

    if boxes is None and not isinstance(method, FullImageMethod):
        print_status(
            f"boxes: those of the labels in {data}; --boxes-from MODEL takes detected ones, as a "
            "comparison with a model that finds people itself needs"
        )


def print_missing_frame(resolved: "ResolvedHeight | None", method: "PoseMethod") -> None:
    """Say what the curve of a model that looks at whole images means without frames."""
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.resolution.frame import describe_missing_frame
    from smallpose.system.progress import print_status

    if resolved and not resolved.frame and isinstance(method, FullImageMethod):
        print_status(f"{resolved.path}: {describe_missing_frame([resolved.model])}")


def print_small_people(
    resolved: "ResolvedHeight | None", predicted_px: "list[Floats]", labelled_px: "Floats"
) -> None:
    """Warn of people who are smaller than the model resolved."""
    if resolved is None:
        return
    import numpy as np

    from smallpose.resolution.small_people import describe_small_people
    from smallpose.system.progress import print_status

    warning = describe_small_people(
        resolved, np.concatenate([*predicted_px, np.zeros(0)]), labelled_px
    )
    if warning:
        print_status(f"warning: {warning}")
