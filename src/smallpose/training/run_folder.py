"""The folder of a run: nothing is overwritten, and a run resumes only with the same options."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smallpose.catalog.method_code import MethodCode
from smallpose.catalog.method_files import KEY, describe_changed_files, hash_method_files
from smallpose.catalog.run_options import RUN_OPTIONS, STATE
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.methods.base import Recipe
from smallpose.system.files import hash_file
from smallpose.system.lock import hold_lock
from smallpose.system.progress import print_status
from smallpose.training.checkpoint import load_state, remove_incomplete
from smallpose.training.config import TrainingConfig
from smallpose.training.distributed import SINGLE_PROCESS, DistributedContext
from smallpose.training.precision import get_precision_name

RESULT = "result.json"
LOCK = ".lock"
_NEW_FIELDS = ("backbone_rate", "precision")  # which older versions did not record
# Fields of a recipe that follow from its length.
_LENGTH_FIELDS = {
    "steps",
    "epochs",
    "decay_at",
    "warm_up",
    "cosine",
    "warm_epochs",
    "second_stage",
}
WAIT_S = 5.0  # for the workers of a run that was just killed


def prepare_run_folder(
    config: TrainingConfig, distributed: DistributedContext = SINGLE_PROCESS
) -> tuple[dict[str, Any] | None, int]:
    """Return the state to resume from, if any, and the number of incomplete checkpoints removed."""
    out = config.out
    has_state = (out / STATE).exists()
    has_result = (out / RESULT).exists()
    if not config.resume and (has_state or has_result):
        raise InputError(
            f"--out {out}",
            "already holds a run",
            "continue it with --resume, or name another folder",
        )
    if has_result and not has_state:
        raise InputError(
            f"--resume {out}",
            f"its run has finished ({RESULT}), and its {STATE} is gone",
            "name another folder",
        )
    distributed.wait_for_all()  # every process has looked before the first one writes
    num_incomplete = remove_incomplete(out) if distributed.is_first else 0
    distributed.wait_for_all()
    state = load_state(out) if config.resume else None
    if config.resume and state is None and distributed.is_first:
        remark = describe_incomplete(num_incomplete)
        print_status(f"{out}: nothing to resume, beginning at step 0{remark}")
    elif num_incomplete and state is None:
        print_status(f"{out}: beginning at step 0{describe_incomplete(num_incomplete)}")
    return state, num_incomplete


@contextmanager
def lock_run_folder(out: Path, distributed: DistributedContext = SINGLE_PROCESS) -> Iterator[None]:
    """Create the folder of a run and lock it, so that no other run trains there meanwhile.

    Raises: InputError, in all processes, when it is locked or cannot be written.
    """
    with ExitStack() as stack:

        def lock_folder() -> None:
            if not distributed.is_first:
                return
            try:
                out.mkdir(parents=True, exist_ok=True)
                stack.enter_context(hold_lock(out / LOCK, WAIT_S))
            except OSError as error:
                what = (error.strerror or str(error)).lower()
                raise InputError(
                    f"--out {out}", what, "name a folder that can be written"
                ) from None

        distributed.gather(lock_folder)
        yield


def describe_incomplete(num_incomplete: int) -> str:
    """Return a remark about checkpoints that a kill left incomplete; "" if there are none."""
    if not num_incomplete:
        return ""
    return f" ({format_count(num_incomplete, 'incomplete checkpoint')} ignored)"


def compute_run_identity(config: TrainingConfig, name: str, recipe: Recipe) -> dict[str, Any]:
    """Return what must be the same for a run to resume; the number of processes may differ."""
    return {
        "method": config.method,
        KEY: _hash_method(config.method),
        "setting": config.setting,
        "seed": config.seed,
        "train.json": hash_file(config.data / "annotations" / "train.json"),
        # None if the option was not used, so that its absence is noticed too.
        "subset": config.subset and hash_file(config.subset),
        "derived": config.derived or None,
        "sigmas": config.sigmas and hash_file(config.sigmas),
        "swap": None if config.swap is None else [list(pair) for pair in config.swap],
        "crop_interpolation": None
        if config.crop_interpolation == "linear"
        else config.crop_interpolation,
        "zoom": None if config.zoom == 1 else config.zoom,
        "heatmap_targets": None if config.heatmap_targets == "rounded" else config.heatmap_targets,
        "heatmap_decoding": config.heatmap_decoding or None,
        "cache": True if config.cache else None,  # JPEG compression changes the crops
        "precision": get_precision_name(recipe),
        "recipe": name,
        **json.loads(json.dumps(asdict(recipe))),
    }


def _hash_method(method: str) -> dict[str, str] | None:
    """Return the hashes of the files of a user's method; None for ours."""
    code = MethodCode.parse(method)
    return None if code is None else hash_method_files(code.file)


def refuse_different_run(
    config: TrainingConfig,
    identity: dict[str, Any],
    state: dict[str, Any] | None,
    steps_per_epoch: int = 0,
) -> None:
    """Raise InputError when the state was reached with other data or options.

    More steps or epochs lengthen the run, which is printed. Then the learning rate follows the
    schedule of the longer run from here on.

    Args:
        steps_per_epoch: of the data; 0 refuses another length, too.
    """
    if state is None:
        return
    stored = state.get("identity", {})
    ignored = {"validate_every", KEY}
    growth = _describe_growth(identity, stored, steps_per_epoch)
    if growth:
        ignored |= _LENGTH_FIELDS
    if growth and _without_closing(stored) == _without_closing(identity):
        ignored.add("augment")
    for key, value in identity.items():
        if key in _NEW_FIELDS and key not in stored:
            continue  # a run of an older version
        if stored.get(key) != value and key not in ignored:
            before = f"without {key}" if stored.get(key) is None else f"with {key} {stored[key]}"
            now = "without" if value is None else value
            raise InputError(
                f"--resume {config.out}",
                f"the run began {before}, this is {now}",
                _suggest_resuming(config, key),
            )
    changed = describe_changed_files(config.out, stored.get(KEY), identity.get(KEY) or {})
    if changed:
        print_status(changed)
    if growth:
        print_status(f"{config.out}: {growth}")


def _describe_growth(
    identity: Mapping[str, Any], stored: Mapping[str, Any], steps_per_epoch: int
) -> str:
    """Describe by how much a run is longer than the stored one; "" if it is not."""
    if not (stored and steps_per_epoch):
        return ""
    before = _count_steps(stored, steps_per_epoch)
    now = _count_steps(identity, steps_per_epoch)
    return f"lengthened from {before:,} to {format_count(now, 'step')}" if now > before else ""


def _suggest_resuming(config: TrainingConfig, key: str) -> str:
    if key in ("steps", "epochs"):
        return f"a run can only get longer: give more {key}, or leave {key}= out"
    if (config.out / RUN_OPTIONS).is_file():
        return "leave the option out, which --resume knows, or name another folder"
    return "resume with the same data and options, or name another folder"


def _count_steps(identity: Mapping[str, Any], steps_per_epoch: int) -> int:
    return identity["steps"] or identity["epochs"] * steps_per_epoch


def _without_closing(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the augmentation without the number of epochs at the end that it leaves alone."""
    augment = dict(identity.get("augment", {}))
    augment.pop("closing", None)
    return augment
