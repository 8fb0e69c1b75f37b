"""Add results to a leaderboard and remove them; every change rebuilds the page."""

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.cut_scores import collect_score_facts
from smallpose.evaluation.analysis.missing_images import collect_image_facts
from smallpose.evaluation.comparability import describe_label_boxes
from smallpose.evaluation.doubts import is_doubt
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.sigma_file import JointSigmas
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import is_result_file, read_results
from smallpose.io.frame_groups import VIDEO_HINT, select_group_notes
from smallpose.io.result_environment import read_environment
from smallpose.io.result_folders import name_result_file
from smallpose.io.unknown_images import UnknownImages
from smallpose.report.inputs.arguments import check_name
from smallpose.report.leaderboard.board import (
    SCORES,
    Board,
    Row,
    Speed,
    TrainingSet,
    read_board,
    read_draws,
    write_board,
    write_draws,
)
from smallpose.report.leaderboard.board_rules import (
    BoardOptions,
    choose_rules,
    choose_sigmas,
    group_frames_of_board,
    start_board,
)
from smallpose.report.leaderboard.board_scores import (
    MAX_DETECTIONS,
    PROTOCOLS,
    compute_score_intervals,
    resample_scores,
    select_ranked,
)
from smallpose.report.leaderboard.page import write_page
from smallpose.report.leaderboard.standings import Standing, rank_rows
from smallpose.report.leaderboard.submission_checks import check_submission
from smallpose.report.leaderboard.training_sets import (
    compare_with_training_set,
    find_overlap,
    score_rest,
)
from smallpose.system.files import hash_file, read_bytes
from smallpose.system.lock import hold_lock

UNDECLARED = "unknown"
_WAIT_S = 60.0


@dataclass(frozen=True)
class Submission:
    """A result and what its author says of it.

    Args:
        path: the result file.
        trained_on: names of the training sets; empty, or "unknown", where they are not declared.
        unknown_images: as for `read_results`.
    """

    path: Path
    name: str
    by: str = ""
    speed: Speed | None = None
    trained_on: tuple[str, ...] = ()
    unknown_images: UnknownImages = "refuse"


def add_submission(
    folder: Path,
    truth_path: Path,
    submission: Submission,
    options: BoardOptions | None = None,
    replace_row: bool = False,
) -> list[Standing]:
    """Check a result, store its scores and rebuild the page.

    Args:
        folder: of the board; it is created by its first row.
        options: rules of a new board; on an existing one they must be its own.
        replace_row: replace the row of that name.

    Returns: the rows of the board in its order.
    Raises: InputError when the result makes no sense, or does not belong on this board.
    """
    name = check_name("--name", submission.name)
    trained_on = _read_declaration(submission.trained_on)
    board = read_board(folder)
    digest = hashlib.sha256(read_bytes(truth_path)).hexdigest()
    options = options or BoardOptions()
    rules = choose_rules(board, truth_path, digest, options)
    if is_result_file(truth_path):
        raise InputError(
            str(truth_path), "holds predictions, not labels", "pass the ground truth before them"
        )
    truth = group_frames_of_board(board, read_coco(truth_path), submission.path)
    rules = choose_sigmas(board, rules, truth, options.sigmas, submission.path)
    sigmas = None
    if rules.sigmas is not None:
        borrowed = tuple(rules.not_measured.items())
        sigmas = JointSigmas(tuple(rules.sigmas), truth.skeleton.spelled_joints, borrowed)
    predictions = read_results(submission.path, truth, unknown_images=submission.unknown_images)
    joints = COCO17.joints if rules.keypoints == "coco17" else truth.skeleton.joints
    notes = check_submission(
        submission.path, truth, predictions, joints, rules.max_per_image, sigmas
    )
    evaluation = evaluate(
        truth,
        predictions,
        protocols=PROTOCOLS,
        keypoints=rules.keypoints,
        max_detections=MAX_DETECTIONS,
        sigmas=sigmas,
    )
    draws = resample_scores(evaluation, rules)
    facts = collect_score_facts(evaluation, read_environment(submission.path))
    row = Row(
        name=name,
        by=check_name("--by", submission.by) if submission.by else "",
        added=datetime.datetime.now(datetime.UTC).date().isoformat(),
        file=name_result_file(submission.path),
        sha256=_hash_results(submission.path),
        num_detections=len(predictions),
        num_images=len(set(predictions.image_ids.tolist())),
        scores={protocol: select_ranked(evaluation[protocol]) for protocol in PROTOCOLS},
        intervals=compute_score_intervals(evaluation, draws),
        speed=submission.speed,
        trained_on=trained_on,
        notes=_add_doubts(notes, truth, evaluation),
        rest=score_rest(
            find_overlap(board, trained_on) if board else None,
            truth,
            predictions,
            rules,
            protocols=PROTOCOLS,
            max_detections=MAX_DETECTIONS,
            sigmas=sigmas,
        ),
        score_limit=facts.limit,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / ".lock", _WAIT_S):
        board = read_board(folder) or start_board(rules, truth, evaluation)
        _check_row_is_new(board, row, replace_row)
        rows = [other for other in board.rows if other.name != row.name]
        board = msgspec.structs.replace(board, rows=[*rows, row])
        images = collect_image_facts(evaluation).to_arrays()
        write_draws(folder, row, {**draws, SCORES: facts.sample(), **images})
        return _write_everything(folder, board)


def _add_doubts(notes: Sequence[str], truth: Instances, evaluation: Evaluation) -> list[str]:
    """Add what `evaluate` and `compare` say against the scores, intervals and verdicts of a row."""
    doubts = [note.replace(VIDEO_HINT, "") for note in evaluation.notes if is_doubt(note)]
    boxes = describe_label_boxes(evaluation.settings)
    return list(dict.fromkeys([*notes, *select_group_notes(truth.notes), *doubts, *boxes]))


def remove_row(folder: Path, name: str) -> list[Standing]:
    """Remove a row and rebuild the page; returns the rows that are left."""
    with hold_lock(_require_board(folder) / ".lock", _WAIT_S):
        board = read_board(folder)
        row = board.find_row(name) if board else None
        if board is None or row is None:
            names = ", ".join(other.name for other in board.rows) if board else ""
            raise InputError(f"{folder}: {name!r}", "no row of that name", f"give one of: {names}")
        board = msgspec.structs.replace(board, rows=[r for r in board.rows if r is not row])
        standings = _write_everything(folder, board)
        if all(other.draws_file != row.draws_file for other in board.rows):
            (folder / row.draws_file).unlink(missing_ok=True)
        return standings


def add_training_set(
    folder: Path,
    truth_path: Path,
    name: str,
    *,
    images: Path,
    training_images: Path,
    replace_set: bool = False,
    workers: int = 1,
) -> TrainingSet:
    """Compare the images of a training set with the test images, and rebuild the page.

    Args:
        folder: of a board that exists.
        truth_path, name, images, training_images, workers: as for `compare_with_training_set`.
        replace_set: replace the training set of that name.
    """
    board = read_board(_require_board(folder))
    assert board is not None
    digest = hashlib.sha256(read_bytes(truth_path)).hexdigest()
    choose_rules(board, truth_path, digest, BoardOptions())
    _check_set_is_new(board, name, replace_set)
    made = compare_with_training_set(truth_path, name, images, training_images, workers)
    with hold_lock(folder / ".lock", _WAIT_S):
        board = read_board(folder)
        assert board is not None
        _check_set_is_new(board, name, replace_set)
        others = [one for one in board.training_sets if one.name != made.name]
        board = msgspec.structs.replace(board, training_sets=[*others, made])
        _write_everything(folder, board)
    return made


def _check_set_is_new(board: Board, name: str, replace_set: bool) -> None:
    if not replace_set and any(one.name == name for one in board.training_sets):
        raise InputError(
            f"--name {name!r}",
            "is a training set of the board already",
            "give another name, or replace that set by --replace",
        )


def rebuild_page(folder: Path) -> list[Standing]:
    """Write the page of a board again, such as after an update of smallpose."""
    with hold_lock(_require_board(folder) / ".lock", _WAIT_S):
        board = read_board(folder)
        assert board is not None
        return _write_everything(folder, board)


def _require_board(folder: Path) -> Path:
    if read_board(folder) is None:
        raise InputError(
            str(folder),
            "is no leaderboard yet",
            f"run: smallpose leaderboard add {folder} TRUTH.json PREDICTIONS.json --name NAME",
        )
    return folder


def _write_everything(folder: Path, board: Board) -> list[Standing]:
    draws = read_draws(folder, board)
    write_board(folder, board)
    write_page(folder, board, draws)
    return rank_rows(board, draws, board.rules.rank_by, board.rules.protocol)


def _check_row_is_new(board: Board, row: Row, replace_row: bool) -> None:
    if board.find_row(row.name) is not None and not replace_row:
        raise InputError(
            f"--name {row.name!r}",
            "is on the board already",
            "give another name, or replace that row by --replace",
        )
    for other in board.rows:
        if other.sha256 == row.sha256 and other.name != row.name:
            raise InputError(
                row.file,
                f"the same results are on the board as {other.name!r}",
                "add the results of another model",
            )


def _read_declaration(names: Sequence[str]) -> list[str] | None:
    """Return the training sets that were declared; None where they are unknown."""
    cleaned = [check_name("--trained-on", name) for name in names]
    if not cleaned or cleaned == [UNDECLARED]:
        return None
    if UNDECLARED in cleaned:
        raise InputError(
            f"--trained-on {UNDECLARED}",
            "was given beside names of training sets",
            "give the names, or 'unknown' alone",
        )
    return sorted(set(cleaned))


def _hash_results(path: Path) -> str:
    """Return the hash of a result file, or of all that a folder of results may be read from."""
    if path.is_file():
        return hash_file(path)
    files = (file for file in path.rglob("*") if file.suffix in (".json", ".txt"))
    parts = [f"{file.relative_to(path).as_posix()} {hash_file(file)}" for file in sorted(files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
