"""`smallpose predict --shards`: large jobs in parts that can be resumed and shared."""

import argparse
from typing import TYPE_CHECKING

from smallpose.cli.predict_outputs import (
    print_joint_order,
    print_low_scores,
    print_many_left_out,
    write_method_environment,
)
from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.score_limits import add_score_limits, describe_score_limits
from smallpose.io.predicted_images import get_image_list_path

if TYPE_CHECKING:
    from smallpose.inference.large_jobs.shards import ShardWorker
    from smallpose.inference.options import InferenceOptions
    from smallpose.inference.predict_files import BoxDetector
    from smallpose.methods import PoseMethod


def predict_in_shards(
    args: argparse.Namespace,
    method: "PoseMethod",
    options: "InferenceOptions",
    detector: "BoxDetector | None",
) -> None:
    """Predict the shards of this part, and merge all shards when none is missing."""
    from smallpose.inference.large_jobs.shards import (
        ShardWorker,
        merge_shards,
        process_shards,
        write_image_list,
    )
    from smallpose.inference.large_jobs.work_list import (
        IMAGES_PER_SHARD,
        list_coco_file,
        list_images,
    )
    from smallpose.inference.low_scores import ScoreCollector
    from smallpose.inference.predict_files import choose_result_order
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.system.progress import print_status

    images_per_shard = args.shard_images or IMAGES_PER_SHARD
    if args.data:
        takes_boxes = detector is None and not isinstance(method, FullImageMethod)
        boxes = args.boxes or takes_boxes
        work = list_coco_file(
            args.data, args.images, boxes, images_per_shard, args.category, options.apply_exif
        )
    else:
        work = list_images(args.inputs, images_per_shard, args.boxes, options.apply_exif)
    part = parse_part(args.part)
    folder = args.shards or args.out.with_suffix(".shards")
    order = None
    if work.skeleton is not None and not args.own_joints:
        order = choose_result_order(method.skeleton, work.skeleton, args.data)
    worker = ShardWorker(method, work, folder, options, detector, order)
    _print_tiles(worker)
    if args.backend == "ray":
        from smallpose.inference.large_jobs.ray_backend import RayBackend

        backend = RayBackend(worker, args.actors, args.device, max(args.threads, 1))
        reports = process_shards(worker, backend, part, method.name)
    else:
        reports = process_shards(worker.move_to(args.device), None, part, method.name)
    num_missing = work.num_shards - len(reports)
    if num_missing:
        print(
            f"{format_share(num_missing, work.num_shards, 'shard is', 'shards are')} left to other "
            f"jobs: {folder}"
        )
        return
    named = worker.order.skeleton if args.own_joints else None
    scores = ScoreCollector()
    num_people = merge_shards(folder, work.num_shards, args.out, named, scores)
    score_limits = add_score_limits(limit for report in reports for limit in report.score_limits)
    write_method_environment(args.out, method, options, score_limits)
    if order is None or not len(work.skeleton or ()):
        image_list = None if args.data else get_image_list_path(args.out)
        print_joint_order(worker.order.skeleton, args.own_joints, image_list)
    if not args.data:
        path = get_image_list_path(args.out)
        write_image_list(work, reports, method.skeleton, path)
        print_status(f"image ids and file names: {path}")
    print_low_scores(args, method, scores)
    print_many_left_out(score_limits, scores)
    people = format_count(num_people, "person", "people")
    images = format_count(len(work.image_ids), "image")
    print(f"{people} in {images}{describe_score_limits(score_limits)}: {args.out}")


def _print_tiles(worker: "ShardWorker") -> None:
    """Print which tiles are searched in the images of the first shard."""
    from dataclasses import replace

    import numpy as np

    from smallpose.inference.input_images import read_image_sizes
    from smallpose.inference.tile_cost import print_tiles
    from smallpose.methods.full_image import FullImageMethod

    method, options = worker.detector or (worker.method, worker.options)
    if not isinstance(method, FullImageMethod) or not (options.tile or options.smallest):
        return
    images = worker.work.images_of(0)
    if worker.work.reader is None:
        sizes_wh, _ = read_image_sizes(images.file_names, options.apply_exif)
        width, height = np.array(sizes_wh).T
        images = replace(images, width=width, height=height)
    print_tiles(method, images, options)


def parse_part(text: str) -> tuple[int, int]:
    """Parse K/N of --part as K from 0 and N.

    Raises: InputError for anything else.
    """
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        raise InputError(
            f"--part {text}", "is not K/N with K from 1 to N", "write it as in --part 3/16"
        )
    return int(number) - 1, int(parts)
