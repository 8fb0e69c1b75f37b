"""Compute scene entropy (paper, Table 4): how undecided a scene classifier is about each image.

The probabilities come from a Places365 network (`inference/scene_classifier.py`) or from a file.
Entropies are in nats; for 365 classes they are at most ln 365 = 5.900.
"""

import csv
import io
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.stats.mean_interval import Estimate, estimate_mean, estimate_variance
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import read_json
from smallpose.system.packages import explain_import_error

Floats = NDArray[np.float64]
_SUM_TOLERANCE = 1e-3  # the probabilities of an image may miss the sum of 1 by this


def compute_scene_entropy(probabilities: Floats) -> Floats:
    """Return (m,) entropies, natural log, of (m, classes) probabilities; 0 ln 0 is 0.

    >>> float(compute_scene_entropy(np.full((1, 365), 1 / 365))[0].round(3))
    5.9
    """
    p = np.asarray(probabilities, dtype=np.float64)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(np.abs((p * logs).sum(axis=1)))  # a certain image has 0, not -0


@dataclass(frozen=True)
class SceneStatistics:
    """The two numbers of Table 4 for one data set, each with its interval.

    Args:
        entropy: (m,) nats, one per image.
        classes: number of classes of the classifier.
    """

    entropy: Floats
    classes: int
    mean: Estimate
    variance: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "images": len(self.entropy),
            "classes": self.classes,
            "unit": "nats",
            "mean": self.mean.to_dict(),
            "variance": self.variance.to_dict(),
        }


def summarize_scenes(
    probabilities: Floats, groups: tuple[str, ...] | None = None
) -> SceneStatistics:
    """Estimate the mean and the variance of the entropy over images.

    Args:
        probabilities: (m, classes).
        groups: (m,) video of each image, "" for none; images of one video resemble each other.
    """
    entropy = compute_scene_entropy(probabilities)
    return SceneStatistics(
        entropy=entropy,
        classes=probabilities.shape[1],
        mean=estimate_mean(entropy, groups),
        variance=estimate_variance(entropy, groups),
    )


def read_probabilities(path: Path) -> Floats:
    """Read (m, classes) from `.npy`, `.csv`, `.json` or `.parquet`, one row per image.

    A CSV may have a head and a first column of names; JSON is a list of rows, or maps names to
    rows; Parquet has one column per class, or one column of lists.

    Raises: InputError when rows are not probabilities.
    """
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    readers = {
        "npy": _read_npy,
        "csv": _read_csv,
        "json": _read_json_rows,
        "parquet": _read_parquet,
    }
    if kind not in readers:
        raise InputError(
            str(path),
            f"probabilities are not read from .{kind} files",
            "give .npy, .csv, .json or .parquet",
        )
    try:
        rows = np.asarray(readers[kind](path), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            str(path), f"is not a table of numbers ({error})", "give one row of numbers per image"
        ) from None
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise InputError(
            str(path), f"has the shape {rows.shape}", "give one row of probabilities per image"
        )
    _check_rows(path, rows)
    return rows


def _check_rows(path: Path, rows: Floats) -> None:
    sums = rows.sum(axis=1)
    is_probability = np.isfinite(rows).all(axis=1) & (rows >= 0).all(axis=1)
    is_wrong = ~(is_probability & (np.abs(sums - 1) < _SUM_TOLERANCE))
    if is_wrong.any():
        first = int(is_wrong.argmax())
        raise InputError(
            f"{path}, row {first + 1}",
            f"adds up to {sums[first]:.4g}, and its smallest value is {rows[first].min():.4g}",
            "give probabilities (softmax of the network's output), not scores",
        )


def _read_npy(path: Path) -> Any:
    return np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)


def _read_csv(path: Path) -> Any:
    rows = [row for row in csv.reader(io.StringIO(read_bytes(path).decode("utf-8-sig"))) if row]
    has_names = bool(rows) and not _is_number(rows[-1][0])
    if rows and not all(_is_number(cell) for cell in rows[0][1:]):
        rows = rows[1:]
    return [[float(cell) for cell in row[has_names:]] for row in rows]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_json_rows(path: Path) -> Any:
    content = read_json(path, Any)
    return list(content.values()) if isinstance(content, dict) else content


def _read_parquet(path: Path) -> Any:
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise explain_import_error(str(path), error) from None
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowInvalid, OSError) as error:
        raise InputError(str(path), f"is not a Parquet file ({error})", "check the file") from None
    lists = [c for c in table.columns if arrow.types.is_nested(c.type)]
    if lists:
        return lists[0].to_pylist()
    numbers = [c.to_numpy() for c in table.columns if arrow.types.is_floating(c.type)]
    return np.stack(numbers, axis=1) if numbers else []
