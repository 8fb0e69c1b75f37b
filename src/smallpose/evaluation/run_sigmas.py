"""Take the OKS sigmas that a run was trained with, where none are given."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.evaluation.sigma_file import MODEL_CARD, JointSigmas, RunSkeleton, set_sigmas
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status


class _ModelCard(Struct):
    skeleton: RunSkeleton | None = None


def find_run_sigmas(people: Instances, paths: Sequence[Path]) -> JointSigmas | None:
    """Return the sigmas that runs were trained with for the joints of `people`, and say so.

    Args:
        paths: folders of runs, or files in them; others are skipped.
    Returns: None where no run has sigmas of its own for all of these joints.
    Raises: InputError where the runs have different ones.
    """
    by_folder: dict[Path, JointSigmas] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        sigmas = _read_card_sigmas(folder)
        if sigmas is not None and set(sigmas.joints) >= set(people.skeleton.joints):
            by_folder[folder] = sigmas
    if not by_folder:
        return None
    first, *others = by_folder
    values = by_folder[first].order_for(people.skeleton)
    for other in others:
        if (by_folder[other].order_for(people.skeleton) != values).any():
            raise InputError(
                f"{first}, {other}",
                "these runs were trained with different OKS sigmas",
                f"add --sigmas {shlex.quote(str(first))} to score all with those of that run, or "
                f"--sigmas {shlex.quote(str(other))}, or --sigmas FILE",
            )
    print_status(
        f"OKS sigmas are those that {first} was trained with (model.json); --sigmas FILE sets "
        "others"
    )
    return by_folder[first]


def set_known_sigmas(people: Instances, file: Path | None, runs: Sequence[Path]) -> Instances:
    """Give a table the sigmas of a file, else those that its runs were trained with, if any.

    Raises: InputError when a joint has none.
    """
    sigmas = find_run_sigmas(people, runs) if file is None else None
    if sigmas is None:
        return set_sigmas(people, file)
    return replace(people, skeleton=sigmas.give_to(people.skeleton))


def _read_card_sigmas(folder: Path) -> JointSigmas | None:
    path = folder / MODEL_CARD
    skeleton = read_json(path, _ModelCard).skeleton if path.is_file() else None
    if skeleton is None or not skeleton.sigmas or len(skeleton.sigmas) != len(skeleton.joints):
        return None
    borrowed = tuple(skeleton.not_measured.items())
    return JointSigmas(tuple(skeleton.sigmas), tuple(skeleton.joints), borrowed)
