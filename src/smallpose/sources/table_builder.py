"""Collect a source's images and people while a reader iterates over its records.

Numbers go into flat buffers of doubles instead of one array per person: the five sources together
have more than a million people.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.sources.source import ImageFile, Source
from smallpose.system.image_limits import refuse_impossible_size

_DISPLAY_NAMES = {
    "mpii": "MPII",
    "aic": "AI Challenger",
    "hieve": "HiEve",
    "posetrack": "PoseTrack",
}


_NO_HEAD = (float("nan"),) * 4


class TableBuilder:
    """A table that grows image by image and person by person; `finish` returns the source.

    Args:
        name: one of `instances.SOURCES`.
        skeleton: the source's joints in its own order.
        box_rule: one of `boxes.BOX_RULES`.
        visibility: maps the source's visibility codes to COCO's 0, 1, 2.
    """

    def __init__(
        self, name: str, skeleton: Skeleton, box_rule: str, visibility: Mapping[int, int]
    ) -> None:
        self.name, self.skeleton, self.box_rule = name, skeleton, box_rule
        self.visibility = dict(visibility)
        self._codes = frozenset(visibility)
        self._unlabelled = [0.0] * (3 * len(skeleton))
        self._file_names: list[str] = []
        self._source_ids: list[str] = []
        self._groups: list[str] = []
        self._width, self._height = array("q"), array("q")
        self._image_files: list[ImageFile] = []
        self._splits: list[str] = []
        self._rows, self._crowd = array("q"), array("b")
        self._boxes, self._points = array("d"), array("d")
        self._tracks, self._heads = array("q"), array("d")

    def add_image(
        self,
        name: str,
        image_file: ImageFile,
        *,
        source_id: str,
        split: str = "",
        group: str = "",
        width: int = 0,
        height: int = 0,
    ) -> int:
        """Add an image and return its row; `name` is its path relative to the source's root.

        Raises: InputError for a size that no image can have.
        """
        refuse_impossible_size(f"{_DISPLAY_NAMES[self.name]}, {name}", width, height)
        self._file_names.append(f"{self.name}/{name}")
        self._image_files.append(image_file)
        self._source_ids.append(source_id)
        self._splits.append(split)
        self._groups.append(group)
        self._width.append(width)
        self._height.append(height)
        return len(self._file_names) - 1

    def add_person(
        self,
        row: int,
        box_xywh: Sequence[float],
        points: Sequence[float],
        *where: object,
        track_id: int | None = None,
        head_xywh: Sequence[float] | None = None,
    ) -> None:
        """Add a person of the image at `row`.

        Args:
            box_xywh: 4 numbers, px, as in the file; the builder checks and clips boxes.
            points: x, y and the source's own visibility code of each joint, joint by joint.
            where: file, record and person, for error messages.
            track_id: identity in the video, from 0 on.
            head_xywh: 4 numbers, px, as in the file.
        Raises: InputError when there are too few points, an unknown visibility code, or a track_id
            beyond 64 bits.
        """
        if len(points) != len(self._unlabelled):
            raise InputError(
                _join_location(where),
                f"{format_count(len(points), 'keypoint value')} instead of the "
                f"{len(self._unlabelled)} of {self.skeleton.name}",
                "correct the record or remove it",
            )
        if not self._codes.issuperset(points[2::3]):
            code = next(v for v in points[2::3] if v not in self._codes)
            raise InputError(
                _join_location(where),
                f"keypoint {points[2::3].index(code) + 1} has visibility {code:g}",
                f"{_DISPLAY_NAMES[self.name]} has only {', '.join(map(str, self.visibility))}",
            )
        if track_id is not None and not -(2**63) <= track_id < 2**63:
            raise InputError(
                _join_location(where),
                f"track_id {track_id} is beyond 64 bits",
                "correct the record or remove it",
            )
        self._rows.append(row)
        self._crowd.append(False)
        self._boxes.extend(box_xywh)
        self._points.extend(points)
        self._tracks.append(-1 if track_id is None else track_id)
        self._heads.extend(head_xywh or _NO_HEAD)

    def add_ignore_region(self, row: int, box_xywh: Sequence[float]) -> None:
        """Add a region of unlabelled people; it becomes an ignored row like COCO's crowds.

        Args:
            box_xywh: 4 numbers around the region, px.
        """
        self._rows.append(row)
        self._crowd.append(True)
        self._boxes.extend(box_xywh)
        self._points.extend(self._unlabelled)
        self._tracks.append(-1)
        self._heads.extend(_NO_HEAD)

    def finish(self, root: Path, missing: Sequence[str], notes: Sequence[str]) -> Source:
        """Return the complete source; keypoints that are not labelled get the coordinates 0, 0."""
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
        tracks, heads = np.array(self._tracks), np.array(self._heads).reshape(n, 4)
        if (tracks >= 0).any():
            people = replace(people, track_ids=tracks)
        if np.isfinite(heads).any():
            people = replace(people, heads_xywh=heads)
        return Source(
            self.name, root, people, tuple(self._image_files), tuple(self._splits), tuple(missing)
        )

    def _recode(self, points: NDArray[np.float64], is_region: NDArray[np.bool_]) -> None:
        """Replace the source's visibility codes in `points` by COCO's, in place."""
        source_codes = points[:, :, 2].copy()
        coco_codes = np.zeros_like(source_codes)
        for code, v in self.visibility.items():
            coco_codes[source_codes == code] = v
        coco_codes[is_region] = 0  # the zeros of an ignore region are no visibility codes
        points[:, :, 2] = coco_codes
        points[coco_codes == 0] = 0


def _join_location(where: Sequence[object]) -> str:
    return ", ".join(str(part) for part in where)
