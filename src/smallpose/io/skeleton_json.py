"""A skeleton of the user's own, from a JSON file."""

from pathlib import Path

from msgspec import Struct

from smallpose.core.errors import InputError
from smallpose.core.skeleton import SIGMAS, SKELETONS, Skeleton, resolve_skeleton
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json


class _Category(Struct):
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []
    sigmas: list[float] | None = None


class _File(Struct):
    name: str = ""
    joints: list[str] = []
    edges: list[tuple[int, int]] = []
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []
    sigmas: list[float] | None = None
    categories: list[_Category] = []


def read_skeleton(path: Path | str) -> Skeleton:
    """A skeleton from JSON: our own form, a COCO category, or a COCO file with one.

    Ours is {"joints": […], "edges": [[0, 1], …], "sigmas": […], "name": "…"} with 0-based edges;
    a COCO category has "keypoints" and, 1-based, "skeleton". Edges and name may lack; sigmas may
    where every joint is one of the 21.

    Raises: InputError when joints lack, repeat or are joined to nobody, or sigmas are missing.
    """
    file = decode_json(path, read_bytes(Path(path)), _File)
    category = next((c for c in file.categories if c.keypoints), None)
    joints, edges, sigmas = file.joints, file.edges, file.sigmas
    if not joints:
        coco = category or file
        joints, sigmas = coco.keypoints, coco.sigmas
        edges = [(a - 1, b - 1) for a, b in coco.skeleton]
    if not joints or len(set(joints)) < len(joints):
        what = "names no joints" if not joints else "names a joint twice"
        raise InputError(str(path), what, 'as in {"joints": ["nose", "tail"], "sigmas": [.03, .1]}')
    wrong = [edge for edge in edges if not all(0 <= end < len(joints) for end in edge)]
    if wrong:
        raise InputError(
            str(path), f"edge {list(wrong[0])} joins no two of {len(joints)} joints", "mend it"
        )
    found = resolve_skeleton(joints, edges)
    if sigmas is None:
        unknown = [joint for joint in found.joints if joint not in SIGMAS]
        if unknown:
            raise InputError(
                str(path),
                f"no OKS sigma is known for joint {unknown[0]!r}",
                f'give {len(joints)} numbers under "sigmas"',
            )
        return found
    if len(sigmas) != len(joints) or not all(s > 0 for s in sigmas):
        raise InputError(
            str(path), f"{len(sigmas)} sigmas for {len(joints)} joints", "one above zero for each"
        )
    name = file.name or ("" if found.name in SKELETONS else found.name) or Path(path).stem
    return Skeleton(name, found.joints, found.edges, tuple(sigmas))
