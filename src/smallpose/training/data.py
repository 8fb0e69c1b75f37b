"""The training data of a method: crops of people, or full images with all their people."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.batches import AnyBatch, BatchLoader, LoaderOptions
from smallpose.dataloading.full_image.batches import FullImageLoader
from smallpose.dataloading.full_image.samples import FullImageDataset
from smallpose.dataloading.image_cache import CachedImageReader, limit_cache_bytes
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.pixel_augmentation import PixelAugmentation
from smallpose.dataloading.prefetch import choose_num_ahead, count_local_processes
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import FullImageMethod, FullImageRecipe
from smallpose.training.config import TrainingConfig
from smallpose.training.distributed import SINGLE_PROCESS, DistributedContext

__all__ = [
    "AnyBatch",
    "BatchLoader",
    "create_loader",
    "describe_threads",
    "select_labelled_images",
]


def create_loader(
    config: TrainingConfig,
    people: Instances,
    reader: ImageReader,
    method: PoseMethod,
    recipe: Recipe,
    distributed: DistributedContext = SINGLE_PROCESS,
) -> BatchLoader:
    """Create the loader of this process's part of the training data, in the method's form.

    Raises: InputError when a step has no sample for some process.
    """
    options = LoaderOptions(
        batch_size=recipe.batch_size,
        num_workers=config.workers,
        max_unreadable=config.max_unreadable,
        rank=distributed.rank,
        world_size=distributed.world_size,
        num_ahead=_choose_num_ahead(config, method, distributed),
    )
    loader: BatchLoader
    if isinstance(method, FullImageMethod):
        if config.cache is not None:
            raise InputError(
                f"--cache {config.cache}",
                f"caches crops of people, and {method.name} takes full images",
                "leave it out, or train a top-down method",
            )
        assert isinstance(recipe, FullImageRecipe)
        dataset = _create_full_image_dataset(config, people, reader, method, recipe, distributed)
        loader = FullImageLoader(dataset, options, recipe.sizes)
    else:
        crops = _create_crop_dataset(config, people, reader, method, recipe, distributed)
        loader = CropLoader(crops, options)
    step_size = loader.num_samples // loader.steps_per_epoch
    if step_size < distributed.world_size:
        raise InputError(
            f"batch_size={recipe.batch_size}",
            f"steps of {format_count(step_size, 'sample')} for "
            f"{format_count(distributed.world_size, 'process', 'processes')}",
            "start fewer processes, or use a larger batch_size",
        )
    return loader


def _choose_num_ahead(
    config: TrainingConfig, method: PoseMethod, distributed: DistributedContext
) -> int:
    """Return how many batches a thread prepares ahead; workers do so themselves."""
    if config.workers and config.prefetch:
        raise InputError(
            f"--prefetch {config.prefetch}",
            f"is for a thread of the training process (--workers {config.workers} is for others)",
            "leave one of the two out",
        )
    if config.workers:
        return 0
    if config.prefetch is not None:
        return max(config.prefetch, 0)
    num_threads = torch.get_num_threads() if method.device.type == "cpu" else 1
    return choose_num_ahead(num_threads, count_local_processes(distributed.world_size))


def describe_threads(loader: BatchLoader, uses_weight_thread: bool) -> str:
    """Describe what runs in which threads of this process."""
    parts = [f"PyTorch in {format_count(torch.get_num_threads(), 'thread')} (--threads)"]
    if uses_weight_thread:
        parts.append("gradients of weights in another")
    if loader.options.num_ahead:
        batches = format_count(loader.options.num_ahead, "batch", "batches")
        parts.append(f"up to {batches} prepared ahead in a thread (--prefetch)")
    if loader.options.num_workers:
        workers = format_count(loader.options.num_workers, "process", "processes")
        parts.append(f"images read by {workers} (--workers)")
    return f"threads: {', '.join(parts)}"


def select_labelled_images(people: Instances) -> NDArray[np.intp]:
    """Return the rows of images with trainable people; the others would teach background only."""
    return np.unique(people.image_rows[select_trainable(people)])


def _create_full_image_dataset(
    config: TrainingConfig,
    people: Instances,
    reader: ImageReader,
    method: FullImageMethod,
    recipe: FullImageRecipe,
    distributed: DistributedContext,
) -> FullImageDataset:
    rows = select_labelled_images(people)
    augmentation = recipe.augment
    epochs = _count_data_epochs(recipe, len(rows))
    if recipe.steps:
        closing = round(augmentation.closing * epochs / recipe.epochs)
        augmentation = replace(augmentation, closing=closing)
    cached_reader = _cache_images(reader, config.image_memory, config, distributed)
    return FullImageDataset(
        people, rows, cached_reader, method.input_wh, augmentation, config.seed, epochs
    )


def _cache_images(
    reader: ImageReader, megabytes: int, config: TrainingConfig, distributed: DistributedContext
) -> CachedImageReader:
    """Return a reader that keeps decoded images, each process of the machine its share."""
    num_processes = max(config.workers, 1) * distributed.world_size
    return CachedImageReader(reader, limit_cache_bytes(megabytes, num_processes))


def count_samples(people: Instances, method: PoseMethod) -> int:
    """Return how many samples an epoch has: people, or images for a full-image method."""
    is_full_image = isinstance(method, FullImageMethod)
    return len(select_labelled_images(people) if is_full_image else select_trainable(people))


def _count_data_epochs(recipe: Recipe, num_samples: int) -> int:
    """Return how often the data are visited, which `recipe.steps` may change."""
    if not recipe.steps:
        return recipe.epochs
    return -(-recipe.steps // -(-num_samples // recipe.batch_size))


def _create_crop_dataset(
    config: TrainingConfig,
    people: Instances,
    reader: ImageReader,
    method: PoseMethod,
    recipe: Recipe,
    distributed: DistributedContext,
) -> CropDataset:
    rows = select_trainable(people)
    epochs = _count_data_epochs(recipe, len(rows))
    augmentation = recipe.augment
    if recipe.steps and isinstance(augmentation, PixelAugmentation):
        closing = round(augmentation.closing * epochs / recipe.epochs)
        augmentation = replace(augmentation, closing=closing)
    # The crop cache has no further use for images.
    image_memory = 0 if config.cache else config.image_memory
    crops = CropDataset(
        people=people,
        rows=rows,
        reader=_cache_images(reader, image_memory, config, distributed),
        input_wh=method.input_wh,
        augmentation=augmentation,
        seed=config.seed,
        udp=method.udp_warp,
        interpolation=method.crop_options.interpolation,
    )
    crops.epochs = epochs
    if config.cache is not None:
        if not distributed.is_first:
            distributed.wait_for_all()  # the first process fills the cache
        crops.open_cache(config.cache, config.workers)
        if distributed.is_first:
            distributed.wait_for_all()
    return crops
