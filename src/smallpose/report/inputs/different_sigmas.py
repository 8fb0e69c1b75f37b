"""Say which results in one table were scored with different OKS sigmas."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallpose.evaluation.doubts import DIFFERENT_SIGMAS
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.scores import SeedGroup


def describe_different_sigmas(groups: Sequence[SeedGroup]) -> str:
    """Name results of the same joints that have other OKS sigmas; "" where all have the same.

    Their numbers are no comparison: the larger sigmas are, the higher AP is.
    """
    runs = [group.first_run for group in groups]
    by_joints: dict[str, dict[tuple[float, ...], list[str]]] = {}
    for group in groups:
        settings = _get_settings(group)
        sigmas = tuple(settings.get("sigmas") or ())
        if sigmas:
            joints = f"{len(sigmas)} {settings.get('keypoints')}"
            names = by_joints.setdefault(joints, {}).setdefault(sigmas, [])
            names.append(label_run(group.first_run, runs))
    different = [sets for sets in by_joints.values() if len(sets) > 1]
    if not different:
        return ""
    sides = " and ".join(", ".join(dict.fromkeys(names)) for names in different[0].values())
    folder = next(run.folder for run in runs)
    return (
        f"{sides} are scored with different OKS sigmas, {DIFFERENT_SIGMAS}; "
        "score all with the same: smallpose report TRUTH.json RUN… --sigmas "
        f"{folder} --out DIR"
    )


def _get_settings(group: SeedGroup) -> Mapping[str, Any]:
    if group.scores:
        return group.scores[0].evaluation.settings
    return group.first_run.evaluation.get("settings") or {}
