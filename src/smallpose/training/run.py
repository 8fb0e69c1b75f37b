"""One experiment from start to finish: a method and a built set to a checkpoint and its numbers."""

import json
import platform
import time
from dataclasses import asdict
from typing import Any

import torch

from smallpose._version import __version__
from smallpose.core.errors import InputError, RunError
from smallpose.core.files import write_whole
from smallpose.core.progress import say
from smallpose.methods import PoseMethod, create_method, find_skeleton, find_weights
from smallpose.methods.weights import read_weights
from smallpose.samples.images import Pictures, pictures_of
from smallpose.table.results_json import write_results
from smallpose.training.checkpoint import save_model, save_state
from smallpose.training.experiment import Experiment
from smallpose.training.feed import make_feed
from smallpose.training.folder import begin_folder, identity_of, refuse_unlike
from smallpose.training.log import Log
from smallpose.training.loop import Trainer
from smallpose.training.progress import TrainingBar
from smallpose.training.recipes import choose_recipe
from smallpose.training.settings import Task, read_task
from smallpose.training.signals import Interrupted, Signals
from smallpose.training.testing import find_all, score

__all__ = ["Experiment", "Interrupted", "choose_recipe", "train"]

CHECKPOINT_EVERY_S = 120.0
CHECKPOINT_APART_S = 10.0
PROTOCOLS = ("coco", "owned", "recall")


def train(experiment: Experiment) -> dict[str, Any]:
    """Run it, and write `result.json`, `found.json`, `model.safetensors` and `log.jsonl`.

    Returns: what `result.json` holds.
    Raises: Interrupted after SIGINT or SIGTERM, with everything saved.
    """
    state = begin_folder(experiment)
    task = read_task(experiment.data, experiment.setting)
    pictures = pictures_of(experiment.data)
    method = _make_method(experiment, task)
    name, recipe = choose_recipe(method, experiment.recipe, experiment.overrides)
    feed = make_feed(experiment, task.train, pictures, method, recipe)
    identity = identity_of(experiment, name, recipe)
    if recipe.epochs:
        refuse_unlike(experiment, identity, state)
    log = Log(experiment.out / "log.jsonl", int(state["step"]) if state else -1)
    trainer = Trainer(method, recipe, feed, experiment.seed, log)
    if state is not None:
        trainer.load(state)
        say(f"{experiment.out}: resumed from step {trainer.step}")
    try:
        _train(experiment, task, pictures, trainer, identity)
    finally:
        log.close()
    weights = save_model(
        *(method, experiment.out, recipe), setting=experiment.setting, seed=experiment.seed
    )
    found = find_all(method, task.test, pictures, experiment.most_bad)
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
        "people": feed.people,
        "unreadable": [*sorted(feed.unreadable), *found.notes],
        "weights": weights,
        "environment": _environment(method),
        "evaluation": score(task.test, found, protocols=PROTOCOLS),
    }
    text = json.dumps(result, indent=1)
    write_whole(experiment.out / "result.json", text + "\n")
    return dict(json.loads(text))


def _make_method(experiment: Experiment, task: Task) -> PoseMethod:
    torch.manual_seed(experiment.seed)
    method = create_method(experiment.method, task.train.skeleton)
    if experiment.weights is not None:
        path = find_weights(experiment.method, experiment.weights)
        held = read_weights(path, trust=experiment.trust)
        said = experiment.weights_skeleton
        skeleton = find_skeleton(said) if said else None
        held.load_into(method, adapt=experiment.adapt, skeleton=skeleton)
    return method.on(experiment.device)


def _train(
    experiment: Experiment,
    task: Task,
    pictures: Pictures,
    trainer: Trainer,
    identity: dict[str, Any],
) -> None:
    recipe, feed = trainer.recipe, trainer.feed
    bar = TrainingBar(
        f"{trainer.method.name} {experiment.setting}", trainer.step, trainer.steps, feed.steps
    )
    log_every = max(feed.steps // 100, 1)
    saved_at, began, at = time.monotonic(), time.monotonic(), trainer.step

    def save() -> None:
        nonlocal saved_at
        save_state(experiment.out, trainer.state() | {"identity": identity})
        saved_at = time.monotonic()

    with Signals() as signals:

        def after_step(loss: float) -> None:
            step = trainer.step
            if loss == loss and (step % log_every == 0 or step == trainer.steps):
                trainer.log.write(step=step, epoch=(step - 1) // feed.steps + 1, loss=loss)
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
                epoch = trainer.step // feed.steps
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
    found = find_all(trainer.method, task.test, pictures, most_bad)
    numbers = score(task.test, found)["protocols"]["coco"]
    trainer.log.write(
        step=trainer.step, AP=numbers["AP"], AP_S=numbers["AP_S"], skipped_steps=trainer.skipped
    )
    small = numbers["AP_S"]
    return "" if small is None else f"  AP_S {100 * small:.1f}"


def _environment(method: PoseMethod) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "smallpose": __version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if method.device.type == "cuda" else "cpu",
    }
