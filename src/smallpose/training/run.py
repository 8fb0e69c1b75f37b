"""One experiment from start to finish: a method and a built set to a checkpoint and its numbers."""

import json
import platform
from dataclasses import asdict
from typing import Any

import torch

from smallpose._version import __version__
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import pictures_of
from smallpose.io.coco_results import write_results
from smallpose.methods import PoseMethod, create_method, find_skeleton, find_weights
from smallpose.methods.checkpoints.read import read_weights
from smallpose.system.files import write_whole
from smallpose.system.progress import say
from smallpose.training import loggers
from smallpose.training.checkpoint import save_model
from smallpose.training.config import Experiment
from smallpose.training.data import make_feed
from smallpose.training.distributed import Ranks, launched
from smallpose.training.loop import Course
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.run_folder import (
    RESULT,
    begin_folder,
    identity_of,
    ignored,
    own_folder,
    refuse_unlike,
)
from smallpose.training.run_log import Board, Log
from smallpose.training.settings import Task, read_task
from smallpose.training.signals import Interrupted
from smallpose.training.trainer import Trainer
from smallpose.training.validation import find_all, score

__all__ = ["Experiment", "Interrupted", "choose_recipe", "train"]

PROTOCOLS = ("coco", "owned", "recall")


def train(experiment: Experiment) -> dict[str, Any]:
    """Run it, and write `result.json`, `found.json`, `model.safetensors` and `log.jsonl`.

    Under torchrun the processes share the work and the first one writes.

    Returns: what `result.json` holds; nothing in the other processes.
    Raises: Interrupted after SIGINT, SIGTERM or SIGHUP, with everything saved.
    """
    with launched(experiment.device) as ranks, own_folder(experiment.out, ranks):
        return _train(experiment, ranks)


def _train(experiment: Experiment, ranks: Ranks) -> dict[str, Any]:
    state, incomplete = begin_folder(experiment, ranks)
    task = read_task(
        experiment.data,
        experiment.setting,
        derived=experiment.derived,
        subset=experiment.subset,
    )
    pictures = pictures_of(experiment.data)
    method = _make_method(experiment, task, ranks)
    name, recipe = choose_recipe(method, experiment.recipe, experiment.overrides)
    feed = make_feed(experiment, task.train, pictures, method, recipe, ranks)
    identity = identity_of(experiment, name, recipe)
    if recipe.epochs:
        refuse_unlike(experiment, identity, state)
    step = int(state["step"]) if state else -1
    log = Log(
        experiment.out / "log.jsonl",
        step,
        _boards(experiment, identity) if ranks.first else (),
        silent=not ranks.first,
    )
    trainer = Trainer(method, recipe, feed, experiment.seed, log, ranks, experiment.at_once)
    if state is not None:
        trainer.load(state)
        if ranks.first:
            say(f"{experiment.out}: resumed from step {trainer.step}{ignored(incomplete)}")

    def find() -> Predictions | None:
        return find_all(method, task.test, pictures, experiment.most_bad, ranks)

    def validate() -> dict[str, Any] | None:
        with trainer.tested():
            found = find()
        return score(task.test, found)["protocols"]["coco"] if found is not None else None

    try:
        Course(experiment, trainer, identity, validate).run()
    finally:
        log.close()
    weights: dict[str, str] = {}
    with trainer.tested():
        if ranks.first:
            more = {"setting": experiment.setting, "seed": experiment.seed}
            weights = save_model(method, experiment.out, recipe, **more)
        found = find()
    if found is None:
        return {}
    write_results(found, experiment.out / "found.json", task.test.category_id)
    result = {
        "method": method.name,
        "setting": experiment.setting,
        "recipe": {"name": name, **asdict(recipe)},
        "seed": experiment.seed,
        "subset": task.subset or None,
        "parameters": method.parameters_count,
        "steps": trainer.step,
        "epochs": trainer.step / feed.steps if recipe.steps else recipe.epochs,
        "seconds": round(trainer.seconds, 3),
        "data": str(experiment.data.resolve()),
        "people": feed.people,
        "unreadable": [*sorted(feed.unreadable), *found.notes],
        "weights": weights,
        "environment": _environment(method, ranks),
        "evaluation": score(task.test, found, protocols=PROTOCOLS),
        **_on_17(task, found),
    }
    text = json.dumps(result, indent=1)
    write_whole(experiment.out / RESULT, text + "\n")
    return dict(json.loads(text))


def _make_method(experiment: Experiment, task: Task, ranks: Ranks) -> PoseMethod:
    torch.manual_seed(experiment.seed)
    method = create_method(experiment.method, task.train.skeleton)
    if experiment.weights is not None:
        path = find_weights(experiment.method, experiment.weights)
        held = read_weights(path, trust=experiment.trust)
        said = experiment.weights_skeleton
        skeleton = find_skeleton(said) if said else None
        held.load_into(method, adapt=experiment.adapt, skeleton=skeleton)
    device = experiment.device
    if ranks.world > 1 and torch.cuda.is_available() and device != "cpu":
        device = f"cuda:{ranks.local}"
    method = method.on(device)
    if experiment.compile:
        method.compile(backend=experiment.compile)
    return method


def _boards(experiment: Experiment, config: dict[str, Any]) -> list[Board]:
    out, name = experiment.out, f"{experiment.method} {experiment.setting} {experiment.seed}"
    chosen = []
    if experiment.tensorboard:
        chosen.append(loggers.tensorboard(out / "tensorboard"))
    if experiment.wandb:
        chosen.append(loggers.wandb(experiment.wandb, name, config, out))
    return chosen


def _on_17(task: Task, found: Predictions) -> dict[str, Any]:
    """Setting B scored on the joints of setting A, so that the two compare (A31)."""
    lacking = set(COCO17.joints) - set(found.skeleton.joints)
    if task.setting == "A" or lacking:
        return {}
    return {"B17": score(task.test, found, protocols=PROTOCOLS, keypoints="coco17")}


def _environment(method: PoseMethod, ranks: Ranks) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "smallpose": __version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if method.device.type == "cuda" else "cpu",
        "processes": ranks.world,
    }
