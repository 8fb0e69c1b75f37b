"""Choose the categories of a COCO file whose annotations are people.

By name first: `person` in any case. Without such a name, by joints: the categories with the most
joints of people. What was used and what was left out is noted.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import SMALLPOSE, Skeleton, resolve_skeleton
from smallpose.io.joint_list import MAX_JOINTS, check_joint_list
from smallpose.io.json_blocks import Int64

CategoryId = int | str
MAX_NAMES = 6  # of categories left out that a note lists


class Category(Struct):
    """The fields that are read of a category."""

    id: Int64 | str
    name: str = "person"
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []
    # The left and the right joint of each pair, by name or counted from 1; ours, not COCO's.
    swap: list[tuple[int | str, int | str]] | None = None


@dataclass(frozen=True)
class ChosenCategories:
    """The categories whose annotations are people.

    Args:
        ids: of these categories; () where no category of the file can be people.
        skeleton: their joints; None where the file does not name them.
        takes_all: whether every annotation is a person: the file has no or only one category, and
            no joint names.
        used: the categories.
        others: the other categories of the file.
    """

    ids: tuple[CategoryId, ...]
    skeleton: Skeleton | None
    takes_all: bool
    used: tuple[Category, ...]
    others: tuple[Category, ...]

    def accepts(self, category_id: CategoryId | None) -> bool:
        """Return whether annotations of this category are people; those without one are."""
        return self.takes_all or category_id is None or category_id in self._id_set

    @cached_property
    def _id_set(self) -> frozenset[CategoryId]:
        return frozenset(self.ids)

    def describe(self, num_left_out: Mapping[CategoryId, int]) -> list[str]:
        """Say which categories were used and left out; nothing where there is no choice.

        Args:
            num_left_out: number of annotations left out by category.
        """
        names = {category.id: category.name for category in self.others}
        with_joints = [category.id for category in self.others if category.keypoints]
        left_out = [
            f"{_label(category_id, names.get(category_id))} with {format_count(n, 'annotation')}"
            for category_id, n in num_left_out.items()
        ]
        left_out += [_label(i, names[i]) for i in with_joints if i not in num_left_out]
        if len(self.used) < 2 and not left_out:
            return []
        used = ", ".join(_label(category.id, category.name) for category in self.used)
        note = f"{'categories' if len(self.used) > 1 else 'category'} used: {used or 'none'}"
        if left_out:
            note += f"; left out: {', '.join(left_out[:MAX_NAMES])}"
        if len(left_out) > MAX_NAMES:
            note += f" and {len(left_out) - MAX_NAMES:,} more"
        return [note]


def _label(category_id: CategoryId, name: str | None) -> str:
    return f"id {category_id}" if name is None else f"{name} (id {category_id})"


def choose_categories(
    path: Path | str,
    categories: Sequence[Category],
    wanted: Sequence[str],
    list_labelled: Callable[[], Collection[CategoryId]],
    keypoints_required: bool = True,
) -> ChosenCategories:
    """Choose the categories of people.

    Args:
        wanted: names in any case, or ids; () to choose by name, then by joints.
        list_labelled: returns the categories of the annotations with keypoints.
        keypoints_required: whether boxes without keypoints are of no use.

    Raises: InputError where an id is used twice, a wanted category is missing, the wanted ones have
        different joints, a joint is named twice, or each joint is a category of its own.
    """
    unique = _refuse_repeated_ids(path, categories)
    used = _find_wanted(path, unique, wanted) if wanted else _find_people(unique, list_labelled)
    if not wanted and _is_one_per_joint(used, unique):
        if keypoints_required:
            raise InputError(
                str(path),
                f"each of its {format_count(len(unique), 'category', 'categories')} is one joint, "
                f"such as {unique[0].name!r}",
                "write one annotation per person, with all joints in keypoints",
            )
        used = []
    used_ids = {category.id for category in used}
    return ChosenCategories(
        ids=tuple(category.id for category in used),
        skeleton=_build_skeleton(path, [category for category in used if category.keypoints]),
        takes_all=not unique or (len(unique) == 1 and not unique[0].keypoints),
        used=tuple(used),
        others=tuple(category for category in unique if category.id not in used_ids),
    )


def _refuse_repeated_ids(path: Path | str, categories: Sequence[Category]) -> list[Category]:
    """Return the categories without identical repeats."""
    first: dict[CategoryId, int] = {}
    for index, category in enumerate(categories):
        start = first.setdefault(category.id, index)
        if categories[start] != category:
            names = f"{categories[start].name!r} and {category.name!r}"
            raise InputError(
                f"{path}, categories[{start}] and [{index}]",
                f"{names} both have id {category.id}",
                "give each category an id of its own, also in its annotations",
            )
    return [categories[index] for index in first.values()]


def _find_wanted(
    path: Path | str, categories: list[Category], wanted: Sequence[str]
) -> list[Category]:
    used: dict[CategoryId, Category] = {}
    for word in wanted:
        by_name = [c for c in categories if c.name.casefold() == word.casefold()]
        matches = by_name or [c for c in categories if str(c.id) == word]
        if not matches:
            names = ", ".join(dict.fromkeys(c.name for c in categories))
            remedy = f"use one of {names}" if names else "leave --category out"
            raise InputError(f"{path}, --category {word}", "has no such category", remedy)
        used |= {category.id: category for category in matches}
    lists = {tuple(category.keypoints) for category in used.values() if category.keypoints}
    if len(lists) > 1:
        names = " and ".join(category.name for category in used.values())
        raise InputError(str(path), f"{names} have different joints", "choose one with --category")
    return list(used.values())


def _find_people(
    categories: list[Category], list_labelled: Callable[[], Collection[CategoryId]]
) -> list[Category]:
    """Return the categories named person, else those with joints of people, else with keypoints."""
    named = [category for category in categories if category.name.casefold() == "person"]
    with_joints = [category for category in categories if category.keypoints]
    candidates = [category for category in named if category.keypoints]
    if named and not candidates:
        labelled = list_labelled() if with_joints else ()
        if not with_joints or any(category.id in labelled for category in named):
            return named
    candidates = candidates or with_joints
    if not candidates:
        labelled = list_labelled() if len(categories) > 1 else [c.id for c in categories]
        return [category for category in categories if category.id in labelled]
    best = max(candidates, key=_count_joints_of_people)
    return [category for category in candidates if category.keypoints == best.keypoints]


def _count_joints_of_people(category: Category) -> int:
    if len(category.keypoints) > MAX_JOINTS:
        return 0
    joints = resolve_skeleton(category.keypoints).joints
    return len(set(joints) & set(SMALLPOSE.joints))


def _is_one_per_joint(used: list[Category], categories: list[Category]) -> bool:
    """Return whether the joints of a person are categories, as some labelling tools write them."""
    is_person = any(category.name.casefold() == "person" for category in used)
    counts = Counter(len(category.keypoints) for category in categories)
    return not is_person and counts[1] > 1 and counts[1] == len(categories)


def _build_skeleton(path: Path | str, categories: list[Category]) -> Skeleton | None:
    if not categories:
        return None
    category = categories[0]
    where = f"{path}, category {category.name} (id {category.id})"
    check_joint_list(where, category.keypoints, "the order of the keypoints")
    k = len(category.keypoints)
    # CrowdPose's own file has COCO's edges, which contain joints that it does not have.
    fits = all(min(e) >= 1 and max(e) <= k for e in category.skeleton)
    edges = [(a - 1, b - 1) for a, b in category.skeleton] if fits else []
    skeleton = resolve_skeleton(category.keypoints, edges)
    if category.swap is None:
        return skeleton
    from smallpose.io.joint_pairs import find_declared_pairs

    pairs = find_declared_pairs(where, category.keypoints, category.swap, first=1)
    return replace(skeleton, custom_pairs=pairs)
