"""Read what `smallpose evaluate` scores."""

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from smallpose.cli.scoring_options import PARTS, read_scoring_options, use_run_sigmas
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.core.instances import Instances
    from smallpose.core.predictions import Predictions
    from smallpose.evaluation.measures.definition import Measure
    from smallpose.io.annotation_scan import ScanAhead


class Inputs(NamedTuple):
    """What is scored, and how.

    Args:
        predictions: of the file, where the rules have changed them.
        options: of `smallpose.evaluate`.
    """

    truth: "Instances"
    predictions: "Predictions | None"
    options: dict[str, Any]
    measures: "tuple[Measure, ...]"


def read_inputs(args: argparse.Namespace, ahead: "ScanAhead | None", is_plain: bool) -> Inputs:
    """Read the ground truth with the options of scoring, and the results where rules change them.

    Args:
        ahead: of the labels, where their scan has begun.
        is_plain: only metrics are asked for, which need no table of keypoints.
    """
    truth, predictions, options = _read_by_rules(args, read_scoring_options(args), ahead, is_plain)
    use_run_sigmas(options, truth, [args.predictions])
    truth = _group_frames(args, truth)
    if args.swap is not None:
        from smallpose.io.joint_pairs import set_pairs_of_people

        truth = set_pairs_of_people(truth, args.swap)
    return Inputs(truth, predictions, options, _parse_measures(args, truth))


def _group_frames(args: argparse.Namespace, truth: "Instances") -> "Instances":
    """Let intervals resample videos, where images are known to be frames of them."""
    from smallpose.io.frame_groups import group_frames, group_listed_frames

    if args.video:
        from smallpose.io.track_records import read_video_records

        videos = read_video_records(args.truth, truth).videos
        truth = group_frames(truth, videos, "they are frames by their names (--video)")
    return group_listed_frames(truth, [args.predictions])


def _read_by_rules(
    args: argparse.Namespace,
    options: dict[str, Any],
    ahead: "ScanAhead | None",
    is_plain: bool,
) -> "tuple[Instances, Predictions | None, dict[str, Any]]":
    """Read the ground truth, and the results where the rules change them; return the options, too.

    Raises: InputError where the rules do not fit the files or each other.
    """
    from smallpose.io.coco_annotations import read_coco

    if args.keypoints in PARTS:
        for is_given, flag in ((args.video, "--video"), (args.rules != "coco", "--rules")):
            if is_given:
                raise InputError(
                    f"--keypoints {args.keypoints}", f"{flag} does not know parts", f"omit {flag}"
                )
        from smallpose.evaluation.part_files import read_part

        part = read_part(
            args.truth, args.predictions, args.keypoints, args.category, args.unknown_images
        )
        sigmas = part.sigmas if options["sigmas"] is None else options["sigmas"]
        return part.truth, part.predictions, options | {"keypoints": None, "sigmas": sigmas}
    truth = read_coco(args.truth, category=args.category, packed=is_plain, ahead=ahead)
    if args.rules == "coco":
        return truth, None, options
    from smallpose.evaluation.analysis.crowdpose_rules import (
        get_crowdpose_options,
        take_scored_poses,
    )
    from smallpose.io.coco_results import read_results

    options = get_crowdpose_options(truth, options)
    predictions = read_results(args.predictions, truth, unknown_images=args.unknown_images)
    return truth, take_scored_poses(predictions), options


def _parse_measures(args: argparse.Namespace, truth: "Instances") -> "tuple[Measure, ...]":
    """Return the measures of --measure; none where it is not given."""
    if args.measure is None:
        if args.min_joint_score:
            raise InputError(
                f"--min-joint-score {args.min_joint_score:g}",
                "it belongs to --measure",
                "add --measure angle:left_elbow, or leave it out",
            )
        return ()
    from smallpose.evaluation.measures.definition import check_min_joint_score, parse_measures

    check_min_joint_score(args.min_joint_score)
    return parse_measures(args.measure, truth.skeleton)
