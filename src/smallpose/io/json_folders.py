"""Read folders of other tools with a file of JSON per image, or with one file for all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.pose_forms import has_poses
from smallpose.io.result_converter import Converter, FileImages, try_decode
from smallpose.io.result_entries import ResultEntries
from smallpose.io.unknown_images import UnknownImages
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json


class FolderForm(NamedTuple):
    """Results that are a folder with a file per image.

    Args:
        name: of the tool, for messages.
        suffix: of the names of its files, after the name of the image.
        prefix: that the tool may put before the name of the image.
    """

    name: str
    suffix: str
    prefix: str = ""

    def list_files(self, folder: Path) -> list[Path]:
        """Return the files of the form, sorted by name, without those of all images."""
        others = _list_single_files(folder)
        files = sorted(file for file in folder.glob(f"*{self.suffix}") if file.is_file())
        return [file for file in files if file not in others]


# The first form with a file of its suffix is taken; a form that any *.json fits comes last.
FOLDER_FORMS = (
    FolderForm("OpenPifPaf", ".predictions.json"),
    FolderForm("OpenPose", "_keypoints.json"),
    FolderForm("MMPose", ".json", "results_"),
)
# Single files in the folders that these tools write, and the end of those of MMPose's CocoMetric.
_SINGLE_FILES = ("coco_instances_results.json", "alphapose-results.json")
_COCO_METRIC_END = ".keypoints.json"
_HEAD_BYTES = 1 << 16
_MAX_EMPTY_BYTES = 16  # of a list without people, with blanks
SUBFOLDER = "predictions"  # in which MMPose's inferencer and others write a file per image


def find_single_file(folder: Path) -> Path | None:
    """Return the file with all results in a folder of Detectron2, AlphaPose or MMPose; else None.

    Raises: InputError where there are several, or a file per image as well.
    """
    files = _list_single_files(folder)
    if not files:
        return None
    others = [one for one in (folder / SUBFOLDER, folder) if find_folder_form(one) is not None]
    if len(files) + len(others) > 1:
        names = [file.name for file in files]
        names += ["one file per image" if one == folder else f"{SUBFOLDER}/" for one in others]
        paths = [str(path) for path in (*files, *others) if path != folder]
        remedy = f"name one of them: {' or '.join(paths)}"
        if folder in others:
            remedy += "; for the others, move that file into another folder"
        raise InputError(str(folder), f"has results in {' and in '.join(names)}", remedy)
    return files[0]


def _list_single_files(folder: Path) -> list[Path]:
    """List the files of a folder that have the results of all images."""
    known = [folder / name for name in _SINGLE_FILES if (folder / name).is_file()]
    metric = sorted(folder.glob(f"*{_COCO_METRIC_END}"))
    return known + [file for file in metric if file.is_file() and _names_images(file)]


def _names_images(file: Path) -> bool:
    """Return whether the first record of a list names its image."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return head.lstrip()[:1] == b"[" and b'"image_id"' in head[: head.find(b"}") + 1]


def find_folder_form(folder: Path) -> FolderForm | None:
    """Return the form of a folder with a file of poses per image; None for other folders."""
    for form in FOLDER_FORMS:
        if _are_of_images(form.list_files(folder)):
            return form
    return None


def convert_folder(
    folder: Path, images: Images | None, unknown_images: UnknownImages = "refuse"
) -> ResultEntries:
    """Convert a folder of results with a file per image.

    Args:
        images: of the ground truth; None where only the results are looked at. Then images are
            called by the names of their files.
        unknown_images: as for `FileImages`.

    Raises: InputError naming the file that is broken or of an image that is not in the truth.
    """
    form = find_folder_form(folder)
    if form is None and find_folder_form(folder / SUBFOLDER) is not None:
        return convert_folder(folder / SUBFOLDER, images, unknown_images)
    if form is None:
        has_json = any(folder.glob("*.json"))
        what = "has no results of a known form" if has_json else "contains no .json file"
        raise InputError(str(folder), what, "give a result file or such a folder")
    converter = Converter()
    file_images = FileImages(images, unknown_images)
    files_of_image: dict[str, Path] = {}
    for file in form.list_files(folder):
        name = file.name.removesuffix(form.suffix)
        names = [name]
        if form.prefix and name.startswith(form.prefix):
            names.append(name.removeprefix(form.prefix))
        image = file_images.find(names, str(file))
        other = files_of_image.setdefault(repr(image), file)
        if other != file:
            what = f"is of the same image as {other.name}"
            raise InputError(str(file), what, "keep one file for each image")
        converter.add_image(image, decode_json(file, read_bytes(file), Any), str(file))
    return converter.finish()


def _are_of_images(files: Sequence[Path]) -> bool:
    """Return whether each of the files is the poses of an image, and not those of all.

    The first two with people tell: files of all images name several in one file, or the same in
    two. A broken file may be of an image.
    """
    with_people = (file for file in files if not _is_empty_list(file))
    first = next(with_people, None)
    if first is None:
        return len(files) > 1
    value = try_decode(read_bytes(first))
    ids = _list_image_ids(value)
    if value is None or not ids:
        return value is None or has_poses(value)
    second = next(with_people, None)
    if len(ids) > 1 or second is None:
        return len(ids) == 1 and has_poses(value) and _is_called(first, ids[0])
    others = _list_image_ids(try_decode(read_bytes(second)))
    return has_poses(value) and len(others) <= 1 and others != ids


def _is_empty_list(file: Path) -> bool:
    """Return whether a file is a list without people."""
    return file.stat().st_size <= _MAX_EMPTY_BYTES and b"".join(file.read_bytes().split()) == b"[]"


def _list_image_ids(value: Any) -> list[Any]:
    """List the images that records name, as COCO's results do, each once."""
    records = value if isinstance(value, list) else []
    ids = [one["image_id"] for one in records if isinstance(one, dict) and "image_id" in one]
    return [one for index, one in enumerate(ids) if one not in ids[:index]]


def _is_called(file: Path, image_id: Any) -> bool:
    """Return whether a file is called as the image of an id."""
    stem = file.name.partition(".")[0].removeprefix("results_")
    return stem.lstrip("0") == Path(str(image_id)).stem.lstrip("0")
