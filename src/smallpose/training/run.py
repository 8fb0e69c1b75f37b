"""One training run from start to finish: method and built set in, checkpoint and scores out."""

import json
from dataclasses import replace
from typing import Any

import torch

from smallpose.catalog.method_code import MethodCode
from smallpose.catalog.run_options import write_run_options
from smallpose.core.errors import InputError
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import ImageReader, open_set_images
from smallpose.dataloading.missing_images import refuse_missing_images
from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.inference.notes import list_other_notes
from smallpose.io.coco_results import write_results
from smallpose.methods import METHODS, PoseMethod, create_method, find_skeleton, find_weights
from smallpose.methods.checkpoints.read import Weights, read_weights
from smallpose.methods.custom import load_custom_method
from smallpose.methods.decoded_shares import describe_decoded_shares
from smallpose.methods.full_image import FullImageMethod, FullImageRecipe
from smallpose.models.codecs.heatmap_coding import HeatmapCoding
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status
from smallpose.training.checkpoint import save_model
from smallpose.training.config import TrainingConfig
from smallpose.training.data import (
    count_samples,
    create_loader,
    describe_threads,
    select_labelled_images,
)
from smallpose.training.distributed import DistributedContext, join_process_group
from smallpose.training.loggers import create_tensorboard_logger, create_wandb_logger
from smallpose.training.loop import TrainingLoop
from smallpose.training.mirroring import leave_out_mirroring
from smallpose.training.own_recipe import (
    OWN,
    OwnData,
    choose_heatmap_targets,
    describe_own_recipe,
)
from smallpose.training.precision import set_precision
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.run_folder import (
    RESULT,
    compute_run_identity,
    describe_incomplete,
    lock_run_folder,
    prepare_run_folder,
    refuse_different_run,
)
from smallpose.training.run_log import RecordLogger, RunLog
from smallpose.training.run_result import describe_recalls, make_run_result
from smallpose.training.schedule_check import (
    describe_decays,
    describe_early_fall,
    describe_short_schedule,
)
from smallpose.training.settings import (
    SettingData,
    describe_label_units,
    describe_small_test,
    read_setting_data,
)
from smallpose.training.signals import Interrupted
from smallpose.training.trainer import Trainer
from smallpose.training.training_sets import describe_built_set, describe_initial_sets
from smallpose.training.validation import predict_test_set, score_predictions
from smallpose.training.weight_gradients import can_use_weight_thread

__all__ = ["Interrupted", "TrainingConfig", "choose_recipe", "train"]


def train(config: TrainingConfig) -> dict[str, Any]:
    """Train a method, test it, and write the run's folder.

    The folder has `result.json`, `found.json`, `model.safetensors` and `log.jsonl`. Under torchrun
    the processes share the work and the first one writes.

    Returns: the contents of `result.json`; an empty dict in the other processes.
    Raises: Interrupted after SIGINT, SIGTERM or SIGHUP, with everything saved.
    """
    if not isinstance(config, TrainingConfig):
        raise InputError(
            f"train {config!r}",
            "no configuration",
            f'pass smallpose.TrainingConfig(method={str(config)!r}, data="set", out="run")',
        )
    with (
        join_process_group(config.device) as distributed,
        lock_run_folder(config.out, distributed),
    ):
        return _train_in_folder(config, distributed)


def _train_in_folder(config: TrainingConfig, distributed: DistributedContext) -> dict[str, Any]:
    state, num_incomplete = prepare_run_folder(config, distributed)
    _refuse_wrong_code(config.method)
    data = read_setting_data(
        config.data,
        config.setting,
        derived=config.derived,
        subset=config.subset,
        sigmas=config.sigmas,
        swap=config.swap,
    )
    reader = open_set_images(config.data)
    _refuse_missing_images(config, data, reader)
    # A run that resumes has its weights, and remembers what the initial ones were trained on.
    has_weights = state is not None and "trained_on" in state
    weights = None if has_weights else _read_initial_weights(config)
    method = _create_method(config, data, distributed, weights)
    trained_on = describe_initial_sets(method, weights)
    if has_weights and state is not None:
        trained_on = list(state["trained_on"])
    del weights
    own = OwnData(count_samples(data.train, method), config.weights is not None)
    recipe_name, recipe = choose_recipe(method, config.recipe, config.overrides, own)
    targets = config.heatmap_targets or choose_heatmap_targets(method, recipe_name)
    config = replace(config, heatmap_targets=targets)
    if targets != "rounded" or config.heatmap_decoding:
        coding = HeatmapCoding(targets=targets, decoding=config.heatmap_decoding)
        method.set_heatmap_coding(coding)
    if state is None and distributed.is_first:
        for note in [*describe_label_units(data), *describe_small_test(config.data, data)]:
            print_status(note)
    if recipe_name == OWN and distributed.is_first:
        print_status(describe_own_recipe(recipe, own, targets))
    recipe = set_precision(config, method, recipe, state, silent=not distributed.is_first)
    recipe = leave_out_mirroring(method, recipe, silent=not distributed.is_first)
    if isinstance(method, FullImageMethod) and isinstance(recipe, FullImageRecipe):
        method.begin_training(recipe)
    loader = create_loader(config, data.train, reader, method, recipe, distributed)
    identity = compute_run_identity(config, recipe_name, recipe)
    if recipe.epochs:
        refuse_different_run(config, identity, state, loader.steps_per_epoch)
    if distributed.is_first:
        write_run_options(config.out, vars(config))
    log = RunLog(
        config.out / "log.jsonl",
        int(state["step"]) if state else -1,
        _create_loggers(config, identity) if distributed.is_first else (),
        silent=not distributed.is_first,
    )
    uses_weight_thread = (
        config.weight_thread
        and not config.compile
        and can_use_weight_thread(method, distributed.world_size)
    )
    trainer = Trainer(
        method,
        recipe,
        loader,
        config.seed,
        log,
        distributed=distributed,
        micro_batch=config.micro_batch,
        uses_weight_thread=uses_weight_thread,
    )
    for line in _describe_schedule(trainer, config, state) if distributed.is_first else ():
        print_status(line)
    if distributed.is_first:
        print_status(describe_threads(loader, uses_weight_thread))
    if state is not None:
        trainer.load_state(state)
        if distributed.is_first:
            remark = describe_incomplete(num_incomplete)
            print_status(f"{config.out}: resumed from step {trainer.step}{remark}")

    def predict() -> Predictions | None:
        return predict_test_set(method, data.test, reader, config.max_unreadable, distributed)

    def validate() -> dict[str, Any] | None:
        with trainer.averaged_weights():
            predictions = predict()
        if predictions is None:
            return None
        scores = dict(score_predictions(data.test, predictions)["protocols"]["coco"])
        return scores | describe_recalls(method, data.test, predictions)

    saved: dict[str, str] = {}

    def save_weights() -> None:
        with trainer.averaged_weights():
            if not distributed.is_first:
                return
            sets = [describe_built_set(config.data)] if trainer.step else []
            more: dict[str, Any] = {"setting": config.setting, "seed": config.seed}
            more["trained_on"] = [*trained_on, *sets]
            saved.update(save_model(method, config.out, recipe, **more))

    kept = {"identity": identity, "trained_on": trained_on}
    try:
        TrainingLoop(config, trainer, kept, validate, save_weights).run()
    finally:
        log.close()
    with trainer.averaged_weights():
        predictions = predict()
    if predictions is None:
        return {}
    for note in (*list_other_notes(predictions), *describe_decoded_shares(method, predictions)):
        print_status(note)
    write_results(predictions, config.out / "found.json", data.test.category_id, data.test.images)
    result = make_run_result(config, data, trainer, predictions, recipe_name, saved)
    text = json.dumps(result, indent=1)
    write_atomically(config.out / RESULT, text + "\n")
    return dict(json.loads(text))


def _refuse_wrong_code(method: str) -> None:
    """Raise InputError for a user's file without the method, before faults of the data are."""
    code = MethodCode.parse(method)
    if code is not None:
        load_custom_method(code, METHODS)


def _refuse_missing_images(config: TrainingConfig, data: SettingData, reader: ImageReader) -> None:
    """Raise InputError when images to train on, or to be tested on, are not in the set's folder."""
    parts = ((data.train, select_labelled_images(data.train)), (data.test, None))
    for people, rows in parts:
        names = people.images.file_names
        wanted = names if rows is None else [names[row] for row in rows.tolist()]
        remedy = "copy them there, or build the set again"
        refuse_missing_images(reader, wanted, config.max_unreadable, remedy, is_given=False)


def _read_initial_weights(config: TrainingConfig) -> Weights | None:
    if config.weights is None:
        return None
    return read_weights(find_weights(config.method, config.weights), trust=config.trust)


def _create_method(
    config: TrainingConfig,
    data: SettingData,
    distributed: DistributedContext,
    weights: Weights | None,
) -> PoseMethod:
    """Create the method with its initial weights, on its device."""
    torch.manual_seed(config.seed)
    method = create_method(config.method, data.train.skeleton)
    if weights is not None:
        skeleton = find_skeleton(config.weights_skeleton) if config.weights_skeleton else None
        weights.load_into(method, adapt=config.adapt, partial=True, skeleton=skeleton)
    _set_crop_options(config, method)
    device = config.device
    if distributed.world_size > 1 and torch.cuda.is_available() and device != "cpu":
        device = f"cuda:{distributed.local_rank}"
    method = method.move_to(device)
    if config.compile:
        method.compile(backend=config.compile)
    return method


def _set_crop_options(config: TrainingConfig, method: PoseMethod) -> None:
    options = CropOptions(interpolation=config.crop_interpolation, zoom=config.zoom)
    if options == CropOptions():
        return
    if isinstance(method, FullImageMethod):
        raise InputError(
            f"train {method.name}",
            "takes full images; --crop-interpolation and --zoom are for top-down methods",
            "leave them out",
        )
    method.set_crop_options(options)


def _create_loggers(config: TrainingConfig, identity: dict[str, Any]) -> list[RecordLogger]:
    name = f"{config.method} {config.setting} {config.seed}"
    loggers = []
    if config.tensorboard:
        loggers.append(create_tensorboard_logger(config.out / "tensorboard"))
    if config.wandb:
        loggers.append(create_wandb_logger(config.wandb, name, identity, config.out))
    return loggers


def _describe_schedule(
    trainer: Trainer, config: TrainingConfig, state: dict[str, Any] | None
) -> list[str]:
    """Say what of the schedule lies beyond the end or at the beginning, and what `steps` makes."""
    recipe = trainer.recipe
    steps_per_epoch = trainer.loader.steps_per_epoch
    lines = [
        *describe_short_schedule(recipe, trainer.steps),
        *describe_decays(recipe, trainer.steps, steps_per_epoch),
    ]
    # What was given for a shorter run was not given for this one.
    is_longer = state is not None and state.get("identity", {}).get("epochs") != recipe.epochs
    if "decay_at" in dict(config.overrides) and not is_longer:
        return lines
    return lines + describe_early_fall(recipe, trainer.steps, steps_per_epoch)
