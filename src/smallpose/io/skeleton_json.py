"""Read a custom skeleton from a JSON file."""

import difflib
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import SIGMAS, SKELETONS, Skeleton, resolve_skeleton
from smallpose.io.joint_list import check_joint_list
from smallpose.io.joint_pairs import Pair, find_declared_pairs
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json


class _Category(Struct):
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []
    sigmas: list[float] | None = None
    swap: list[Pair] | None = None


class _File(Struct):
    name: str = ""
    joints: list[str] = []
    edges: list[tuple[int, int]] = []
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []
    sigmas: list[float] | None = None
    swap: list[Pair] | None = None
    categories: list[_Category] = []


def read_skeleton(path: Path | str) -> Skeleton:
    """Read a skeleton from JSON: our own form, a COCO category, or a COCO file with one.

    Ours is {"joints": […], "edges": [[0, 1], …], "sigmas": […], "swap": [["l1", "r1"], …],
    "name": "…"} with 0-based edges; a COCO category has "keypoints" and, 1-based, "skeleton".
    `swap` lists the left and the right joint of each pair, by name or by index (1-based in a
    category); without it, names tell the pairs. Edges and name are optional; sigmas are optional
    where every joint is one of the 21.

    Raises: InputError when joints are missing or repeated, an edge or a pair has no joint, or
        sigmas are missing.
    """
    file = decode_json(path, read_bytes(Path(path)), _File)
    joints = file.joints
    edges = file.edges
    sigmas = file.sigmas
    swap = file.swap
    first = 0
    if not joints:
        category = next((c for c in file.categories if c.keypoints), file)
        joints, sigmas = category.keypoints, category.sigmas
        swap = category.swap
        first = 1
        edges = [(a - 1, b - 1) for a, b in category.skeleton]
    _check_joints(path, joints, edges)
    skeleton = resolve_skeleton(joints, edges)
    if swap is not None:
        skeleton = replace(
            skeleton, custom_pairs=find_declared_pairs(str(path), joints, swap, first)
        )
    if sigmas is None:
        _require_known_sigmas(path, skeleton)
        return skeleton
    if len(sigmas) != len(joints) or not all(s > 0 for s in sigmas):
        raise InputError(
            str(path),
            f"{format_count(len(sigmas), 'sigma')} for {format_count(len(joints), 'joint')}",
            "give one number above zero for each joint",
        )
    known_name = "" if skeleton.name in SKELETONS else skeleton.name
    name = file.name or known_name or Path(path).stem
    return replace(skeleton, name=name, custom_sigmas=tuple(sigmas))


def _check_joints(path: Path | str, joints: list[str], edges: list[tuple[int, int]]) -> None:
    check_joint_list(
        str(path), joints, 'a file as {"joints": ["nose", "tail"], "sigmas": [0.03, 0.1]}'
    )
    wrong = [edge for edge in edges if not all(0 <= end < len(joints) for end in edge)]
    if wrong:
        raise InputError(
            str(path),
            f"edge {list(wrong[0])} joins no two of {format_count(len(joints), 'joint')}",
            "give edges as pairs of joint numbers",
        )


def _require_known_sigmas(path: Path | str, skeleton: Skeleton) -> None:
    unknown = [joint for joint in skeleton.joints if joint not in SIGMAS]
    if unknown:
        raise InputError(
            str(path),
            f"no OKS sigma is known for joint {unknown[0]!r}",
            f'give {format_count(len(skeleton), "number")} under "sigmas"',
        )


def find_skeleton(skeleton: str | Skeleton) -> Skeleton:
    """Return the skeleton of that name or in that JSON file; a `Skeleton` is returned unchanged."""
    if isinstance(skeleton, Skeleton):
        return skeleton
    if skeleton.endswith(".json"):
        return read_skeleton(skeleton)
    if skeleton not in SKELETONS:
        near = difflib.get_close_matches(skeleton, SKELETONS, n=1, cutoff=0.3) or ["coco17"]
        raise InputError(f"skeleton {skeleton}", "no such skeleton", f"try {near[0]}")
    return SKELETONS[skeleton]
