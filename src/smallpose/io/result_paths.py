"""Find the file of labels or the results that are meant where a folder is given."""

from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.progress import print_status

RUN_RESULTS = "found.json"  # in the folder of a run
_TEST = Path("annotations") / "test.json"
_HEAD_BYTES = 1 << 16  # in which a line of JSON Lines ends
_MAX_CANDIDATES = 6  # in a message
_FIRST = "give the ground truth first, then {}"
_LABELS_ALONE = "this command describes labels: give a file of annotations, or a built set"
LABELS = "labels"
SUBFOLDER = "predictions"
_RESULT_FILES = ("*.json", "*.jsonl", "*.json.gz")
# What `predict` writes beside its results, by the ends of the names.
_SIDE_FILES = {
    ".images.json": "the list of images that 'predict' wrote beside its results",
    ".environment.json": "what 'predict' noted of its environment",
}


def find_label_path(
    path: Path, split: str = "test", allow_frames: bool = False, takes_results: bool = True
) -> Path:
    """Return the labels that a path means: a file, or those of a built set's folder.

    Args:
        allow_frames: take the list of images that `predict` wrote beside its results for labels of
            nobody, as for measures of videos that need no labels.
        takes_results: the command takes results behind the labels, for the messages.

    Raises: InputError for other folders, and for a file of results, saying what to pass.
    """
    if path.is_dir():
        labels = path / "annotations" / f"{split}.json"
        if labels.is_file():
            return labels
        if (path / RUN_RESULTS).is_file():
            remedy = _FIRST.format("the run") if takes_results else _LABELS_ALONE
            raise InputError(str(path), "is the folder of a run and has no labels", remedy)
        if not _is_yolo_set(path):
            _refuse_result_folder(path, takes_results)
        remedy = suggest_build(path)
        if not remedy:
            _refuse_odd_labels(path)
        remedy = remedy or f"pass a file of annotations, or a built set, which has {_TEST}"
        raise InputError(str(path), "is a folder without labels", remedy)
    side = _describe_side_file(path)
    is_list = path.name.endswith(".images.json")
    if side is not None and not (is_list and allow_frames):
        remedy = "give the ground truth first" if takes_results else _LABELS_ALONE
        raise InputError(str(path), f"is {side}, and has no labels", remedy)
    if path.is_file() and begins_with_results(path):
        remedy = _FIRST.format("the results") if takes_results else _LABELS_ALONE
        raise InputError(str(path), "is a list of results and has no labels", remedy)
    return path


def _describe_side_file(path: Path) -> str | None:
    """Say what a file is that `predict` wrote beside results that are still there."""
    if not path.is_file() or not _find_owner(path).is_file():
        return None
    return next((what for end, what in _SIDE_FILES.items() if path.name.endswith(end)), None)


def _find_owner(path: Path) -> Path:
    """Return the results that a file of that name would be beside: found.json."""
    return path.with_name(f"{path.name.rsplit('.', 2)[0]}.json")


def _is_yolo_set(folder: Path) -> bool:
    """Return whether a folder is a YOLO data set, and not what a model wrote for its images."""
    has_parts = (folder / LABELS).is_dir() and (folder / "images").is_dir()
    return has_parts or (folder / "data.yaml").is_file()


def suggest_build(folder: Path) -> str:
    """Return how to make a set of the folder of a YOLO data set; "" for other folders."""
    if (folder / LABELS).is_dir() or (folder / "data.yaml").is_file():
        return f"make a set of it first: smallpose build SET --source own={folder}; then pass SET"
    return ""


def find_result_path(path: Path) -> Path:
    """Return the results that a path means: a file, or those that a folder has.

    A folder may be that of a run, one that `predict` wrote into, one of another tool with a file
    per image, or the folder above one of these.

    Raises: InputError for a folder without results, and for one with several, naming them.
    """
    if path.suffix.lower() == ".txt" and path.is_file():
        raise InputError(
            str(path),
            "is the label file of one image",
            f"give the folder of all of them: {path.parent}",
        )
    side = _describe_side_file(path)
    if side is not None:
        remedy = f"pass the results: {_find_owner(path)}"
        raise InputError(str(path), f"is {side}, and has no results", remedy)
    if not path.is_dir():
        return path
    return find_results_in_folder(path) or _refuse_folder(path)


def find_results_in_folder(folder: Path) -> Path | None:
    """Return the results of a folder, as `find_result_path`; None where there are none.

    Raises: InputError where there are several, naming them.
    """
    from smallpose.io.result_folders import is_result_folder

    run_results = folder / RUN_RESULTS
    own = [run_results] if run_results.is_file() else []
    # Ultralytics, and MMPose and others, write results into a folder beside their images.
    own += [one for one in (folder / LABELS, folder / SUBFOLDER) if is_result_folder(one)]
    # The record of a run could pass for the results of one image.
    is_of_tool = own != [run_results] and is_result_folder(folder)
    if own and own != [run_results]:
        own += _list_pose_files(folder)  # Ultralytics' predictions.json is beside its labels
        if _are_of_one_run(own):
            print_status(f"{folder}: the results are those in {own[1]}, as in {own[0]}")
            return own[1]
    if len(own) > 1:
        _refuse_several(folder, own)
    if is_of_tool:
        return folder
    if own:
        return own[0]
    runs = _list_runs(folder)
    candidates = runs + _list_pose_files(folder) if runs else _list_result_files(folder)
    if len(candidates) > 1:
        _refuse_several(folder, candidates)
    for candidate in candidates:
        print_status(f"{folder}: the results are those in {candidate}")
        return candidate / RUN_RESULTS if (candidate / RUN_RESULTS).is_file() else candidate
    return None


def _are_of_one_run(candidates: list[Path]) -> bool:
    """Return whether Ultralytics wrote the same detections as text files and as one file."""
    if len(candidates) != 2 or candidates[0].name != LABELS or not candidates[1].is_file():
        return False
    # Imported here, because few folders have both.
    from smallpose.io.equal_results import have_equal_results

    return have_equal_results(*candidates)


def _list_runs(folder: Path) -> list[Path]:
    """List the folders in a folder that have results, sorted."""
    from smallpose.io.result_folders import is_result_folder

    return sorted(
        below
        for below in folder.glob("*/")
        if (below / RUN_RESULTS).is_file()
        or any(is_result_folder(one) for one in (below, below / SUBFOLDER))
    )


def _list_result_files(folder: Path) -> list[Path]:
    """List the files in a folder that begin as results do, sorted."""
    files = {file for pattern in _RESULT_FILES for file in folder.glob(pattern) if file.is_file()}
    return sorted(file for file in files if begins_with_results(file))


def _list_pose_files(folder: Path) -> list[Path]:
    """List the files in a folder that begin as poses of named images do, sorted."""
    from smallpose.system.files import read_head

    heads = {file: read_head(file, _HEAD_BYTES) for file in _list_result_files(folder)}
    return [
        file for file, head in heads.items() if b'"image_id"' in head and b'"keypoints"' in head
    ]


def _refuse_several(folder: Path, candidates: list[Path]) -> None:
    listed = ", ".join(map(str, candidates[:_MAX_CANDIDATES]))
    if len(candidates) > _MAX_CANDIDATES:
        listed += f" and {len(candidates) - _MAX_CANDIDATES:,} more"
    what = f"has results in {format_count(len(candidates), 'place')}"
    raise InputError(str(folder), what, f"pass one of them: {listed}")


def _refuse_folder(path: Path) -> Path:
    _refuse_odd_labels(path)
    remedy = "pass a file of results, a run, or the folder that another tool wrote"
    below = _list_label_folders(path)
    if below:
        more = f" and {len(below) - _MAX_CANDIDATES:,} more" if len(below) > _MAX_CANDIDATES else ""
        places = format_count(len(below), "place")
        listed = ", ".join(map(str, below[:_MAX_CANDIDATES]))
        raise InputError(
            str(path), f"has results in {places} further below", f"pass one: {listed}{more}"
        )
    raise InputError(str(path), f"is a folder without {RUN_RESULTS}", remedy)


def _list_label_folders(folder: Path) -> list[Path]:
    """List the label folders that Ultralytics wrote two and three levels below, sorted."""
    from smallpose.io.result_folders import is_result_folder

    below = [one for levels in ("*/*", "*/*/*") for one in folder.glob(f"{levels}/{LABELS}")]
    return sorted(filter(is_result_folder, below))


def begins_with_results(path: Path) -> bool:
    """Return whether a file is a list, or has a result in its first line, as JSON Lines."""
    from smallpose.system.files import read_head

    head = read_head(path, _HEAD_BYTES).lstrip(b" \t\r\n")
    line = head.partition(b"\n")[0].rstrip()
    has_image = b'"image_id"' in line or b'"file_name"' in line
    is_result = line[:1] == b"{" and line[-1:] == b"}" and has_image and b'"images"' not in line
    return head[:1] == b"[" or is_result


def _refuse_odd_labels(folder: Path) -> None:
    """Raise InputError for a folder of YOLO's text files that are no labels of poses."""
    from smallpose.io.yolo_results import describe_odd_label_file

    odd = describe_odd_label_file(folder)
    if odd is not None:
        raise InputError(str(folder), f"has no labels of poses ({odd[0]})", odd[1])


def _refuse_result_folder(path: Path, takes_results: bool) -> None:
    from smallpose.io.result_folders import is_result_folder

    if is_result_folder(path):
        remedy = _FIRST.format("the results") if takes_results else _LABELS_ALONE
        raise InputError(str(path), "is a folder of results and has no labels", remedy)
