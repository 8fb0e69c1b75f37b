"""Find the file that is meant where a folder of a data set or of a run is given."""

from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.system.progress import print_status

_TEST = Path("annotations") / "test.json"
# What folders have that are no results: studies of resolution and data sets.
_OTHER_FOLDERS = (
    "curve.json",
    "annotations",
    "manifest.json",
    "labels",
    "data.yaml",
)
_HEAD_BYTES = 1 << 16  # in which a line of JSON Lines ends


def find_truth(path: Path, split: str = "test") -> Path:
    """Return the labels that a path means: a file, or those of a built set's folder.

    Raises: InputError for other folders, and for a file of results, saying what to pass.
    """
    if path.is_dir():
        labels = path / "annotations" / f"{split}.json"
        if labels.is_file():
            return labels
        if (path / "found.json").is_file():
            remedy = "give the ground truth first, then the run"
            raise InputError(str(path), "is the folder of a run and has no labels", remedy)
        _refuse_result_folder(path)
        remedy = suggest_build(path)
        remedy = remedy or f"pass a file of annotations, or a built set, which has {_TEST}"
        raise InputError(str(path), "is a folder without labels", remedy)
    if path.is_file() and _begins_with_results(path):
        what = "is a list of results and has no labels"
        raise InputError(str(path), what, "give the ground truth first, then the results")
    return path


def suggest_build(folder: Path) -> str:
    """Return how to make a set of the folder of a YOLO data set; "" for other folders."""
    if (folder / "labels").is_dir() or (folder / "data.yaml").is_file():
        return f"make a set of it first: smallpose build SET --source own={folder}; then pass SET"
    return ""


def find_predictions(path: Path) -> Path:
    """Return the results that a path means: a file, or found.json of a run's folder.

    A folder of another tool's results, one file per image, is returned as it is.

    Raises: InputError for other folders.
    """
    if path.suffix.lower() == ".txt" and path.is_file():
        raise InputError(
            str(path),
            "is the label file of one image",
            f"give the folder of all of them: {path.parent}",
        )
    if not path.is_dir():
        return path
    results = path / "found.json"
    if results.is_file():
        return results
    from smallpose.io.result_folders import is_result_folder

    # MMPose and others write the files of their results into a folder beside their pictures.
    for folder in (path, path / "predictions"):
        if is_result_folder(folder):
            return folder
    runs = sorted(str(file.parent) for file in path.glob("*/found.json"))
    below = sorted(
        folder for folder in path.glob("*/") if str(folder) not in runs and is_result_folder(folder)
    )
    if len(below) == 1 and not runs:
        print_status(f"{path}: the results are those in {below[0]}")
        return below[0]
    runs += map(str, below)
    remedy = "pass a file of results, a run, or the folder that another tool wrote"
    if runs:
        remedy = (
            f"pass {'one of its folders' if below else 'a run in it'}: {', '.join(sorted(runs))}"
        )
    raise InputError(str(path), "is a folder without found.json", remedy)


def find_predictions_in(path: Path, takes_runs: bool = False) -> Path:
    """Return the results that a folder means which is no study or data set; else the path.

    Args:
        takes_runs: the folder of a run is taken as it is.
    """
    is_run = (path / "result.json").is_file()
    is_other = any((path / name).exists() for name in _OTHER_FOLDERS)
    if not path.is_dir() or (takes_runs if is_run else is_other):
        return path
    try:
        return find_predictions(path)
    except InputError:
        return path  # refused with what the command takes


def list_annotation_files(paths: list[Path]) -> list[Path]:
    """Replace each folder of a built set by its files of annotations."""
    files: list[Path] = []
    for path in paths:
        parts = [path / "annotations" / f"{split}.json" for split in ("train", "test")]
        parts = [part for part in parts if part.is_file()] if path.is_dir() else []
        files += parts or [find_truth(path)]
    return files


def _begins_with_results(path: Path) -> bool:
    """Return whether a file is a list, or has a result in its first line, as JSON Lines."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    line = head.partition(b"\n")[0].rstrip()
    has_image = b'"image_id"' in line or b'"file_name"' in line
    is_result = line[:1] == b"{" and line[-1:] == b"}" and has_image and b'"images"' not in line
    return head[:1] == b"[" or is_result


def _refuse_result_folder(path: Path) -> None:
    from smallpose.io.result_folders import is_result_folder

    if is_result_folder(path):
        what = "is a folder of results and has no labels"
        raise InputError(str(path), what, "give the ground truth first, then the results")
