"""Make a source of images whose people have joints by name, as the readers of tools do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from smallpose.core.counts import format_count, format_phrase
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import resolve_skeleton
from smallpose.io.joint_list import check_joint_list
from smallpose.sources.source import Source
from smallpose.sources.tools.coco_files import give_boxes
from smallpose.sources.tools.image_search import ImageSearch, shorten_path
from smallpose.sources.tools.joint_map import rename_joints
from smallpose.sources.tools.split_names import SPLITS
from smallpose.system.image_limits import refuse_impossible_size

_CROWD_LABELS = ("crowd", "ignore")  # "crowd" is what our exports write

Box = tuple[float, float, float, float]
Point = tuple[float, float, int]  # x, y in px and v: 1 hidden, 2 visible


@dataclass(frozen=True)
class LabelledPerson:
    """A person of an image.

    Args:
        joints: name to x, y and v of the joints that are labelled.
        box_xywh: px; None where the person has only joints.
        is_crowd: whether it is a region of people who are not labelled one by one.
    """

    joints: Mapping[str, Point]
    box_xywh: Box | None = None
    is_crowd: bool = False


@dataclass(frozen=True)
class LabelledImage:
    """An image with its people.

    Args:
        path: relative to the root of the source, also of a missing image.
        people: in the order of the file.
        width, height: px; 0 where unknown.
        split: the source's own name of its split; "" where it has none.
        where: the file and record in errors.
    """

    path: str
    people: Sequence[LabelledPerson]
    width: int = 0
    height: int = 0
    split: str = ""
    where: str = ""


@dataclass
class ReadingNotes:
    """Counts what a reader leaves out or takes for granted.

    Args:
        left_out: kind of record to its number.
        placed: number of points whose person only their position tells.
    """

    left_out: dict[str, int] = field(default_factory=dict)
    placed: int = 0

    def leave_out(self, what: str, count: int = 1) -> None:
        """Count records that are left out."""
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count

    def describe(self) -> list[str]:
        """Return the notes; none where everything was used as it is."""
        counted = ", ".join(format_phrase(count, what) for what, count in self.left_out.items())
        notes = [f"left out: {counted}"] if counted else []
        if self.placed:
            notes.append(
                f"{format_count(self.placed, 'point')} went to the only box that contains them"
            )
        return notes


def make_labelled_source(
    name: str,
    search: ImageSearch,
    images: Sequence[LabelledImage],
    joint_names: Sequence[str],
    joint_map: Mapping[str, str],
    notes: Sequence[str] = (),
) -> Source:
    """Make the source of all images, with our joints.

    People without a box get one around their joints; people without joints are ignored by metrics.

    Args:
        joint_names: (k,) the joints that people are labelled with, which is K of Eq. 3.
        joint_map: their joint names to ours.
        notes: what the reader left out.
    Raises: InputError where no joint is one of the 21, or the joints cannot be used.
    """
    root = search.root
    for image in images:
        refuse_impossible_size(image.where, image.width, image.height)
    check_joint_list(str(root), joint_names, "the labels of points")
    people = [(row, person) for row, image in enumerate(images) for person in image.people]
    k = len(joint_names)
    keypoints = np.zeros((len(people), k, 3))
    index_of = {joint: index for index, joint in enumerate(joint_names)}
    for index, (_, person) in enumerate(people):
        for joint, point in person.joints.items():
            keypoints[index, index_of[joint]] = point
    boxes = [person.box_xywh or (0.0, 0.0, 0.0, 0.0) for _, person in people]
    table = make_images(
        ids=np.arange(1, len(images) + 1),
        file_names=[f"{name}/{shorten_path(image.path)}" for image in images],
        width=[image.width for image in images],
        height=[image.height for image in images],
        source_ids=[image.path for image in images],
    )
    table = replace(table, source_splits=tuple(image.split for image in images))
    instances = make_instances(
        resolve_skeleton(joint_names),
        table,
        image_rows=[row for row, _ in people],
        boxes_xywh=np.array(boxes).reshape(-1, 4),
        keypoints=keypoints,
        iscrowd=[person.is_crowd for _, person in people],
    )
    instances, box_notes = give_boxes(instances)
    instances, joint_notes = rename_joints(str(root), instances, joint_map)
    instances = replace(instances, notes=(*joint_notes, *notes, *box_notes))
    return Source(
        name=name,
        root=root,
        people=instances,
        image_files=tuple(search.locate(image.path, image.where) for image in images),
        splits=tuple(SPLITS.get(image.split, "") for image in images),
    )


def make_box(points: Sequence[Sequence[float]]) -> Box:
    """Return the box around corners in any order."""
    xs = [point[0] for point in points]
    ys = [point[1] for point in points]
    return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def is_person(label: str, category: Sequence[str]) -> bool:
    """Return whether boxes with this label are people, by `--category` or by name."""
    names = {name.casefold() for name in category} or {"person"}
    return label.strip().casefold() in names


def is_crowd(label: str) -> bool:
    """Return whether boxes with this label are regions of people to ignore."""
    return label.strip().casefold() in _CROWD_LABELS


def list_joint_names(images: Sequence[LabelledImage], where: Path | str) -> list[str]:
    """List the joints of all people, in the order in which they first occur.

    Raises: InputError where no person has a joint.
    """
    names = {joint: None for i in images for person in i.people for joint in person.joints}
    if not names:
        raise InputError(
            str(where), "no person has a joint", "label joints as points with the names of joints"
        )
    return list(names)
