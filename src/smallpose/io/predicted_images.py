"""Find labelled images that were never predicted, by the list that `predict` writes.

Results name images by their detections alone, so an image without any looks like one that was never
predicted, and its people count as missed. The list also names the joints, which plain results lack.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.distinct import is_member
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.joint_order import match_joint_order
from smallpose.core.skeleton import Skeleton, resolve_skeleton
from smallpose.io.image_lookup import ImageLookup
from smallpose.io.joint_list import check_joint_list
from smallpose.io.label_faults import NO_RESULT
from smallpose.io.result_paths import RUN_RESULTS
from smallpose.system.files import read_bytes

UNPREDICTED = "not predicted (its list"  # in the note
# In notes on images that were not predicted, or look like it, where they are many.
NO_HEIGHT = "no height is named"
_MIN_SHARE_WITHOUT_HEIGHT = 0.1  # of the images with people that were not predicted
_RUN_RECORD = "result.json"  # beside the results of a run, which predicts all images
_MAX_NAMES = 3
_HEAD_BYTES = 64


class _Image(msgspec.Struct):
    file_name: str
    id: int | str | None = None
    width: int = 0
    height: int = 0


class _Category(msgspec.Struct):
    keypoints: tuple[str, ...] = ()


class _ImageList(msgspec.Struct):
    images: list[_Image]
    categories: list[_Category] = []

    @property
    def names(self) -> list[str]:
        return [one.file_name for one in self.images]

    @property
    def joints(self) -> tuple[str, ...]:
        """Return the joints of the results, in their order; () where they are not known."""
        return next((one.keypoints for one in self.categories if one.keypoints), ())


def get_image_list_path(results: Path) -> Path:
    """Return the path of the list of images that `predict` writes beside results."""
    return results.with_name(f"{results.stem}.images.json")


def list_predicted_images(results: Path | str) -> list[str]:
    """Return the names of the images that the list beside results has; [] without a list."""
    path = get_image_list_path(Path(results))
    try:
        return _read_list(path).names if path.is_file() else []
    except (InputError, msgspec.MsgspecError):
        return []


def describe_listed_images(results: Path | str, image_ids: NDArray[np.int64]) -> str:
    """Say how many of the images that were predicted have no detection; "" where it is unknown.

    Args:
        image_ids: of the detections, as the file has them.
    """
    path = get_image_list_path(Path(results))
    try:
        images = _read_list(path).images if path.is_file() else []
    except (InputError, msgspec.MsgspecError):
        return ""
    listed = {one.id for one in images if isinstance(one.id, int)}
    detected = set(np.unique(image_ids).tolist())
    if not listed or len(listed) < len(images):
        return ""
    if not detected <= listed:
        unlisted = format_share(
            len(detected - listed),
            len(detected),
            "image of the results is",
            "images of the results are",
        )
        return (
            f"{unlisted} not in the list beside them ({path.name}), which may be of other results"
        )
    predicted = format_count(len(listed), "image was", "images were")
    without = len(listed) - len(detected)
    return f"{predicted} predicted ({path.name}), {without:,} of them without a detection"


def find_listed_joints(results: Path, file_names: Sequence[str | None]) -> list[str]:
    """Return the joints that the list beside results names, in their order; [] where none does.

    Args:
        file_names: of the results. Where the list lacks one of them, it is of other results.
    """
    path = get_image_list_path(results)
    try:
        image_list = _read_list(path) if path.is_file() else _ImageList([])
    except (InputError, msgspec.MsgspecError):
        return []
    has_all = {*file_names} - {None} <= {*image_list.names}
    return list(image_list.joints) if has_all else []


def _read_list(path: Path) -> _ImageList:
    return msgspec.json.decode(read_bytes(path), type=_ImageList)


class PredictedImages(NamedTuple):
    """Which images were predicted, and which joints.

    Args:
        notes: how many images with people were not.
        covers_images: all images with people are known to have been.
        skeleton: the joints of the results, by the list, where they were read as others; else None.
    """

    notes: tuple[str, ...] = ()
    covers_images: bool = False
    skeleton: Skeleton | None = None


def check_predicted_images(
    results: Path | str, truth: Instances, image_ids: NDArray[np.int64], joints: Sequence[str]
) -> PredictedImages:
    """Check that all images with people are among those that were predicted.

    Args:
        results: their file. Without a list of images beside it, only runs are known to predict all.
        image_ids: of the detections. Where one of them is not in the list, the list is of other
            results.
        joints: as which the results are read.
    """
    path = get_image_list_path(Path(results))
    if not path.is_file():
        is_run = Path(results).name == RUN_RESULTS
        return PredictedImages((), is_run and Path(results).with_name(_RUN_RECORD).is_file())
    try:
        image_list = _read_list(path)
        names = image_list.names
        lookup = ImageLookup(truth.images, goes_by_names=True)
        ids_in_list = [lookup.find_id_if_known(None, name, str(path)) for name in names]
    except (InputError, msgspec.MsgspecError):
        return PredictedImages()
    predicted = np.unique([one for one in ids_in_list if one is not None]).astype(np.int64)
    if not is_member(np.unique(image_ids), predicted).all():
        return PredictedImages()
    skeleton = _find_other_joints(Path(results), image_list.joints, joints)
    notes = _describe_turned_images(image_list.images, ids_in_list, truth)
    if skeleton is not None and not len(match_joint_order(skeleton, truth.skeleton).columns):
        notes += _describe_other_joints(Path(results), skeleton, joints)
        skeleton = None
    ids = np.unique(truth.images.ids[truth.image_rows[truth.is_counted]])
    missing = ids[~is_member(ids, predicted)]
    if not len(missing):
        return PredictedImages(notes, covers_images=True, skeleton=skeleton)
    is_large = len(missing) >= _MIN_SHARE_WITHOUT_HEIGHT * len(ids)
    consequence = f"count as missed and {NO_HEIGHT}" if is_large else "count as missed"
    listed = ", ".join(
        truth.images.file_names[truth.images.row_of[one]] for one in missing[:_MAX_NAMES].tolist()
    )
    more = f" and {len(missing) - _MAX_NAMES:,} more" if len(missing) > _MAX_NAMES else ""
    # Those who are scored on fewer joints than are labelled can be in fewer images.
    share = format_share(
        len(missing),
        len(ids),
        "image with labelled people was",
        "images with labelled people were",
    )
    note = (
        f"{share} {UNPREDICTED}, {path.name}, has {format_count(len(names), 'image')}), so their "
        f"people {consequence}: {listed}{more}; predict these images, too, or leave them out of "
        "the labels' images"
    )
    return PredictedImages((note, *notes), skeleton=skeleton)


def _describe_turned_images(
    listed: Sequence[_Image], ids: Sequence[int | None], truth: Instances
) -> tuple[str, ...]:
    """Say that images were predicted as stored and labelled as EXIF turns them, or reverse.

    Args:
        ids: of the listed images in the truth; None of one that it lacks.
    """
    turned = []
    for image, image_id in zip(listed, ids, strict=True):
        if image_id is not None and image.width != image.height:
            row = truth.images.row_of[image_id]
            labelled_wh = int(truth.images.width[row]), int(truth.images.height[row])
            if labelled_wh == (image.height, image.width):
                turned.append(image)
    if not turned:
        return ()
    first = turned[0]
    share = format_share(len(turned), len(listed), "image was", "images were")
    return (
        f"{share} predicted with {first.width:,} × {first.height:,} px where the labels have "
        f"{first.height:,} × {first.width:,} (first: {first.file_name}): one of the two is "
        "the image as EXIF turns it, the other as it is stored; predict again with --exif apply, "
        f"or without it if it was given; {NO_RESULT}",
    )


def _find_other_joints(
    results: Path, joints: Sequence[str], assumed: Sequence[str]
) -> Skeleton | None:
    """Return the joints that a list names for a plain file, where they were read as others."""
    if not joints or len(joints) != len(assumed) or not _is_plain(results):
        return None
    try:
        check_joint_list(f"{get_image_list_path(results)}", joints, "the order of the keypoints")
    except InputError:
        return None
    skeleton = resolve_skeleton(joints)
    return None if skeleton.joints == tuple(assumed) else skeleton


def _describe_other_joints(
    results: Path, skeleton: Skeleton, assumed: Sequence[str]
) -> tuple[str, ...]:
    """Say that results have other joints than those as which they are read, by their list."""
    first = skeleton.spelled_joints[0]
    return (
        f"the list beside the results ({get_image_list_path(results).name}) has other joints than "
        f"the labels, in whose order they are read: number 1 is {first}, and {assumed[0]} in the "
        f"labels; predict with --data LABELS.json, or name the joints as the labels do; "
        f"{NO_RESULT}",
    )


def describe_listed_joints(results: Path | str) -> str:
    """Say that the joints of results are called as in the list beside them."""
    name = get_image_list_path(Path(results)).name
    return f"the joints of the results are called as in {name}"


def _is_plain(results: Path) -> bool:
    """Return whether a result file is a list, which has no names of joints."""
    try:
        with results.open("rb") as file:
            return file.read(_HEAD_BYTES).lstrip().startswith(b"[")
    except OSError:
        return False
