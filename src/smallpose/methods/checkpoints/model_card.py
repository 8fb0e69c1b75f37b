"""Check the JSON that a checkpoint of ours contains: method, skeleton, recipe."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

_Pair = tuple[int, int]
MAX_SIDE = 16_384  # of the input of a network, px


class _SkeletonRecord(Struct):
    name: str
    joints: list[str]
    edges: list[_Pair]
    sigmas: list[float] | None = None
    swap: list[_Pair] | None = None
    file_joints: list[str] = []
    not_measured: dict[str, str] = {}


class _Crop(Struct, forbid_unknown_fields=True):
    interpolation: str = ""
    zoom: int = 1


class _Heatmap(Struct, forbid_unknown_fields=True):
    targets: str = "rounded"
    decoding: str = ""


_Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]


class _Card(Struct):
    """Fields that are read; there may be others."""

    method: str = ""
    skeleton: _SkeletonRecord | None = None
    crop: _Crop | None = None
    heatmap: _Heatmap | None = None
    input_wh: tuple[_Side, _Side] | None = None
    test_side: Annotated[int, Meta(ge=0, le=MAX_SIDE)] = 0


def parse_model_card(path: Path, text: str) -> dict[str, Any]:
    """Parse the JSON among a checkpoint's metadata.

    Raises: InputError when it is damaged.
    """
    try:
        card = json.loads(text)
        record = msgspec.convert(card, _Card)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise _create_error(path, str(error).replace("`", "").replace("$.", "")) from None
    if record.skeleton is not None:
        problem = _find_skeleton_problem(record.skeleton)
        if problem:
            raise _create_error(path, problem)
    return dict(card)


def _find_skeleton_problem(skeleton: _SkeletonRecord) -> str:
    count = len(skeleton.joints)
    if not count or len(set(skeleton.joints)) < count:
        return "its skeleton has no joints, or one of them twice"
    if skeleton.file_joints and len(skeleton.file_joints) != count:
        return f"its skeleton needs {format_count(count, 'name')} in file_joints"
    pairs = [*skeleton.edges, *(skeleton.swap or ())]
    if not all(0 <= end < count for pair in pairs for end in pair):
        return f"an edge or a pair of its skeleton joins no two of {format_count(count, 'joint')}"
    sigmas = skeleton.sigmas
    if sigmas is None:
        return ""
    if len(sigmas) != count or not all(math.isfinite(s) and s > 0 for s in sigmas):
        return f"its skeleton needs {format_count(count, 'sigma')} above 0"
    return ""


def _create_error(path: Path, reason: str) -> InputError:
    return InputError(
        str(path), f"its description of the model is damaged ({reason})", "copy the file again"
    )
