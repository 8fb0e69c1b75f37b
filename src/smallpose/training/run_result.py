"""What `result.json` says of a run: its settings, its weights and its scores on the test set."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.inference.environment import describe_method_environment
from smallpose.inference.notes import describe_unreadable, list_unreadable
from smallpose.methods import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.training.config import TrainingConfig
from smallpose.training.precision import get_precision_name
from smallpose.training.recalls import compute_recalls
from smallpose.training.settings import SettingData
from smallpose.training.trainer import Trainer
from smallpose.training.validation import score_predictions

PROTOCOLS = ("coco", "owned", "recall")


def make_run_result(
    config: TrainingConfig,
    data: SettingData,
    trainer: Trainer,
    predictions: Predictions,
    recipe_name: str,
    weights: Mapping[str, str],
) -> dict[str, Any]:
    """Score the predictions of a run and describe it.

    Args:
        trainer: with the weights that made the predictions.
        weights: the files of the run's weights, as `save_model` returns them.
    """
    method = trainer.method
    loader = trainer.loader
    return {
        "method": method.name,
        "setting": config.setting,
        "recipe": {"name": recipe_name, **asdict(trainer.recipe)},
        "precision": get_precision_name(trainer.recipe),
        "seed": config.seed,
        "subset": data.subset or None,
        "parameters": method.num_parameters,
        "steps": trainer.step,
        "epochs": _count_epochs(trainer),
        "seconds": round(trainer.seconds, 3),
        "data": str(config.data.resolve()),
        "people": loader.num_samples,
        "unreadable": [*sorted(loader.unreadable), *_list_unreadable_notes(predictions)],
        "weights": weights,
        "environment": _describe_environment(method, trainer),
        "evaluation": score_predictions(data.test, predictions, protocols=PROTOCOLS),
        **describe_recalls(method, data.test, predictions),
        **_score_on_coco17(data, predictions),
        **_describe_custom_method(method),
    }


def describe_recalls(
    method: PoseMethod, people: Instances, predictions: Predictions
) -> dict[str, Any]:
    """Return the recalls of a method that detects people itself; nothing for others."""
    return compute_recalls(people, predictions) if isinstance(method, FullImageMethod) else {}


def _count_epochs(trainer: Trainer) -> float:
    """Return the number of epochs of the data; with `recipe.steps` it need not be an integer."""
    recipe = trainer.recipe
    return trainer.step / trainer.loader.steps_per_epoch if recipe.steps else recipe.epochs


def _score_on_coco17(data: SettingData, predictions: Predictions) -> dict[str, Any]:
    """Score setting B on the joints of setting A, so that the two can be compared (A31)."""
    missing = set(COCO17.joints) - set(predictions.skeleton.joints)
    if data.setting == "A" or missing:
        return {}
    scores = score_predictions(data.test, predictions, protocols=PROTOCOLS, keypoints="coco17")
    return {"B17": scores}


def _list_unreadable_notes(predictions: Predictions) -> tuple[str, ...]:
    return describe_unreadable(list_unreadable(predictions))


def _describe_custom_method(method: PoseMethod) -> dict[str, Any]:
    """Describe a user's own method, of which the report knows nothing else."""
    if not method.code:
        return {}
    card = {"title": method.card.title, "paradigm": method.card.paradigm}
    return {"card": {**card, "parts": method.card.parts, "file": method.code}}


def _describe_environment(method: PoseMethod, trainer: Trainer) -> dict[str, Any]:
    return {
        **describe_method_environment(method),
        "threads": torch.get_num_threads(),
        "weight_thread": trainer.uses_weight_thread,
        "prefetch": trainer.loader.options.num_ahead,
        "processes": trainer.distributed.world_size,
    }
