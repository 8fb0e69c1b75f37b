"""Find the people whom several annotators labelled in the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.skeleton import Skeleton, find_joint_indices
from smallpose.evaluation.annotators.match_images import describe_images, match_images
from smallpose.evaluation.areas import get_person_area

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

# Two labels are of one person if their joints are near on average: exp(-d² / 2 (.2)² area), which
# is OKS with a sigma of .1 for every joint. People beside each other stay below.
_TOLERANCE = 0.2
_MIN_SIMILARITY = 0.3
_UNUSABLE = "crowd regions and people without labelled joints or area"
# Labels that are equal to the last digit are copies if chance makes them so less often than this,
# going by so many people of about the same size.
_MAX_CHANCE = 1e-3
_NUM_ALIKE = 20


@dataclass(frozen=True)
class RepeatedLabels:
    """People labelled by two or more of a annotators, with k joints.

    Args:
        skeleton: the joints, those of the first file.
        annotators: (a,) names of the files.
        keypoints: (p, a, k, 3) x, y in px and v; 0 where an annotator did not label it.
        ids: (p, a) annotation ids as their files have them; None where there is no label.
        area: (p,) px², the mean over the annotators: the scale of OKS.
        box_area: (p,) px², the mean of width × height of the boxes: the size class.
        source: (p,) indices into `SOURCES`.
        image_names: (p,) file name of the image, or its id.
        cluster: (p,) index of the image, or of its video.
        left_out: how many people or images are not compared, by the reason.
        notes: what a reader should know, as plain sentences.
    """

    skeleton: Skeleton
    annotators: tuple[str, ...]
    keypoints: Floats
    ids: tuple[tuple[int | str | None, ...], ...]
    area: Floats
    box_area: Floats
    source: NDArray[np.int8]
    image_names: tuple[str, ...]
    cluster: Ints
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.area)

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """Return (p, a, k) whether the annotator labelled the joint."""
        return np.asarray(self.keypoints[..., 2] > 0)


def match_annotators(tables: Mapping[str, Instances], oks_area: str = "file") -> RepeatedLabels:
    """Match the people of several files of the same images, one to one.

    Images are matched by file name, by its last part where no whole name agrees, or by id where
    images have no names. Joints are matched by name; those of the first file count.

    Args:
        tables: two or more, by the name of the file.
        oks_area: a rule of `OKS_AREAS`, for the scale.
    Raises: InputError where no image or no person is in two files.
    """
    names = tuple(tables)
    first = tables[names[0]]
    keypoints = {
        name: _select_joints(name, table, first.skeleton) for name, table in tables.items()
    }
    rows_of_image = match_images(tables)
    area = {name: get_person_area(table, oks_area) for name, table in tables.items()}
    is_usable = {
        name: table.is_counted & (area[name] > 0) & (keypoints[name][:, :, 2] > 0).any(axis=1)
        for name, table in tables.items()
    }
    people_of_image = {name: _list_people(table, is_usable[name]) for name, table in tables.items()}
    groups: list[tuple[int, ...]] = []
    image_keys: list[int] = []
    for key, rows in enumerate(rows_of_image.values()):
        people = [people_of_image[name].get(row, ()) for name, row in zip(names, rows, strict=True)]
        matched = _match_people(
            people, list(keypoints.values()), list(area.values()), first.skeleton
        )
        groups += matched
        image_keys += [key] * len(matched)
    table = _build_table(
        tables, keypoints, area, groups, np.array(image_keys, dtype=np.intp), rows_of_image
    )
    num_unusable = sum(int((~one).sum()) for one in is_usable.values())
    return replace(table, left_out=table.left_out | {_UNUSABLE: num_unusable})


def _select_joints(name: str, table: Instances, skeleton: Skeleton) -> Floats:
    """Return the (n, k, 3) keypoints of a file in the joints of the first one, by name."""
    indices = find_joint_indices(table.skeleton, skeleton)
    if all(index is None for index in indices):
        raise InputError(
            name,
            f"its joints ({table.skeleton.name}) have no name in common with the first file's",
            "give files with the same joint names",
        )
    out = np.zeros((len(table), len(skeleton), 3))
    for target, source in enumerate(indices):
        if source is not None:
            out[:, target] = table.keypoints[:, source]
    return out


def _list_people(table: Instances, is_usable: NDArray[np.bool_]) -> dict[int, list[int]]:
    people: dict[int, list[int]] = {}
    for person in np.flatnonzero(is_usable).tolist():
        people.setdefault(int(table.image_rows[person]), []).append(person)
    return people


def _match_people(
    people: Sequence[Sequence[int]],
    keypoints: Sequence[Floats],
    area: Sequence[Floats],
    skeleton: Skeleton,
) -> list[tuple[int, ...]]:
    """Group the labels of one image that are of the same person.

    Args:
        people: by annotator, the rows of the people in the image.
    Returns: by person the row of each annotator's label, or -1.
    """
    groups: list[list[int]] = []
    for annotator, rows in enumerate(people):
        similarity = np.zeros((len(groups), len(rows)))
        for g, group in enumerate(groups):
            for other, member in enumerate(group):
                if member >= 0 and len(rows):
                    fit = _compare_poses(
                        keypoints[other][member],
                        float(area[other][member]),
                        keypoints[annotator][list(rows)],
                        area[annotator][list(rows)],
                        skeleton,
                    )
                    similarity[g] = np.maximum(similarity[g], fit)
        is_free = np.ones(len(rows), dtype=bool)
        order = np.argsort(-similarity, axis=None, kind="stable")
        is_open = np.ones(len(groups), dtype=bool)
        for index in order.tolist():
            g, row = divmod(index, len(rows))
            if similarity[g, row] < _MIN_SIMILARITY:
                break
            if is_open[g] and is_free[row]:
                groups[g][annotator] = rows[row]
                is_open[g] = is_free[row] = False
        for row in np.flatnonzero(is_free).tolist():
            groups.append([-1] * len(people))
            groups[-1][annotator] = rows[row]
    return [tuple(group) for group in groups]


def _compare_poses(
    pose: Floats, area: float, others: Floats, other_area: Floats, skeleton: Skeleton
) -> Floats:
    """Return (m,) how alike a (k, 3) pose and m others are, as they are or with sides exchanged."""
    scale = 2 * _TOLERANCE**2 * (area + other_area) / 2

    def measure(first: Floats) -> Floats:
        is_shared = (first[:, 2] > 0) & (others[:, :, 2] > 0)
        squared = ((first[:, :2] - others[:, :, :2]) ** 2).sum(axis=2)
        near = np.exp(-squared / scale[:, None]) * is_shared
        return np.asarray(near.sum(axis=1) / np.maximum(is_shared.sum(axis=1), 1))

    return np.maximum(measure(pose), measure(pose[skeleton.flip_indices]))


def _build_table(
    tables: Mapping[str, Instances],
    keypoints: Mapping[str, Floats],
    area: Mapping[str, Floats],
    groups: Sequence[tuple[int, ...]],
    image_keys: Ints,
    rows_of_image: Mapping[object, tuple[int, ...]],
) -> RepeatedLabels:
    """Collect the people with two or more labels into one table, and count the others."""
    names = tuple(tables)
    rows = np.array(groups, dtype=np.intp).reshape(-1, len(names))
    is_repeated = (rows >= 0).sum(axis=1) > 1
    image_counts = [sum(row >= 0 for row in one) for one in rows_of_image.values()]
    left_out = {
        "images in one file only": sum(count == 1 for count in image_counts),
        "people labelled in one file only": int((~is_repeated).sum()),
    }
    rows, keys = rows[is_repeated], image_keys[is_repeated]
    if not len(rows):
        raise InputError(
            " and ".join(names),
            "no person is labelled in two of the files",
            "give labels of the same people, or one file alone for borrowed sigmas",
        )
    shape = (len(rows), len(names))
    points = np.zeros((*shape, len(tables[names[0]].skeleton), 3))
    scale, box = np.full(shape, np.nan), np.full(shape, np.nan)
    source = np.zeros(len(rows), dtype=np.int8)
    ids = np.full(shape, None, dtype=object)
    for a, (name, table) in enumerate(tables.items()):
        has_label = rows[:, a] >= 0
        person = rows[has_label, a]
        points[has_label, a] = keypoints[name][person]
        scale[has_label, a], box[has_label, a] = area[name][person], table.area[person]
        source[has_label] = np.where(
            source[has_label] == 0, table.source[person], source[has_label]
        )
        file_ids = np.array(table.file_ids, dtype=object)
        ids[has_label, a] = file_ids[person]
    mean_area = np.nanmean(scale, axis=1)
    is_copy = _find_copies(points, mean_area)
    left_out["people with the same joints in two files (copied labels)"] = int(is_copy.sum())
    if is_copy.all():
        raise InputError(
            " and ".join(names),
            "all people have the same joints to the last digit, so one file is a copy",
            "give files that were labelled independently",
        )
    kept = np.flatnonzero(~is_copy)
    image_rows = list(rows_of_image.values())
    image_names, groups_of_image = describe_images(tables, image_rows)
    clusters = _index_clusters([groups_of_image[key] or key for key in keys[kept].tolist()])
    return RepeatedLabels(
        skeleton=tables[names[0]].skeleton,
        annotators=names,
        keypoints=points[kept],
        ids=tuple(tuple(row) for row in ids[kept].tolist()),
        area=mean_area[kept],
        box_area=np.nanmean(box[kept], axis=1),
        source=source[kept],
        image_names=tuple(image_names[key] for key in keys[kept].tolist()),
        cluster=clusters,
        left_out=left_out,
        notes=tuple(note for table in tables.values() for note in table.notes),
    )


def _find_copies(points: Floats, area: Floats) -> NDArray[np.bool_]:
    """Return (p,) whether two annotators have all shared joints of a person at the same place.

    Labels of very small people in whole pixels agree by chance, too. A person is a copy only where
    the share of equal joints on people of a like size makes that improbable.
    """
    is_copy = np.zeros(len(points), dtype=bool)
    for a in range(points.shape[1]):
        for b in range(a):
            is_shared = (points[:, a, :, 2] > 0) & (points[:, b, :, 2] > 0)
            is_equal = (points[:, a, :, :2] == points[:, b, :, :2]).all(axis=2) & is_shared
            num_shared, num_equal = is_shared.sum(axis=1), is_equal.sum(axis=1)
            is_same = (num_shared > 0) & (num_equal == num_shared)
            others = np.flatnonzero((num_shared > 0) & ~is_same)
            for person in np.flatnonzero(is_same).tolist():
                near = np.argsort(np.abs(np.log(area[others] / area[person])))[:_NUM_ALIKE]
                shared = num_shared[others[near]].sum()
                share = num_equal[others[near]].sum() / shared if shared else 0.0
                is_copy[person] |= share ** num_shared[person] < _MAX_CHANCE
    return is_copy


def _index_clusters(keys: Sequence[object]) -> Ints:
    indices: dict[object, int] = {}
    return np.array([indices.setdefault(key, len(indices)) for key in keys], dtype=np.intp)
