"""A run's folder: nothing is overwritten, and a run goes on only as what it began as."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.files import sha256
from smallpose.core.progress import say
from smallpose.methods.base import Recipe
from smallpose.training.checkpoint import STATE, drop_incomplete, load_state
from smallpose.training.experiment import Experiment
from smallpose.training.ranks import ALONE, Ranks


def begin_folder(experiment: Experiment, ranks: Ranks = ALONE) -> tuple[dict[str, Any] | None, int]:
    """The state to go on from, if there is one and it is wanted, and how many were incomplete."""
    out = experiment.out
    if (out / STATE).exists() and not experiment.resume:
        raise InputError(
            f"--out {out}", "holds a run already", "go on with --resume, or name another folder"
        )
    ranks.wait()  # all have looked before anybody writes
    incomplete = 0
    if ranks.first:
        _make(out)
        incomplete = drop_incomplete(out)
    ranks.wait()
    state = load_state(out) if experiment.resume else None
    if experiment.resume and state is None and ranks.first:
        say(f"{out}: nothing to resume, beginning at step 0{ignored(incomplete)}")
    return state, incomplete


def ignored(incomplete: int) -> str:
    """What to say of checkpoints that a kill cut short."""
    several = "s" if incomplete > 1 else ""
    return f" ({incomplete} incomplete checkpoint{several} ignored)" if incomplete else ""


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise InputError(f"--out {out}", what, "name a folder that can be written") from None


def identity_of(experiment: Experiment, name: str, recipe: Recipe) -> dict[str, Any]:
    """What must be the same for a run to go on; how many processes share it need not."""
    return {
        "method": experiment.method,
        "setting": experiment.setting,
        "seed": experiment.seed,
        "train.json": sha256(experiment.data / "annotations" / "train.json"),
        **({} if experiment.subset is None else {"subset": sha256(experiment.subset)}),
        **({"derived": True} if experiment.derived else {}),
        **({"cache": True} if experiment.cache else {}),  # its JPEGs round otherwise
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
