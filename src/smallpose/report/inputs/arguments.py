"""Tell apart what a report is asked for: ground truth, result files, folders of runs.

Everything is decided by the contents, so that a file may have any name.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.io.coco_results import is_result_file
from smallpose.io.result_folders import GENERAL_NAMES, get_folder_name
from smallpose.io.yolo_results import LABELS
from smallpose.system.files import read_bytes

MAX_RESULTS = 20  # on one page with a ground truth
MAX_NAME_LENGTH = 60
USAGE = "smallpose report TRUTH.json PREDICTIONS.json --out DIR"

Kind = Literal["truth", "results", "run", "unknown"]


@dataclass(frozen=True)
class ReportArguments:
    """What is reported.

    Args:
        truth: the ground truth; None where finished runs bring their own.
        entries: result files and folders of runs, in the order given.
        names: what to call each entry; "" for a run that is called by method and setting.
    """

    truth: Path | None
    entries: tuple[Path, ...]
    names: tuple[str, ...]


def sort_arguments(paths: Sequence[Path], names: Sequence[str] = ()) -> ReportArguments:
    """Tell ground truth, result files and runs apart, and name the results.

    Args:
        paths: in any order; without a ground truth all of them are folders of runs.
        names: one for each result file and run, in their order; empty for the names of the files.

    Raises: InputError when the paths do not make a report, saying which to add or to leave out.
    """
    if not paths:
        raise InputError("report", "nothing was given", f"pass runs, or files: {USAGE}")
    paths = _drop_repeated_runs(paths)
    kinds = [_find_kind(path) for path in paths]
    is_file = [not path.is_dir() for path in paths]
    if not any(is_file):
        return ReportArguments(None, tuple(paths), _choose_names(paths, kinds, names))
    if "truth" not in kinds and kinds[0] == "unknown" and paths[0].is_file():
        kinds[0] = "truth"  # its reader says what is wrong with it
    truths = [path for path, kind in zip(paths, kinds, strict=True) if kind == "truth"]
    if not truths:
        _refuse_missing_truth(paths, kinds)
    if len(truths) > 1:
        raise InputError(
            str(truths[1]),
            f"is a second file of labels beside {truths[0]}",
            "pass one ground truth and result files made for its images",
        )
    is_entry = [path != truths[0] for path in paths]
    entries = [path for path, is_kept in zip(paths, is_entry, strict=True) if is_kept]
    kinds = [kind for kind, is_kept in zip(kinds, is_entry, strict=True) if is_kept]
    if not entries:
        raise InputError(str(truths[0]), "holds labels, and no results were given", f"run: {USAGE}")
    if len(entries) > MAX_RESULTS:
        raise InputError(
            "report",
            f"{format_count(len(entries), 'result')}, and a page shows {MAX_RESULTS}",
            f"pass at most {MAX_RESULTS} files",
        )
    return ReportArguments(truths[0], tuple(entries), _choose_names(entries, kinds, names))


def _drop_repeated_runs(paths: Sequence[Path]) -> list[Path]:
    """Keep each folder once; a file that was given twice is refused."""
    repeated = [path for path, count in Counter(paths).items() if count > 1 and path.is_file()]
    if repeated:
        raise InputError(str(repeated[0]), "was given twice", "pass each file once")
    return list(dict.fromkeys(paths))


def _find_kind(path: Path) -> Kind:
    if path.is_dir():
        return _find_folder_kind(path)
    if not path.exists() and not path.suffix:
        return "unknown"
    if path.name == "result.json" and (path.parent / "found.json").is_file():
        raise InputError(
            str(path), "is the record of a run", f"pass the folder of the run: {path.parent}"
        )
    data = read_bytes(path)
    if data[:1] == b"\x80" or is_result_file(path):
        return "results"
    is_labels = b'"annotations"' in data or b'"images"' in data
    return "truth" if is_labels else "unknown"


def _find_folder_kind(folder: Path) -> Kind:
    if (folder / "result.json").is_file():
        return "run"
    labels = folder / "annotations" / "test.json"
    if labels.is_file():
        raise InputError(str(folder), "is a data set", f"pass the file of its labels: {labels}")
    return "unknown"


def _refuse_missing_truth(paths: Sequence[Path], kinds: Sequence[Kind]) -> None:
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise InputError(str(missing), "no such file or folder", "check the path")
    results = [path for path, kind in zip(paths, kinds, strict=True) if kind == "results"]
    first = (results or list(paths))[0]
    raise InputError(
        str(first),
        "holds predictions, which can only be scored with labels, and no labels were given",
        f"pass the ground truth as well: {USAGE}",
    )


def _choose_names(
    entries: Sequence[Path], kinds: Sequence[Kind], names: Sequence[str]
) -> tuple[str, ...]:
    """Return the names given, or the shortest parts of the paths that tell the files apart."""
    if names:
        return check_names(entries, names)
    stems = [_shorten(path) for path in entries]
    counts = Counter(stems)
    chosen = []
    for path, stem, kind in zip(entries, stems, kinds, strict=True):
        name = stem if counts[stem] == 1 else f"{path.resolve().parent.name}/{stem}"
        chosen.append("" if kind == "run" else name)
    repeated = {name for name, count in Counter(chosen).items() if name and count > 1}
    return tuple(
        str(path) if name in repeated else name for path, name in zip(entries, chosen, strict=True)
    )


def _shorten(path: Path) -> str:
    """Return the file's name without `.json` and `.gz`, or its folder's where that tells more."""
    is_label_folder = path.name == LABELS and path.is_dir()
    name = path.resolve().parent.name if is_label_folder else path.name or path.resolve().name
    name = name.removesuffix(".gz").removesuffix(".json") or name
    return (get_folder_name(path) if name.lower() in GENERAL_NAMES else "") or name


def check_names(entries: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """Check the names given by the user.

    Raises: InputError when they are not one printable name for each result.
    """
    if len(names) != len(entries):
        raise InputError(
            "--name",
            f"{format_count(len(names), 'name')} for {format_count(len(entries), 'result')}",
            "give --name once for each result, in their order, or leave it out",
        )
    cleaned = tuple(check_name("--name", name) for name in names)
    repeated = [name for name, count in Counter(cleaned).items() if count > 1]
    if repeated:
        raise InputError(
            f"--name {repeated[0]!r}", "names two results", "give each result a name of its own"
        )
    return cleaned


def check_name(option: str, name: str) -> str:
    """Return a name with single spaces.

    Raises: InputError when it is empty, too long or not printable.
    """
    cleaned = " ".join(name.split())
    if not cleaned or not cleaned.isprintable() or len(cleaned) > MAX_NAME_LENGTH:
        raise InputError(
            f"{option} {cleaned[:MAX_NAME_LENGTH]!r}",
            "is no name",
            f"give 1 to {MAX_NAME_LENGTH} printable characters",
        )
    return cleaned
