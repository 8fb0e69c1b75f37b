"""Predict people in image files or in the images of a COCO file, as `smallpose predict` does."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances, make_images, make_instances
from smallpose.core.joint_order import (
    JointOrder,
    keep_joint_order,
    list_joints,
    match_joint_order,
)
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.coco_files import (
    are_joints_by_number,
    open_coco_file,
    refuse_missing_joints,
)
from smallpose.dataloading.images import refuse_too_many_unreadable
from smallpose.dataloading.missing_images import refuse_missing_images
from smallpose.inference.box_notes import describe_unused_labels
from smallpose.inference.boxes import Boxes, convert_to_boxes, read_boxes, select_true_boxes
from smallpose.inference.input_images import (
    PathReader,
    get_sizes,
    print_image_remarks,
    read_headers,
)
from smallpose.inference.notes import describe_unreadable, list_other_notes
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict import predict_people
from smallpose.inference.rotated_images import (
    RotationCounter,
    find_turned_images,
    refuse_shown_grid,
)
from smallpose.io.image_files import list_image_files
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.system.progress import print_status


class BoxDetector(NamedTuple):
    """A full-image method whose predictions become the boxes of a top-down method.

    Args:
        method: on any device; it is moved to that of the top-down method.
        options: of the detection.
    """

    method: FullImageMethod
    options: InferenceOptions


class PredictionResult(NamedTuple):
    """The predictions, and the table that names the images.

    Args:
        predictions: in all readable images.
        people: the table; without people if image files were given.
    """

    predictions: Predictions
    people: Instances


def predict_coco_file(
    method: PoseMethod,
    data: Path,
    images: Path,
    boxes: Path | BoxDetector | None = None,
    options: InferenceOptions | None = None,
    device: str = "",
    category: Sequence[str] = (),
    own_joints: bool = False,
) -> PredictionResult:
    """Predict people in the images of a COCO file.

    Args:
        data: the COCO file. It may list images alone, as COCO's image_info files do, unless its
            own boxes are needed.
        images: folder of the images.
        boxes: for top-down methods: a detector's file or a detector (default: those of `data`).
        category: names of the categories of people in `data`, as in `read_coco`.
        own_joints: keep the joints of the method (default: those of `data`, in its order).

    Raises: InputError when boxes of `data` are needed and it has none, or when the method lacks
        joints of `data`.
    """
    people, reader = open_coco_file(data, images, category)
    for note in people.notes:
        print_status(f"{data}: {note}")
    order = keep_joint_order(method.skeleton)
    if not own_joints:
        order = choose_result_order(method.skeleton, people.skeleton, data)
    if boxes is None and not isinstance(method, FullImageMethod):
        check_labelled_boxes(people, data)
    turned: frozenset[str] | None = None
    if options is not None and options.apply_exif:
        turned = find_turned_images(people, reader, data)
    else:
        refuse_shown_grid(people, reader, data)
    counter = RotationCounter(reader, turned)
    boxes_of_images: Boxes | None = None
    if isinstance(boxes, Path):
        boxes_of_images = read_boxes(boxes, people.images, people.category_ids)
    refuse_missing_images(
        reader,
        _list_images_to_read(method, people, boxes if boxes_of_images is None else boxes_of_images),
        (options or InferenceOptions()).max_unreadable,
        f"name the folder that the file names of {data.name} start from by --images",
    )
    if isinstance(boxes, BoxDetector):
        boxes_of_images = _detect_boxes(boxes, people, counter, device)
    method = method.move_to(device)
    predictions = predict_people(
        method, people, boxes_of_images, counter.read, options, method.name
    )
    counter.print_count(data)
    return PredictionResult(order.apply_to(predictions), people)


def _list_images_to_read(
    method: PoseMethod, people: Instances, boxes: "Boxes | Path | BoxDetector | None"
) -> list[str]:
    """List the file names of the images of a COCO file that a method will read."""
    names = people.images.file_names
    if isinstance(method, FullImageMethod) or isinstance(boxes, BoxDetector):
        return list(names)
    used = boxes if isinstance(boxes, Boxes) else select_true_boxes(people)
    return [names[row] for row in np.unique(used.image_rows).tolist()]


def choose_result_order(skeleton: Skeleton, data: Skeleton, path: Path) -> JointOrder:
    """Choose in which joints results of a method are written for a COCO file.

    These are the joints of the file in its order, or COCO's 17 where a method has no other joints
    and the file has those among others (setting A). A file without joints leaves the method's.

    Args:
        skeleton: of the method.
        data: of the file.
        path: of the file, for messages.

    Raises: InputError when the method lacks joints of the file.
    """
    if not len(data):
        return keep_joint_order(skeleton)
    if are_joints_by_number(skeleton, data):
        print_status(
            f"{path}: joints have numbers for names, so those of the method are taken to be in "
            f"the file's order: {list_joints(data.spelled_joints)}"
        )
        return replace(keep_joint_order(skeleton), skeleton=data)
    refuse_missing_joints(skeleton, data, path)
    order = match_joint_order(skeleton, data)
    if order.left_out:
        joints = list_joints(order.left_out)
        print_status(f"{path}: joints of the method that the file lacks are left out: {joints}")
    return order


def check_labelled_boxes(people: Instances, data: Path) -> None:
    """Print how many labelled people have no box for a top-down method.

    Raises: InputError when none has.
    """
    if not len(select_true_boxes(people)):
        lacks = "has no people with keypoints" if len(people) else "lists images without people"
        raise InputError(
            str(data),
            f"{lacks}, and a top-down method needs boxes",
            "pass a detector's boxes (--boxes) or a method that detects people (--boxes-from)",
        )
    unused = describe_unused_labels(people)
    if unused:
        print_status(f"{data}: {unused}")


def predict_image_files(
    method: PoseMethod,
    paths: Iterable[Path],
    boxes_from: Path | BoxDetector | None = None,
    options: InferenceOptions | None = None,
    device: str = "",
    first_id: int = 1,
) -> PredictionResult:
    """Predict people in image files and in folders of them; image ids count from `first_id`.

    Args:
        boxes_from: for top-down methods: a detector's file, which names images by `file_name`, else
            by their stem, or a detector (default: each image is the box of one person).
    """
    files = list_image_files(paths)
    headers, problems = read_headers([str(path) for path in files])
    is_applied = options is not None and options.apply_exif
    sizes_wh = get_sizes(headers, is_applied)
    sizes = np.array(sizes_wh).reshape(-1, 2)
    ids = np.arange(first_id, first_id + len(files))
    images = make_images(ids, [str(p) for p in files], sizes[:, 0], sizes[:, 1])
    people = make_instances(method.skeleton, images, [], np.zeros((0, 4)), [])
    print_image_remarks(headers, is_applied)
    reader = PathReader(is_applied)
    boxes: Boxes | None = None
    if isinstance(boxes_from, Path):
        boxes = read_file_boxes(boxes_from, images)
    elif boxes_from is not None:
        boxes = _detect_boxes(boxes_from, people, reader, device)
    elif not isinstance(method, FullImageMethod):
        several = f"each of the {format_count(len(files), 'image')}"
        each = several if len(files) > 1 else "the image"
        print_status(
            f"no boxes: {each} is taken as the box of one person; --boxes-from METHOD detects "
            "people first"
        )
        if problems:
            max_unreadable = (options or InferenceOptions()).max_unreadable
            refuse_too_many_unreadable(problems[0], len(problems), len(files), max_unreadable)
        boxes = make_full_image_boxes(sizes_wh)
    method = method.move_to(device)
    predictions = predict_people(method, people, boxes, reader.read, options, method.name)
    if boxes is not None and boxes_from is None:  # images without a box have not been opened again
        notes = (*predictions.notes, *describe_unreadable([str(error) for error in problems]))
        predictions = replace(predictions, notes=notes)
    return PredictionResult(predictions, people)


def read_file_boxes(path: Path, images: Images) -> Boxes:
    """Read a detector's boxes in image files, and print how many files have none."""
    boxes = read_boxes(path, images, has_ids=False)
    num_without = len(images) - len(np.unique(boxes.image_rows))
    if num_without:
        print_status(
            f"{path}: {format_share(num_without, len(images), 'image has', 'images have')} no box"
        )
    return boxes


def make_full_image_boxes(sizes_wh: list[tuple[int, int]]) -> Boxes:
    """Return each readable image as the box of one person."""
    sizes = np.array(sizes_wh, dtype=np.float64).reshape(-1, 2)
    rows = np.flatnonzero(sizes.all(axis=1))
    boxes = np.concatenate([np.zeros((len(rows), 2)), sizes[rows]], axis=1)
    return Boxes(rows, boxes, np.ones(len(rows)))


def _detect_boxes(
    detector: BoxDetector, people: Instances, reader: "RotationCounter | PathReader", device: str
) -> Boxes:
    method = detector.method.move_to(device)
    label = f"{method.name} boxes"
    predictions = predict_people(method, people, None, reader.read, detector.options, label)
    boxes = convert_to_boxes(predictions, people.images, method.box_margin)
    for note in list_other_notes(predictions):
        print_status(note)
    images = format_count(len(people.images), "image")
    print_status(f"{method.name}: {format_count(len(boxes), 'box', 'boxes')} in {images}")
    return boxes
