"""One row per person and model, for statistics of one's own.

CSV needs nothing; Parquet needs pyarrow. A column has one type: ids are text where any is text.
"""

import csv
import io
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import BOX_RULES
from smallpose.core.density import DENSITIES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis.density_axes import (
    DensityValues,
    classify_own_density,
    measure_densities,
)
from smallpose.evaluation.analysis.error_diagnosis import KINDS, MIN_OKS, classify_joints
from smallpose.evaluation.analysis.person_matches import match_people
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.matching.arrays import Ints
from smallpose.evaluation.protocols import PAPER_LIMITS
from smallpose.evaluation.scoring.detected_people import measure_share_outside
from smallpose.stats.crowding import crowd_index
from smallpose.system.files import write_atomically
from smallpose.system.packages import require_packages

Columns = dict[str, list[Any]]
SUFFIXES = (".csv", ".parquet")


def check_people_path(path: Path) -> None:
    """Refuse a name that is neither CSV nor Parquet, or Parquet without pyarrow, at once.

    Raises: InputError with what to type.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"--people {path}", "is neither CSV nor Parquet", "end the name in .csv or .parquet"
        )
    if path.suffix == ".parquet":
        require_packages("--people FILE.parquet", "pyarrow")


def list_person_rows(
    truth: Instances, results: Mapping[str, Predictions], **options: Any
) -> Columns:
    """List every person who counts, once per model, in the order of the file.

    Args:
        results: predictions by the model's name.
        options: as for `evaluate`; all detections of an image are matched.
    Returns: columns by name. Unknown values are None.
    """
    rows = np.flatnonzero(truth.is_counted)
    person = _describe_people(truth, rows, options)
    columns: Columns = {}
    for model, predictions in results.items():
        part = {"model": [model] * len(rows)} | person
        part |= _describe_matches(truth, predictions, rows, options)
        for name, values in part.items():
            columns.setdefault(name, []).extend(values)
    return columns


def _describe_people(truth: Instances, rows: Ints, options: Mapping[str, Any]) -> Columns:
    """Return the columns that are independent of the models."""
    size_area = options.get("size_area", "box")
    size_limits = options.get("size_limits", PAPER_LIMITS)
    values = measure_densities(
        truth, options.get("density_joints"), size_area=size_area, size_limits=size_limits
    )
    image = truth.image_rows[rows]
    person_ids, image_ids = truth.file_ids, truth.images.file_ids
    outside = measure_share_outside(truth.boxes_xywh, truth.keypoints)[rows]
    return {
        "person_id": _unify([person_ids[row] for row in rows.tolist()]),
        "image_id": _unify([image_ids[i] for i in image.tolist()]),
        "file_name": [truth.images.file_names[i] for i in image.tolist()],
        "group": [truth.images.groups[i] for i in image.tolist()],
        "source": [SOURCES[code] for code in truth.source[rows].tolist()],
        "box_rule": [BOX_RULES[code] for code in truth.box_rule[rows].tolist()],
        "width": truth.boxes_xywh[rows, 2].tolist(),
        "height": truth.boxes_xywh[rows, 3].tolist(),
        "area": get_person_area(truth, size_area)[rows].tolist(),
        "size": _name_members(values.sizes[:, rows], SIZES),
        "labelled": truth.num_labelled[rows].tolist(),
        "joints": truth.num_source_joints[rows].tolist(),
        "density": _list_known(values.density[rows]),
        "density_class": _name_density(values, rows),
        "pixels_per_joint": _list_known(values.pixels_per_joint[rows]),
        "labelled_share": _list_known(values.labelled_share[rows]),
        "outside": outside.tolist(),
        "crowding": _list_known(crowd_index(truth)[image]),
    }


def _describe_matches(
    truth: Instances, predictions: Predictions, rows: Ints, options: Mapping[str, Any]
) -> Columns:
    """Return the columns of one model."""
    others = {name: value for name, value in options.items() if name != "max_detections"}
    matches = match_people(truth, predictions, None, **others)
    detection = matches.rows[rows]
    has_detection = detection >= 0
    oks = np.where(has_detection, np.nan_to_num(matches.oks[rows]), 0.0)
    scores = np.full(len(rows), np.nan)
    scores[has_detection] = predictions.scores[detection[has_detection]]
    counts = np.zeros((len(rows), len(KINDS)), dtype=np.int64)
    is_near = np.flatnonzero(has_detection & (oks >= MIN_OKS))
    kinds = classify_joints(truth, predictions, detection[is_near], rows[is_near], **options)
    for index in range(len(KINDS)):
        counts[is_near, index] = (kinds == index).sum(axis=1)
    is_judged = np.zeros(len(rows), dtype=bool)
    is_judged[is_near] = True
    # A person without a label among the joints of the results is not scored.
    is_scored = np.isfinite(matches.oks[rows])
    columns: Columns = {
        "scored": is_scored.tolist(),
        "matched": matches.is_matched[rows].tolist(),
        "missed": (is_scored & ~is_judged).tolist(),
        "oks": oks.tolist(),
        "score": _list_known(scores),
    }
    return columns | {kind: counts[:, index].tolist() for index, kind in enumerate(KINDS)}


def _name_members(members: np.ndarray, names: tuple[str, ...]) -> list[str | None]:
    """Return (n,) the name of the class that each person is in; None for none."""
    indices = members.argmax(axis=0).tolist()
    has_class = np.asarray(members.any(axis=0)).tolist()
    return [names[i] if known else None for i, known in zip(indices, has_class, strict=True)]


def _name_density(values: DensityValues, rows: Ints) -> list[str | None]:
    members = classify_own_density(values)[:, rows]
    return _name_members(members, DENSITIES * len(SIZES))


def _list_known(values: np.ndarray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _unify(ids: list[int | str]) -> list[int] | list[str]:
    """Return ids of one type: text if any is text."""
    if any(isinstance(one, str) for one in ids):
        return [str(one) for one in ids]
    return [int(one) for one in ids]


def write_people(columns: Columns, path: Path) -> None:
    """Write the columns as CSV or Parquet, as the name ends."""
    check_people_path(path)
    if path.suffix == ".csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow("" if cell is None else cell for cell in row)
        write_atomically(path, out.getvalue())
        return
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    write_atomically(path, sink.getvalue().to_pybytes())
