"""A run's folder: nothing is overwritten, and a run goes on only as what it began as."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.methods.base import Recipe
from smallpose.system.files import sha256
from smallpose.system.lock import locked
from smallpose.system.progress import say
from smallpose.training.checkpoint import STATE, drop_incomplete, load_state
from smallpose.training.config import Experiment
from smallpose.training.distributed import ALONE, Ranks

RESULT, LOCK = "result.json", ".lock"
WAIT_S = 5.0  # for the workers of a run that was just killed


def begin_folder(experiment: Experiment, ranks: Ranks = ALONE) -> tuple[dict[str, Any] | None, int]:
    """The state to go on from, if there is one and it is wanted, and how many were incomplete."""
    out = experiment.out
    begun, done = (out / STATE).exists(), (out / RESULT).exists()
    if not experiment.resume and (begun or done):
        raise InputError(
            f"--out {out}", "holds a run already", "go on with --resume, or name another folder"
        )
    if done and not begun:
        raise InputError(
            f"--resume {out}",
            f"the run there has ended ({RESULT}), and its {STATE} is gone",
            "name another folder",
        )
    ranks.wait()  # all have looked before anybody writes
    incomplete = drop_incomplete(out) if ranks.first else 0
    ranks.wait()
    state = load_state(out) if experiment.resume else None
    if experiment.resume and state is None and ranks.first:
        say(f"{out}: nothing to resume, beginning at step 0{ignored(incomplete)}")
    return state, incomplete


@contextmanager
def own_folder(out: Path, ranks: Ranks = ALONE) -> Iterator[None]:
    """The run's folder, made where there is none; nobody else trains there meanwhile.

    Raises: InputError, in all processes, when somebody does or it cannot be written.
    """
    with ExitStack() as held:

        def take() -> None:
            if not ranks.first:
                return
            try:
                out.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(out / LOCK, WAIT_S))
            except OSError as error:
                what = (error.strerror or str(error)).lower()
                raise InputError(
                    f"--out {out}", what, "name a folder that can be written"
                ) from None

        ranks.gather(take)
        yield


def ignored(incomplete: int) -> str:
    """What to say of checkpoints that a kill cut short."""
    several = "s" if incomplete > 1 else ""
    return f" ({incomplete} incomplete checkpoint{several} ignored)" if incomplete else ""


def identity_of(experiment: Experiment, name: str, recipe: Recipe) -> dict[str, Any]:
    """What must be the same for a run to go on; how many processes share it need not."""
    return {
        "method": experiment.method,
        "setting": experiment.setting,
        "seed": experiment.seed,
        "train.json": sha256(experiment.data / "annotations" / "train.json"),
        # None where it was not asked for, so that it is missed when it was.
        "subset": experiment.subset and sha256(experiment.subset),
        "derived": experiment.derived or None,
        "cache": True if experiment.cache else None,  # its JPEGs round otherwise
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
            before = f"without {key}" if began.get(key) is None else f"with {key} {began[key]}"
            now = "without" if value is None else value
            raise InputError(
                f"--resume {experiment.out}",
                f"the run began {before}, this is {now}",
                "resume with the same data and options, or name another folder",
            )
