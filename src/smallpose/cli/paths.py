"""Find the file that is meant where a folder of a data set or of a run is given."""

from pathlib import Path

from smallpose.io.result_paths import find_label_path, find_results_in_folder

# What folders have that are no results: studies of resolution and data sets.
_OTHER_FOLDERS = (
    "curve.json",
    "annotations",
    "manifest.json",
    "labels",
    "data.yaml",
)


def find_predictions_in(path: Path, takes_runs: bool = False) -> Path:
    """Return the results that a folder means which is no study or data set; else the path.

    Args:
        takes_runs: the folder of a run is taken as it is.
    Raises: InputError for a folder with several results, naming them.
    """
    is_run = (path / "result.json").is_file()
    is_other = any((path / name).exists() for name in _OTHER_FOLDERS)
    if not path.is_dir() or (takes_runs if is_run else is_other):
        return path
    return find_results_in_folder(path) or path  # refused with what the command takes


def list_annotation_files(paths: list[Path]) -> list[Path]:
    """Replace each folder of a built set by its files of annotations."""
    files: list[Path] = []
    for path in paths:
        parts = [path / "annotations" / f"{split}.json" for split in ("train", "test")]
        parts = [part for part in parts if part.is_file()] if path.is_dir() else []
        files += parts or [find_label_path(path, takes_results=False)]
    return files
