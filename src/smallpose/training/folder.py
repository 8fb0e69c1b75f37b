"""A run's folder: nothing is overwritten, and a run goes on only as what it began as."""

import json
from dataclasses import asdict
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.files import sha256
from smallpose.core.progress import say
from smallpose.methods.base import Recipe
from smallpose.training.checkpoint import STATE, drop_incomplete, load_state
from smallpose.training.experiment import Experiment


def begin_folder(experiment: Experiment) -> dict[str, Any] | None:
    """The state to go on from, if there is one and it is wanted."""
    out = experiment.out
    if (out / STATE).exists() and not experiment.resume:
        raise InputError(
            f"--out {out}", "holds a run already", "go on with --resume, or name another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    incomplete = drop_incomplete(out)
    if incomplete:
        say(f"{out}: {incomplete} incomplete checkpoint ignored")
    state = load_state(out) if experiment.resume else None
    if experiment.resume and state is None:
        say(f"{out}: nothing to resume, beginning at step 0")
    return state


def identity_of(experiment: Experiment, name: str, recipe: Recipe) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    return {
        "method": experiment.method,
        "setting": experiment.setting,
        "seed": experiment.seed,
        "train.json": sha256(experiment.data / "annotations" / "train.json"),
        "recipe": name,
        **json.loads(json.dumps(asdict(recipe))),
    }


def refuse_unlike(
    experiment: Experiment, identity: dict[str, Any], state: dict[str, Any] | None
) -> None:
    """Raises InputError when the state was reached with other data or options."""
    if state is None:
        return
    began = state.get("identity", {})
    for key, value in identity.items():
        if began.get(key) != value and key != "validate_every":
            raise InputError(
                f"--resume {experiment.out}",
                f"the run began with {key} {began.get(key)}, this is {value}",
                "resume with the same data and options, or name another folder",
            )
