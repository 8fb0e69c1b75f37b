"""One experiment from start to finish: a method and a built set to a checkpoint and its numbers."""

import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from smallpose._version import __version__
from smallpose.core.errors import InputError, RunError
from smallpose.core.files import sha256, write_whole
from smallpose.core.progress import say
from smallpose.inference import Options, find
from smallpose.methods import PoseMethod, Recipe, create_method
from smallpose.methods.weights import read_weights
from smallpose.samples.crops import Crops, ImageOfPeople, trainable
from smallpose.samples.images import Pictures, pictures_of
from smallpose.table.predictions import Predictions
from smallpose.table.results_json import write_results
from smallpose.training.checkpoint import (
    STATE,
    drop_incomplete,
    load_state,
    save_model,
    save_state,
)
from smallpose.training.loop import Interrupted, Log, Signals, Trainer
from smallpose.training.progress import TrainingBar
from smallpose.training.settings import Setting, Task, read_task

CHECKPOINT_EVERY_S = 120.0
CHECKPOINT_APART_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is run.

    Args:
        method: key of `METHODS`.
        data: folder of a built set.
        out: the run's folder.
        setting: "A" or "B".
        recipe: key of the method's recipes; its first without.
        overrides: recipe fields to change, `augment.`'s with that prefix, as text.
        seed: of beginning weights, order and chance.
        jobs: worker processes that read pictures; 0 reads in this one.
        resume: go on where a run in `out` stopped.
        weights: to begin with.
        adapt: let weights of another skeleton in, joint by name.
        most_bad: share of the pictures that may be unreadable.
        device: "cpu", "cuda", …; a GPU where there is one without.
    """

    method: str
    data: Path
    out: Path
    setting: Setting = "B"
    recipe: str = ""
    overrides: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    jobs: int = 0
    resume: bool = False
    weights: Path | None = None
    adapt: bool = False
    most_bad: float = 0.001
    device: str = ""


def train(experiment: Experiment) -> dict[str, Any]:
    """Run it, and write `result.json`, `found.json`, `model.safetensors` and `log.jsonl`.

    Returns: what `result.json` holds.
    Raises: Interrupted after SIGINT or SIGTERM, with everything saved.
    """
    state = _begin_folder(experiment)
    task = read_task(experiment.data, experiment.setting)
    pictures = pictures_of(experiment.data)
    method = _make_method(experiment, task)
    name, recipe = choose_recipe(method, experiment.recipe, experiment.overrides)
    crops = _crops(experiment, task, pictures, method, recipe)
    if recipe.epochs:
        _refuse_unlike(experiment, name, recipe, state)
    log = Log(experiment.out / "log.jsonl", int(state["step"]) if state else -1)
    trainer = Trainer(method, recipe, crops, experiment.seed, log)
    if state is not None:
        trainer.load(state)
        say(f"{experiment.out}: resumed from step {trainer.step}")
    identity = _identity(experiment, name, recipe)
    try:
        _train(experiment, task, pictures, trainer, identity)
    finally:
        log.close()
    weights = save_model(
        *(method, experiment.out, recipe), setting=experiment.setting, seed=experiment.seed
    )
    found = _test(method, task, pictures, experiment.most_bad)
    write_results(found, experiment.out / "found.json", task.test.category_id)
    result = {
        "method": method.name,
        "setting": experiment.setting,
        "recipe": {"name": name, **asdict(recipe)},
        "seed": experiment.seed,
        "parameters": method.parameters_count,
        "steps": trainer.step,
        "epochs": recipe.epochs,
        "seconds": round(trainer.seconds, 3),
        "data": str(experiment.data.resolve()),
        "people": crops.people,
        "unreadable": [*sorted(crops.unreadable), *found.notes],
        "weights": weights,
        "environment": _environment(method),
        "evaluation": _evaluate(task, found),
    }
    text = json.dumps(result, indent=1)
    write_whole(experiment.out / "result.json", text + "\n")
    return dict(json.loads(text))


def choose_recipe(
    method: PoseMethod, name: str, overrides: tuple[tuple[str, str], ...] = ()
) -> tuple[str, Recipe]:
    """A method's recipe by name, changed where so asked.

    Raises: InputError for a name or field that is not there, or a value of the wrong kind.
    """
    name = name or next(iter(method.recipes))
    if name not in method.recipes:
        raise InputError(
            f"--recipe {name}",
            f"{method.name} has none of that name",
            f"try {_words(method.recipes)}",
        )
    recipe = method.recipes[name]
    for key, text in overrides:
        if key.startswith("augment."):
            augment = replace(recipe.augment, **_override(recipe.augment, key[8:], text, key))
            recipe = replace(recipe, augment=augment)
        else:
            recipe = replace(recipe, **_override(recipe, key, text, key))
    return name, recipe


def _override(record: Any, field: str, text: str, key: str) -> dict[str, Any]:
    fields = {k: v for k, v in vars(record).items() if k != "augment"}
    if field not in fields:
        raise InputError(f"{key}={text}", "no such part of a recipe", f"try {_words(fields)}")
    before = fields[field]
    try:
        value = _parse(text, before)
    except ValueError:
        raise InputError(f"{key}={text}", "not a value of its kind", f"it was {before}") from None
    choices = {"optimizer": ("adam", "adamw"), "schedule": ("steps", "one_cycle")}.get(field)
    if choices and value not in choices:
        raise InputError(f"{key}={text}", "no such choice", f"try {_words(choices)}")
    least = {"batch_size": 1, "epochs": 0, "validate_every": 1, "learning_rate": 0.0}.get(field)
    if least is not None and not value >= least:
        raise InputError(f"{key}={text}", f"is below {least}", f"it was {before}")
    return {field: value}


def _parse(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text.lower() in ("true", "1")
    if isinstance(like, tuple):
        kind = type(like[0]) if like else int
        return tuple(kind(part) for part in text.strip("()[]").split(",") if part.strip())
    return type(like)(text)


def _words(names: Any) -> str:
    return ", ".join(names)


def _begin_folder(experiment: Experiment) -> dict[str, Any] | None:
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


def _make_method(experiment: Experiment, task: Task) -> PoseMethod:
    torch.manual_seed(experiment.seed)
    method = create_method(experiment.method, task.train.skeleton)
    if experiment.weights is not None:
        read_weights(experiment.weights).load_into(method, adapt=experiment.adapt)
    return method.on(experiment.device)


def _crops(
    experiment: Experiment, task: Task, pictures: Pictures, method: PoseMethod, recipe: Recipe
) -> Crops:
    people = ImageOfPeople(
        *(task.train, trainable(task.train), pictures, method.input_wh, recipe.augment),
        *(experiment.seed, method.udp_warp),
    )
    return Crops(people, recipe.batch_size, experiment.jobs, experiment.most_bad)


def _identity(experiment: Experiment, name: str, recipe: Recipe) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    return {
        "method": experiment.method,
        "setting": experiment.setting,
        "seed": experiment.seed,
        "train.json": sha256(experiment.data / "annotations" / "train.json"),
        "recipe": name,
        **json.loads(json.dumps(asdict(recipe))),
    }


def _refuse_unlike(
    experiment: Experiment, name: str, recipe: Recipe, state: dict[str, Any] | None
) -> None:
    if state is None:
        return
    began, now = state.get("identity", {}), _identity(experiment, name, recipe)
    for key, value in now.items():
        if began.get(key) != value and key != "validate_every":
            raise InputError(
                f"--resume {experiment.out}",
                f"the run began with {key} {began.get(key)}, this is {value}",
                "resume with the same data and options, or name another folder",
            )


def _train(
    experiment: Experiment,
    task: Task,
    pictures: Pictures,
    trainer: Trainer,
    identity: dict[str, Any],
) -> None:
    recipe, crops = trainer.recipe, trainer.crops
    bar = TrainingBar(
        f"{trainer.method.name} {experiment.setting}", trainer.step, trainer.steps, crops.steps
    )
    log_every = max(crops.steps // 100, 1)
    saved_at, began, at = time.monotonic(), time.monotonic(), trainer.step

    def save() -> None:
        nonlocal saved_at
        save_state(experiment.out, trainer.state() | {"identity": identity})
        saved_at = time.monotonic()

    with Signals() as signals:

        def after_step(loss: float) -> None:
            step = trainer.step
            if loss == loss and (step % log_every == 0 or step == trainer.steps):
                trainer.log.write(step=step, epoch=(step - 1) // crops.steps + 1, loss=loss)
            speed = (step - at) * recipe.batch_size / max(time.monotonic() - began, 1e-9)
            bar.update(step, loss, speed)
            if signals.received:
                save()
                raise Interrupted(
                    str(experiment.out),
                    f"interrupted at step {step} of {trainer.steps} and saved",
                    "go on with --resume",
                    128 + signals.received,
                )
            if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                save()

        try:
            while trainer.step < trainer.steps:
                trainer.run_epoch(after_step)
                # Epochs of a tiny set last less than writing the state does.
                if time.monotonic() - saved_at > CHECKPOINT_APART_S:
                    save()
                epoch = trainer.step // crops.steps
                if epoch % recipe.validate_every == 0 and trainer.step < trainer.steps:
                    bar.ap_small = _validate(task, pictures, trainer, experiment.most_bad)
            if recipe.epochs:
                save()
        except (RunError, InputError):
            save()  # what went wrong spared the weights
            raise
        finally:
            bar.close()


def _validate(task: Task, pictures: Pictures, trainer: Trainer, most_bad: float) -> str:
    numbers = _evaluate(task, _test(trainer.method, task, pictures, most_bad))["protocols"]["coco"]
    trainer.log.write(
        step=trainer.step, AP=numbers["AP"], AP_S=numbers["AP_S"], skipped_steps=trainer.skipped
    )
    small = numbers["AP_S"]
    return "" if small is None else f"  AP_S {100 * small:.1f}"


def _test(method: PoseMethod, task: Task, pictures: Pictures, most_bad: float) -> Predictions:
    return find(
        *(method, task.test, None, pictures.read),
        *(Options(most_bad=most_bad), f"{method.name} test"),
    )


def _evaluate(task: Task, found: Predictions) -> dict[str, Any]:
    from smallpose.evaluation.metrics import evaluate

    return dict(json.loads(evaluate(task.test, found).to_json()))


def _environment(method: PoseMethod) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "smallpose": __version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if method.device.type == "cuda" else "cpu",
    }
