"""Open a COCO file with the folder of its images, and check that a method can write its joints."""

from collections.abc import Sequence
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.joint_names import are_numbered
from smallpose.core.joint_order import list_joints, match_joint_order
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.dataloading.images import ImageReader, open_set_images
from smallpose.io.coco_annotations import read_coco
from smallpose.io.image_list import read_image_list

_NO_JOINTS = Skeleton("no keypoints", ())


def open_coco_file(
    data: Path, images: Path, category: Sequence[str] = ()
) -> tuple[Instances, ImageReader]:
    """Read a COCO file, with or without people, and open the folder of its images.

    The skeleton of the table is empty where the file names no joints.

    Args:
        category: names of the categories of people, as in `read_coco`.
    """
    people = read_image_list(data, _NO_JOINTS, category)
    if people is None:
        people = read_coco(data, category=category, keypoints_required=False)
    if not images.is_dir():
        raise InputError(
            str(images), "no such folder", "name the folder of the images with --images"
        )
    # In a built set the images are in `images` beside the manifest, which lists the link targets.
    is_built_set = images.name == "images" and (images.parent / "manifest.json").is_file()
    return people, open_set_images(images.parent) if is_built_set else ImageReader(images)


def are_joints_by_number(skeleton: Skeleton, data: Skeleton) -> bool:
    """Return whether joints are matched by their place, because one side only numbers them."""
    order = match_joint_order(skeleton, data)
    is_lacking = bool(order.missing) and order.skeleton != COCO17
    has_numbers = are_numbered(skeleton.joints) or are_numbered(data.joints)
    return is_lacking and has_numbers and len(skeleton) == len(data)


def refuse_missing_joints(skeleton: Skeleton, data: Skeleton, path: Path) -> None:
    """Raise InputError when a method lacks joints of a file that its results are written for.

    COCO's 17 among those of the file are enough (setting A), and so are as many numbered joints.

    Args:
        skeleton: of the method.
        data: of the file.
        path: of the file, for messages.
    """
    if not len(data) or are_joints_by_number(skeleton, data):
        return
    order = match_joint_order(skeleton, data)
    if order.missing and order.skeleton != COCO17:
        raise InputError(
            str(path),
            f"the method ({skeleton.name}) lacks joints of the file: {list_joints(order.missing)}",
            "add --own-joints to write the method's joints with their names",
        )
