"""Choose the rules of a leaderboard, and start a board with them."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.skeleton import SIGMAS, Skeleton
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.run_sigmas import set_known_sigmas
from smallpose.evaluation.scoring.bootstrap import count_class_clusters, count_clusters
from smallpose.evaluation.sigma_file import set_sigmas
from smallpose.io.frame_groups import (
    FRAMES_NAME,
    group_frames,
    group_listed_frames,
    select_group_notes,
)
from smallpose.report.leaderboard.board import Board, Rules


@dataclass(frozen=True)
class BoardOptions:
    """What a new board is started with; None keeps the rule of the board, or takes its default.

    Args:
        sigmas: file of OKS sigmas.
    """

    keypoints: str | None = None
    rank_by: str | None = None
    protocol: str | None = None
    max_per_image: int | None = None
    sigmas: Path | None = None


def choose_rules(
    board: Board | None, truth_path: Path, digest: str, options: BoardOptions
) -> Rules:
    """Return the rules of the board, which a new one takes from the options.

    Raises: InputError when the ground truth or an option is another than that of the board.
    """
    asked = {
        name: value
        for name in ("keypoints", "rank_by", "protocol", "max_per_image")
        if (value := getattr(options, name)) is not None
    }
    if board is None:
        return Rules(truth_file=truth_path.name, truth_sha256=digest, **asked)
    rules = board.rules
    if digest != rules.truth_sha256:
        raise InputError(
            str(truth_path),
            f"is not the ground truth of this board, {rules.truth_file} (SHA-256 "
            f"{rules.truth_sha256[:12]}…)",
            "pass that file, or start another board",
        )
    for name, value in asked.items():
        own = getattr(rules, name)
        if value != own:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{flag} {value}",
                f"the board was started with {own}",
                f"leave {flag} out, or start another board",
            )
    return rules


def choose_sigmas(
    board: Board | None, rules: Rules, truth: Instances, file: Path | None, results: Path
) -> Rules:
    """Add the OKS sigmas to the rules: of the board, of a file, or of the run of its first row.

    A run's own are taken only for joints of which no sigma is known.

    Raises: InputError when the file has others than the board, or a joint has none.
    """
    if file is not None:
        given = set_sigmas(truth, file).skeleton
        if board is not None and given.sigmas.tolist() != rules.sigmas:
            raise InputError(
                f"--sigmas {file}",
                "the board was started with other OKS sigmas",
                "leave --sigmas out, or start another board",
            )
        return _add_sigmas(rules, given) if board is None else rules
    has_unknown = any(joint not in SIGMAS for joint in truth.skeleton.joints)
    if board is not None or not has_unknown or rules.keypoints == "coco17":
        return rules
    return _add_sigmas(rules, set_known_sigmas(truth, None, [results]).skeleton)


def _add_sigmas(rules: Rules, skeleton: Skeleton) -> Rules:
    return msgspec.structs.replace(
        rules, sigmas=skeleton.sigmas.tolist(), not_measured=skeleton.borrowed_sigmas
    )


def start_board(rules: Rules, truth: Instances, evaluation: Evaluation) -> Board:
    """Return a board without rows, with what its ground truth has."""
    clusters = count_class_clusters(evaluation.match_counts).tolist()
    return Board(
        rules=rules,
        people=evaluation.people,
        num_images=len(truth.images),
        num_clusters=count_clusters(evaluation.match_counts.groups),
        class_clusters={one.name: n for one, n in zip(CLASSES, clusters, strict=True)},
        rows=[],
        videos=list(truth.images.groups) if select_group_notes(truth.notes) else [],
    )


def group_frames_of_board(board: Board | None, truth: Instances, results: Path) -> Instances:
    """Let intervals resample videos, as `compare` does; a board's first row decides for all rows.

    Raises: InputError where images are frames of videos by `frames.json` beside the results, and
        the board has resampled them one by one.
    """
    if board is not None and board.videos:
        reason = f"they are frames by {FRAMES_NAME} beside the results of the first row"
        return group_frames(truth, board.videos, reason)
    grouped = group_listed_frames(truth, [results])
    if board is not None and select_group_notes(grouped.notes):
        raise InputError(
            str(results.parent / FRAMES_NAME),
            "says that images are frames of one video, which resemble each other, and the board "
            "resamples them one by one",
            "give images of one video the same 'group' in the labels, and start another board",
        )
    return grouped
