"""The file of OKS sigmas that `--sigmas` reads: a list, names with numbers, or lists with marks.

A plain list has one number per keypoint. An object of names with numbers has its joints in any
order. The object with `sigmas` and `joints` also says which sigmas were not measured; a score that
uses such a sigma carries a note. The folder of a run has the sigmas that it was trained with.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Raw, Struct
from numpy.typing import ArrayLike, NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.skeleton import Skeleton, find_joint_indices, resolve_skeleton
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json, refuse_repeated_keys

_FORMS = (
    'write [0.026, …] in the order of the joints, {"nose": 0.026, …}, or '
    '{"joints": ["nose", …], "sigmas": [0.026, …]}'
)
MODEL_CARD = "model.json"  # of a run
MAX_USUAL_SIGMA = 0.2  # almost twice the largest of COCO
_COMPARABLE = "the numbers are comparable only with others of the same sigmas"


class _SigmaFile(Struct):
    sigmas: list[float]
    joints: list[str]
    not_measured: dict[str, str] = {}


class RunSkeleton(Struct):
    """The joints of a run, as its model.json has them; without sigmas they are the known ones."""

    joints: list[str] = []
    sigmas: list[float] | None = None
    not_measured: dict[str, str] = {}


@dataclass(frozen=True)
class JointSigmas:
    """Sigmas by joint; usable wherever an array of sigmas is.

    Args:
        values: (k,) one per joint.
        joints: (k,) names as a file spells them.
        not_measured: by joint, where its sigma was taken from instead.
    """

    values: tuple[float, ...]
    joints: tuple[str, ...]
    not_measured: tuple[tuple[str, str], ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float64]:
        return np.array(self.values, dtype=dtype or np.float64)

    def order_for(self, skeleton: Skeleton) -> NDArray[np.float64]:
        """Return (m,) the sigmas of the joints of `skeleton`, found by name.

        Raises: InputError for a joint that has none.
        """
        return np.array([self.values[index] for index in self._find_indices(skeleton)])

    def give_to(self, skeleton: Skeleton) -> Skeleton:
        """Return `skeleton` with these sigmas, and where those not measured were taken from.

        Raises: InputError for a joint that has none.
        """
        indices = self._find_indices(skeleton)
        origins = dict(self.not_measured)
        return replace(
            skeleton,
            custom_sigmas=tuple(self.values[index] for index in indices),
            sigma_origins=tuple(origins.get(self.joints[index], "") for index in indices),
        )

    def _find_indices(self, skeleton: Skeleton) -> list[int]:
        indices = find_joint_indices(resolve_skeleton(self.joints), skeleton)
        for name, index in zip(skeleton.spelled_joints, indices, strict=True):
            if index is None:
                raise InputError(
                    "--sigmas",
                    f"no sigma for joint {name!r}",
                    f"add it to the file, as in {{\"{name}\": 0.05, …}}, or to 'joints' and "
                    "'sigmas' where it has those",
                )
        return [index for index in indices if index is not None]


def describe_borrowed_sigmas(scored: Skeleton, sigmas: ArrayLike | None = None) -> list[str]:
    """Say which sigmas of the scored joints were not measured, in one sentence or none.

    Args:
        sigmas: those that are scored with in place of the skeleton's, if any.
    """
    if isinstance(sigmas, JointSigmas):
        scored = sigmas.give_to(scored)
    elif sigmas is not None:
        return []
    borrowed = scored.borrowed_sigmas
    if not borrowed:
        return []
    if len(borrowed) == len(scored):
        first = next(iter(borrowed))
        return [
            f"no sigma was measured on these people; all are borrowed ({first}: "
            f"{borrowed[first]}), so {_COMPARABLE}"
        ]
    share = format_share(len(borrowed), len(scored), "sigma was", "sigmas were")
    return [f"{share} not measured but borrowed ({', '.join(borrowed)}); {_COMPARABLE}"]


def describe_large_sigmas(scored: Skeleton, sigmas: ArrayLike) -> list[str]:
    """Say which sigmas are so large that poses match from afar, in one sentence or none.

    Args:
        sigmas: (k,) of the joints of `scored`.
    """
    values = np.asarray(sigmas, dtype=np.float64)
    is_large = values > MAX_USUAL_SIGMA
    if not is_large.any():
        return []
    largest = int(values.argmax())
    count = int(np.count_nonzero(is_large))
    share = format_share(count, len(values), "sigma is", "sigmas are")
    return [
        f"{share} above {MAX_USUAL_SIGMA:g} (largest: {values[largest]:.3g}, "
        f"{scored.spelled_joints[largest]}), where COCO's are .025 to .107, so poses match from "
        "afar; a list as in pycocotools' source has to be divided by 10; "
        f"{_COMPARABLE}"
    ]


def select_sigma_notes(notes: Iterable[str]) -> list[str]:
    """Return the notes of an evaluation on sigmas: borrowed ones, and large ones."""
    return [note for note in notes if note.endswith(_COMPARABLE)]


def read_sigmas(path: Path) -> JointSigmas | list[float]:
    """Read a list of sigmas, sigmas by name, or an object as `format_sigma_file` writes it.

    Args:
        path: of the file, or the folder of a run, or its model.json.
    Raises: InputError where the file is none of them.
    """
    path = path / MODEL_CARD if (path / MODEL_CARD).is_file() else path
    data = read_bytes(path)
    kind: Any = list[float] | dict[str, Raw]
    shape = decode_json(path, data, kind, _FORMS)
    if isinstance(shape, list):
        return shape
    if "skeleton" in shape:
        return _read_run_sigmas(path, shape["skeleton"])
    if not {"sigmas", "joints"} & shape.keys():
        refuse_repeated_keys(path, data)
        values = [
            decode_json(f"{path}, {name}", bytes(text), float, _FORMS)
            for name, text in shape.items()
        ]
        return JointSigmas(tuple(values), tuple(shape))
    content = decode_json(path, data, _SigmaFile, _FORMS)
    if len(content.sigmas) != len(content.joints):
        raise InputError(
            str(path),
            f"{format_count(len(content.sigmas), 'sigma')} and "
            f"{format_count(len(content.joints), 'joint')}",
            "give as many of each",
        )
    return JointSigmas(
        tuple(content.sigmas), tuple(content.joints), tuple(content.not_measured.items())
    )


def _read_run_sigmas(path: Path, skeleton: Raw) -> JointSigmas:
    """Return the sigmas of a run; those of its joints where it was trained with no others."""
    card = decode_json(f"{path}, skeleton", bytes(skeleton), RunSkeleton, _FORMS)
    values = card.sigmas or resolve_skeleton(card.joints).sigmas.tolist()
    if not card.joints or len(values) != len(card.joints):
        raise InputError(str(path), "has no sigma for each of its joints", _FORMS)
    return JointSigmas(tuple(values), tuple(card.joints), tuple(card.not_measured.items()))


def set_sigmas(people: Instances, path: Path | None) -> Instances:
    """Give a table the sigmas of a file, if there is one; every joint must have one.

    Raises: InputError when a joint has none.
    """
    skeleton = people.skeleton
    if path is not None:
        values = read_sigmas(path)
        origins: tuple[str, ...] = ()
        if isinstance(values, JointSigmas):
            origins = values.give_to(skeleton).sigma_origins
            values = values.order_for(skeleton).tolist()
        if len(values) != len(skeleton) or not all(sigma > 0 for sigma in values):
            raise InputError(
                str(path),
                f"{format_count(len(values), 'sigma')} for {format_count(len(skeleton), 'joint')}",
                "give one above 0 for each joint",
            )
        skeleton = replace(skeleton, custom_sigmas=tuple(values), sigma_origins=origins)
    skeleton.sigmas  # noqa: B018 (raises for a joint without one)
    return replace(people, skeleton=skeleton)


def format_sigma_file(
    sigmas: Sequence[float], joints: Sequence[str], not_measured: dict[str, str]
) -> str:
    """Format sigmas as a list, or as an object where some were not measured."""
    values = [round(sigma, 5) for sigma in sigmas]
    if not not_measured:
        return json.dumps(values) + "\n"
    content = {"sigmas": values, "joints": list(joints), "not_measured": not_measured}
    return json.dumps(content, indent=1) + "\n"
