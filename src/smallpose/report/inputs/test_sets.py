"""Name the test sets of runs where these differ: numbers of different people do not compare."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from smallpose.core.counts import format_count
from smallpose.report.inputs.runs import Run
from smallpose.system.json_decode import read_json

MIXED_NOTE = (
    "Rows of different test sets do not compare: other people are easier or harder to detect."
)


class _ImageList(msgspec.Struct):
    images: list[msgspec.Raw]


def has_different_test_sets(runs: Sequence[Run]) -> bool:
    """Return whether not all runs were scored on one test set."""
    return len({run.test_set for run in runs}) > 1


def name_test_set(run: Run, runs: Sequence[Run]) -> str:
    """Return the name of a run's test set, with as many folders as tell it from the others."""
    if run.test_set is None:
        return "an unknown set"
    others = {one.test_set for one in runs if one.test_set is not None} - {run.test_set}
    parts = run.test_set.parts
    for num_parts in range(1, len(parts) + 1):
        tail = parts[-num_parts:]
        if not any(other.parts[-num_parts:] == tail for other in others):
            return "/".join(tail)
    return str(run.test_set)


def describe_test_set(run: Run, runs: Sequence[Run]) -> str:
    """Return the name of a run's test set with its images, as in "set3 (41 images)"."""
    name = name_test_set(run, runs)
    if run.test_set is None:
        return name
    path = run.test_set / "annotations" / "test.json" if run.data else None
    if path is None or not path.is_file():
        return f"{name} (missing)"
    return f"{name} ({format_count(_count_images(path, path.stat().st_mtime_ns), 'image')})"


@lru_cache(maxsize=64)
def _count_images(path: Path, changed_ns: int) -> int:
    return len(read_json(path, _ImageList).images)


def list_test_set_cells(run: Run, runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the cell of a run in the column of test sets; none where all runs share one."""
    return (describe_test_set(run, runs),) if has_different_test_sets(runs) else ()
