"""Predict all people of images with a full-image method.

Images that are letterboxed to the same size pass through the network together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.score_limits import ScoreLimit
from smallpose.dataloading.images import ImageArray, use_one_opencv_thread
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference.large_images import describe_reduction, detect_in_reduced_image
from smallpose.inference.notes import describe_unreadable
from smallpose.inference.options import InferenceOptions
from smallpose.inference.prefetch import prefetch_images
from smallpose.inference.second_look import detect_twice
from smallpose.inference.tile_cost import TileTimer, print_tiles
from smallpose.inference.tile_plan import choose_tile_levels
from smallpose.inference.tiles import detect_in_tiles
from smallpose.methods.full_image import (
    Detections,
    FullImageMethod,
    collect_predictions,
    describe_full_views,
    describe_limit,
    suppress_duplicates,
)
from smallpose.methods.person_score import SCORE_RULES
from smallpose.system.progress import print_status

BATCH_SIZE = 8  # images
NUM_SORTED = 4  # batches of images that are sorted by size together
_OPTION_NAMES = (
    "max_people",
    "max_merged_people",
    "score_threshold",
    "counted_from",
    "rescore",
    "test_side",
)
MAX_PENDING_BYTES = 2**28  # of decoded images; fewer large images wait for each other


def predict_full_images(
    method: FullImageMethod,
    people: Instances,
    read: Callable[[str], ImageArray | LargeImage],
    options: InferenceOptions | None = None,
    label: str = "",
) -> Predictions:
    """Predict all people of all images, with their boxes, in the order of the images.

    Args:
        people: names the images; its people are not used.
        read: file name to image.
        label: of a progress bar over the images; "" for none.

    Raises: InputError when too many images are unreadable, or one does not have the annotated
        size.
    """
    options = options or InferenceOptions()
    use_one_opencv_thread()
    batch_size = options.batch_size or BATCH_SIZE
    unreadable: list[str] = []
    detections: list[Detections] = []
    rows: list[int] = []
    pending: list[ImageArray] = []
    refuse_other_input(method, options)
    if label:
        print_tiles(method, people.images, options)
    method.num_limited = 0
    method.num_views = method.num_full_views = 0
    method.num_scored = 0
    method.num_low = 0
    max_people = method.max_people if options.max_people is None else options.max_people
    is_tiled = bool(options.tile or options.smallest)
    # Tiles and windows are of one image, so nothing is gained by waiting, and progress is that of
    # images.
    is_alone = is_tiled or options.second_look
    max_pending = 1 if is_alone else NUM_SORTED * batch_size
    with _apply_options(method, options):
        timer = TileTimer(method, people.images, options) if label and is_tiled else None
        images = prefetch_images(
            people, range(len(people.images)), read, options.max_unreadable, unreadable, label
        )
        for row, image in images:
            rows.append(row)
            if isinstance(image, LargeImage):
                detections += _detect_people(method, pending, options, batch_size)
                detections.append(_detect_in_large_image(method, image, options, batch_size))
                pending = []
            else:
                pending.append(image)
            num_bytes = sum(one.nbytes for one in pending)
            if len(pending) == max_pending or num_bytes > MAX_PENDING_BYTES:
                detections += _detect_people(method, pending, options, batch_size)
                pending = []
            if timer is not None:
                timer.finish_image(row)
        detections += _detect_people(method, pending, options, batch_size)
    ids = people.images.ids[np.array(rows, dtype=np.intp)].tolist()
    predictions = collect_predictions(method.skeleton, detections, ids)
    if options.score_rule:
        score_people = SCORE_RULES[options.score_rule]
        scores = score_people(predictions.scores, predictions.keypoint_scores)
        predictions = replace(predictions, scores=scores)
    threshold = options.oks_threshold
    if threshold is None:
        threshold = method.oks_threshold
    notes = describe_unreadable(unreadable)
    notes += describe_limit(method.name, method.num_limited, max_people)
    notes += describe_full_views(
        method.name, method.most_in_view, method.num_full_views, method.num_views
    )
    limits = _list_score_limits(method, options)
    return replace(suppress_duplicates(predictions, threshold), notes=notes, score_limits=limits)


def _list_score_limits(
    method: FullImageMethod, options: InferenceOptions
) -> tuple[ScoreLimit, ...]:
    """Return what the limit asked for has left out; () for the method's own."""
    if options.score_threshold is None or not method.num_scored:
        return ()
    is_in_parts = bool(options.tile or options.smallest or options.second_look)
    where = " in images and their parts" if is_in_parts else ""
    return (
        ScoreLimit(
            name="--score-above",
            score=options.score_threshold,
            num_left_out=method.num_low,
            num_detections=method.num_scored,
            singular=f"detection{where}",
            plural=f"detections{where}",
        ),
    )


def refuse_other_input(method: FullImageMethod, options: InferenceOptions) -> None:
    """Raise InputError when another size of input is given for a network that has only one."""
    if method.engine == "torch" or method.takes_any_side:
        return
    for flag, side in (("--input-side", options.input_side), ("--tile-to", options.tile_to)):
        if side:
            raise InputError(
                f"{flag} {side}",
                f"is for PyTorch networks and movenet, and the input of {method.name} is fixed",
                "leave it out; --tile PX searches parts of an image at a larger size",
            )


def _detect_people(
    method: FullImageMethod, images: list[ImageArray], options: InferenceOptions, batch_size: int
) -> list[Detections]:
    """Detect the people of some images: letterbox, network, flip test, decoding, mapping."""
    flip_test = method.default_flip_test if options.flip_test is None else options.flip_test
    if options.second_look:
        return [detect_twice(method, image, flip_test, batch_size) for image in images]
    if not (options.tile or options.smallest):
        return method.detect_in_images(images, flip_test, batch_size)
    return [
        detect_in_tiles(
            method,
            image,
            flip_test,
            batch_size,
            choose_tile_levels(method, (image.shape[1], image.shape[0]), options),
            options.tile_to,
        )
        for image in images
    ]


def _detect_in_large_image(
    method: FullImageMethod, image: LargeImage, options: InferenceOptions, batch_size: int
) -> Detections:
    """Detect the people of an image that is read in parts."""
    flip_test = method.default_flip_test if options.flip_test is None else options.flip_test
    if options.second_look:
        return detect_twice(method, image, flip_test, batch_size)
    if not (options.tile or options.smallest):
        print_status(
            f"{image.path}: {describe_reduction(image)}; --tile PX searches all pixels as well"
        )
        return detect_in_reduced_image(method, image, flip_test, batch_size)
    levels = choose_tile_levels(method, (image.width, image.height), options)
    return detect_in_tiles(method, image, flip_test, batch_size, levels, options.tile_to)


@contextmanager
def _apply_options(method: FullImageMethod, options: InferenceOptions) -> Iterator[None]:
    """Set the method to eval mode and to the options as long as the context lasts."""
    was_training = method.training
    before = {name: getattr(method, name) for name in _OPTION_NAMES}
    if options.max_people is not None:
        method.max_people = method.max_merged_people = options.max_people or None
    if options.score_threshold is not None:
        method.counted_from = method.score_threshold
        method.score_threshold = options.score_threshold
    method.rescore = method.rescore and options.rescore
    method.test_side = options.input_side or method.test_side
    if was_training:
        method.eval()
    try:
        yield
    finally:
        if was_training:
            method.train()
        for name, value in before.items():
            setattr(method, name, value)
