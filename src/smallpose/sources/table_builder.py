"""A source's images and people while a reader walks through its records.

Numbers go into flat buffers of doubles, not into an array per person: the five sources together
have more than a million people.
"""

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.sources.source import Picture, Source

_CALLED = {"mpii": "MPII", "aic": "AI Challenger", "hieve": "HiEve", "posetrack": "PoseTrack"}


class Columns:
    """Grows image by image and person by person; `finish` makes the table.

    Args:
        name: one of `instances.SOURCES`.
        skeleton: the source's joints in its own order.
        box_rule: one of `boxes.BOX_RULES`.
        visibility: the source's code of each keypoint to COCO's 0, 1, 2.
    """

    def __init__(
        self, name: str, skeleton: Skeleton, box_rule: str, visibility: Mapping[int, int]
    ) -> None:
        self.name, self.skeleton, self.box_rule = name, skeleton, box_rule
        self.visibility = dict(visibility)
        self._codes = frozenset(visibility)
        self._nothing = [0.0] * (3 * len(skeleton))
        self._file_names: list[str] = []
        self._source_ids: list[str] = []
        self._groups: list[str] = []
        self._width, self._height = array("q"), array("q")
        self._pictures: list[Picture] = []
        self._splits: list[str] = []
        self._rows, self._crowd = array("q"), array("b")
        self._boxes, self._points = array("d"), array("d")

    def image(
        self,
        name: str,
        picture: Picture,
        *,
        source_id: str,
        split: str = "",
        group: str = "",
        width: int = 0,
        height: int = 0,
    ) -> int:
        """Add an image and return its row; `name` is its path below the source's root."""
        self._file_names.append(f"{self.name}/{name}")
        self._pictures.append(picture)
        self._source_ids.append(source_id)
        self._splits.append(split)
        self._groups.append(group)
        self._width.append(width)
        self._height.append(height)
        return len(self._file_names) - 1

    def person(
        self, row: int, box_xywh: Sequence[float], points: Sequence[float], *where: object
    ) -> None:
        """Add a person of the image at `row`.

        Args:
            box_xywh: 4 numbers, px, as they stand: what is wrong with a box is the builder's.
            points: x, y and the source's own visibility code of each joint, one after the other.
            where: file, record and person, for a message.
        Raises: InputError when there are too few points or an unknown code among them.
        """
        if len(points) != len(self._nothing):
            raise InputError(
                _place(where),
                f"{len(points)} keypoint values, {self.skeleton.name} needs {len(self._nothing)}",
                "mend the record or leave it out",
            )
        if not self._codes.issuperset(points[2::3]):
            code = next(v for v in points[2::3] if v not in self._codes)
            raise InputError(
                _place(where),
                f"keypoint {points[2::3].index(code) + 1} has visibility {code:g}",
                f"{_CALLED[self.name]} has only {', '.join(map(str, self.visibility))}",
            )
        self._rows.append(row)
        self._crowd.append(False)
        self._boxes.extend(box_xywh)
        self._points.extend(points)

    def region(self, row: int, box_xywh: Sequence[float]) -> None:
        """Add a region whose people nobody labelled; it becomes an ignored row like COCO's crowds.

        Args:
            box_xywh: 4 numbers around the region, px.
        """
        self._rows.append(row)
        self._crowd.append(True)
        self._boxes.extend(box_xywh)
        self._points.extend(self._nothing)

    def finish(self, root: Path, missing: Sequence[str], notes: Sequence[str]) -> Source:
        """The whole source; points that are not labelled lose their coordinates."""
        n, m = len(self._rows), len(self._file_names)
        code = SOURCES.index(self.name)
        images = make_images(
            np.arange(1, m + 1),
            self._file_names,
            np.array(self._width),
            np.array(self._height),
            code,
            self._source_ids,
            self._groups,
        )
        points = np.array(self._points).reshape(n, len(self.skeleton), 3)
        crowd = np.array(self._crowd, dtype=bool)
        self._recode(points, crowd)
        people = make_instances(
            self.skeleton,
            images,
            np.array(self._rows, dtype=np.intp),
            np.array(self._boxes).reshape(n, 4),
            points,
            iscrowd=crowd,
            source=code,
            box_rule=BOX_RULES.index(self.box_rule),
            notes=notes,
        )
        return Source(
            self.name, root, people, tuple(self._pictures), tuple(self._splits), tuple(missing)
        )

    def _recode(self, points: NDArray[np.float64], crowd: NDArray[np.bool_]) -> None:
        theirs = points[:, :, 2].copy()
        ours = np.zeros_like(theirs)
        for code, v in self.visibility.items():
            ours[theirs == code] = v
        ours[crowd] = 0  # a region's zeros are nobody's code
        points[:, :, 2] = ours
        points[ours == 0] = 0


def _place(where: Sequence[object]) -> str:
    return ", ".join(str(part) for part in where)
