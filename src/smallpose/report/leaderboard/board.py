"""The files of a leaderboard: `board.json` with rules and rows, and the resamples of each row.

Rows are compared on the same resamples of images. These are stored instead of the results, so that
a row needs 100 kB and no predictions are published.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.system.files import read_bytes, write_atomically
from smallpose.system.json_decode import read_json

BOARD_FILE = "board.json"
FORMAT = 1
# Metrics that a board can be ordered by.
RANKED = (
    "AP",
    "AP50",
    "AP75",
    "AP_S",
    "AP_M",
    "AP_L",
    "AP_S_sparse",
    "AP_S_moderate",
    "AP_S_dense",
    "AR",
)
SCORES = "scores"  # among the resamples of a row: a sample of those of its detections
Floats = NDArray[np.float64]
Draws = Mapping[str, Floats]  # by "protocol/metric"
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Rules(Struct, frozen=True):
    """What all rows of a board share; set by its first row.

    Args:
        truth_file, truth_sha256: the ground truth; the hash is of the uncompressed file.
        keypoints: "all" joints of the ground truth or "coco17".
        rank_by: metric that orders the rows.
        protocol: of that metric.
        max_per_image: detections of an image above which a result is refused.
        num_resamples, seed: of the bootstrap.
        sigmas: of OKS, one per joint of the ground truth in its order; None for those of the
            joints.
        not_measured: by joint, where a sigma that was not measured was taken from.
    """

    truth_file: str
    truth_sha256: Digest
    keypoints: str = "all"
    rank_by: str = "AP"
    protocol: str = "coco"
    max_per_image: int = 100
    num_resamples: int = 1000
    seed: int = 0
    sigmas: list[float] | None = None
    not_measured: dict[str, str] = {}


class Speed(Struct, frozen=True):
    """How fast a method is, as its author measured it."""

    ms_per_image: float
    device: str


class TrainingSet(Struct, frozen=True):
    """A training set, and the test images that it contains.

    Args:
        num_images: of the training set.
        exact: ids of test images whose file is among its files.
        near: ids of test images with a near-duplicate among its images.
        not_compared: ids of test images that are missing or cannot be read.
    """

    name: str
    num_images: int
    exact: list[int]
    near: list[int]
    not_compared: list[int] = []


class Rest(Struct, frozen=True):
    """Scores of a row on the test images that it has not trained on.

    Args:
        excluded_sha256: of the ids of the images that are left out.
        num_images, num_people: that are left.
        scores: by protocol and metric, 0 to 1.
    """

    excluded_sha256: Digest
    num_images: int
    num_people: int
    scores: dict[str, dict[str, float | None]]


class Row(Struct, frozen=True):
    """One result on the board.

    Args:
        by: who added it; "" if that was not said.
        added: the day, as in 2026-11-29.
        file, sha256: of the result file.
        scores, intervals: by protocol and metric, 0 to 1.
        trained_on: names of the training sets; None where they were not declared.
        notes: what a reader should know, as plain sentences.
        rest: scores on test images that it has not trained on, where these are known.
        score_limit: what limits on scores left out, as of `ScoreFacts`.
    """

    name: str
    by: str
    added: str
    file: str
    sha256: Digest
    num_detections: int
    num_images: int
    scores: dict[str, dict[str, float | None]]
    intervals: dict[str, dict[str, tuple[float, float] | None]]
    speed: Speed | None = None
    trained_on: list[str] | None = None
    notes: list[str] = []
    rest: Rest | None = None
    score_limit: str | None = None

    @property
    def draws_file(self) -> str:
        """Return the path of its resamples below the board's folder."""
        return f"draws/{self.sha256[:32]}.npz"

    def get_score(self, protocol: str, metric: str) -> Interval | None:
        """Return a metric in points with its 95 % interval; None for a class without people."""
        value = self.scores[protocol].get(metric)
        if value is None:
            return None
        ends = self.intervals[protocol].get(metric)
        return (Interval(value, *ends) if ends else Interval(value)) * 100


class Board(Struct, frozen=True):
    """A leaderboard.

    Args:
        people: in each class of the ground truth.
        num_images: of the ground truth.
        num_clusters: images, or videos, that are resampled.
        class_clusters: clusters that have a person of the class.
        training_sets: whose images were compared with those of the ground truth.
        videos: of each image, by the `frames.json` beside the results of the first row; empty where
            there was none, or the ground truth has groups.
    """

    rules: Rules
    people: dict[str, int]
    num_images: int
    num_clusters: int
    class_clusters: dict[str, int]
    rows: list[Row]
    format: int = FORMAT
    training_sets: list[TrainingSet] = []
    videos: list[str] = []

    def find_row(self, name: str) -> Row | None:
        """Return the row of that name, if there is one."""
        return next((row for row in self.rows if row.name == name), None)


def read_board(folder: Path) -> Board | None:
    """Read a board; None where the folder is empty or does not exist.

    Raises: InputError when the folder has other files, or was written by a later version.
    """
    path = folder / BOARD_FILE
    if not path.is_file():
        _refuse_foreign_folder(folder)
        return None
    board: Board = read_json(path, Board)
    if board.format != FORMAT:
        raise InputError(
            str(path), f"has format {board.format}, not {FORMAT}", "install the smallpose it is of"
        )
    return board


def _refuse_foreign_folder(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(str(folder), "is a file", "give the folder of the board")
    # An `add` that ended on a full disk may have left the folder of resamples alone.
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    foreign = names - {"draws"}
    if foreign:
        raise InputError(
            str(folder),
            f"is no leaderboard: it has {sorted(foreign)[0]!r} and no {BOARD_FILE}",
            "give the folder of a board, or a new one",
        )


def write_board(folder: Path, board: Board) -> None:
    """Write `board.json`."""
    text = msgspec.json.format(msgspec.json.encode(board), indent=1)
    write_atomically(folder / BOARD_FILE, text + b"\n")


def write_draws(folder: Path, row: Row, draws: Draws) -> None:
    """Write the resamples of a row."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **draws)
    write_atomically(folder / row.draws_file, buffer.getvalue())


def read_draws(folder: Path, board: Board) -> dict[str, Draws]:
    """Read the resamples of all rows, by the name of the row.

    Raises: InputError when those of a row are missing or were changed.
    """
    draws: dict[str, Draws] = {}
    for row in board.rows:
        path = folder / row.draws_file
        try:
            with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
                draws[row.name] = {key: np.asarray(file[key], np.float64) for key in file.files}
        except (InputError, ValueError, OSError, EOFError, KeyError):
            raise InputError(
                str(path),
                f"the resamples of {row.name!r} cannot be read",
                "restore the file, or add the result again with --replace",
            ) from None
    return draws
