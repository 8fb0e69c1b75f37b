"""smallpose predict METHOD --weights FILE …: estimate the poses of people in images."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.catalog.method_checks import (
    PUBLISHED,
    refuse_missing_weights,
    refuse_unknown_method,
)
from smallpose.catalog.method_code import is_method_code
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.run_method import read_run_method
from smallpose.cli.options import DEMO_SET, DEMO_TRUTH, add_option
from smallpose.cli.predict_calibration import (
    check_calibrated_weights,
    check_calibration_arguments,
    load_calibration,
    write_fitted_calibration,
)
from smallpose.cli.predict_options import AUTO_TILE, add_predict_options
from smallpose.cli.predict_video import check_video_arguments, predict_media
from smallpose.cli.train import set_torch_threads
from smallpose.core.errors import InputError
from smallpose.io.image_files import list_media_files

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from smallpose.core.skeleton import Skeleton
    from smallpose.inference.options import InferenceOptions
    from smallpose.inference.predict_files import BoxDetector, PredictionResult
    from smallpose.methods import PoseMethod
    from smallpose.resolution.small_people import ResolvedHeight

    Floats = NDArray[float64]

PACKAGES = ("torch", "safetensors", "cv2", "PIL")
SMALLEST_PX = 16  # height of people for whom --tile auto chooses tiles
HELP = "Estimate the poses of people in images and videos and write them as COCO results."
EXAMPLE = f"""\
smallpose predict simple_baseline_r18_tiny --weights runs/demo/B \\
    --data {DEMO_TRUTH} \\
    --images {DEMO_SET}/images --out predictions.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    parser.add_argument(
        "method",
        metavar="METHOD",
        help="Name of the method; 'smallpose methods' lists them. FILE.py:NAME names one of "
        "your own; the file is run. The folder of a run stands for its method and weights.",
    )
    parser.add_argument(
        "inputs",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help="Image files, videos, and folders of both; without boxes, a top-down method takes "
        "each image as one person.",
    )
    add_option(
        parser,
        "--weights",
        metavar="FILE",
        default_text="movenet's own; a method of the paper has none",
        help="Checkpoint or run's folder, or 'mmpose' for the one that MMPose publishes.",
    )
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="PREDICTIONS.json",
        help="File of COCO keypoint results to write.",
    )
    add_predict_options(parser)


def run_command(args: argparse.Namespace) -> None:
    """Predict, write the results and print how many people were detected."""
    _check_arguments(args)
    has_videos = check_video_arguments(args, args.inputs)
    set_torch_threads(args.threads)
    from smallpose.inference.predict_files import predict_coco_file, predict_image_files
    from smallpose.io.coco_results import write_results
    from smallpose.system.progress import print_status

    options = _read_options(args)
    resolved = _read_resolved_height(args)
    method = _load_method(args)
    check_calibrated_weights(args, options.calibration, method)
    detector = _load_detector(args, options)
    if has_videos:
        _predict_videos(args, method, options, detector, resolved)
        return
    if args.shards or args.backend:
        _predict_in_shards(args, method, options, detector)
        return
    if args.data:
        boxes = args.boxes or detector
        result = predict_coco_file(
            method,
            args.data,
            args.images,
            boxes=boxes,
            options=options,
            device=args.device,
            category=args.category,
            own_joints=args.own_joints,
        )
    else:
        boxes = args.boxes or detector
        result = predict_image_files(method, args.inputs, boxes, options, args.device)
    predictions = result.predictions
    for note in predictions.notes:
        print_status(note)
    write_results(
        predictions,
        args.out,
        result.people.category_id,
        result.people.images,
        args.own_joints,
        file_names=not args.data,
    )
    _write_environment(args.out, method, options)
    if not args.data or args.own_joints or not len(result.people.skeleton):
        _print_joint_order(predictions.skeleton)
    if not args.data:
        print_status(f"image ids and file names: {_write_image_list(args.out, result)}")
    if args.calibrate:
        write_fitted_calibration(args, result, method)
    if args.draw:
        _draw_images(args, result)
    labelled_px = result.people.boxes_xywh[~result.people.iscrowd, 3]
    _print_small_people(resolved, [predictions.boxes_xywh[:, 3]], labelled_px)
    num_images = len(result.people.images)
    print(f"{len(predictions):,} people in {num_images:,} images: {args.out}")


def _read_resolved_height(args: argparse.Namespace) -> "ResolvedHeight | None":
    """Read the curve of the model before anything is predicted."""
    from smallpose.resolution.small_people import find_curve, read_resolved_height

    path = find_curve(args.curve, args.weights)
    if path is None:
        return None
    return read_resolved_height(path, (Path(args.weights or "").name, args.method))


def _print_small_people(
    resolved: "ResolvedHeight | None", predicted_px: "list[Floats]", labelled_px: "Floats"
) -> None:
    """Warn of people who are smaller than the model resolved."""
    if resolved is None:
        return
    import numpy as np

    from smallpose.resolution.small_people import describe_small_people
    from smallpose.system.progress import print_status

    warning = describe_small_people(
        resolved, np.concatenate([*predicted_px, np.zeros(0)]), labelled_px
    )
    if warning:
        print_status(f"warning: {warning}")


def _predict_videos(
    args: argparse.Namespace,
    method: "PoseMethod",
    options: "InferenceOptions",
    detector: "BoxDetector | None",
    resolved: "ResolvedHeight | None",
) -> None:
    import numpy as np

    from smallpose.inference.predict_videos import MediaPredictor
    from smallpose.io.media_results import get_frames_path
    from smallpose.system.progress import print_written

    predictor = MediaPredictor(
        method=method,
        detector=detector,
        options=options,
        device=args.device,
        every=args.every,
        is_tracking=args.track,
    )
    images_path = _get_image_list_path(args.out)
    heights: list[Floats] = []
    counts = predict_media(
        args,
        args.inputs,
        predictor,
        images_path,
        watch=lambda predictions: heights.append(predictions.boxes_xywh[:, 3]),
    )
    _print_small_people(resolved, heights, np.zeros(0))
    _write_environment(args.out, method, options)
    _print_joint_order(method.skeleton)
    print_written(images_path, get_frames_path(args.out), args.draw)
    tracks = f", {counts.num_tracks:,} tracks" if args.track else ""
    print(
        f"{counts.num_people:,} people in {counts.num_images:,} frames and images{tracks}: "
        f"{args.out}"
    )


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuse arguments that do not go together before PyTorch is loaded."""
    _take_runs_as_methods(args)
    check_calibration_arguments(args)
    if Path(args.method).exists() and not is_method_code(args.method):
        remedy = f"name the method first: smallpose predict movenet {args.method} --out found.json"
        raise InputError(args.method, "is a file or folder and not a method", remedy)
    for path in args.inputs:
        if not path.exists():
            raise InputError(str(path), "no such image or folder", "check the path")
        if path.suffix.lower() == ".json":
            remedy = "pass it with --data, and the folder of its images with --images"
            raise InputError(str(path), "is not an image", remedy)
    if bool(args.inputs) == bool(args.data):
        remedy = "pass image files and folders, or --data TRUTH.json"
        raise InputError("smallpose predict", "takes either images or --data", remedy)
    if args.images and not args.images.is_dir():
        raise InputError(str(args.images), "no such folder", "check the path after --images")
    in_shards = bool(args.shards or args.backend)
    overlap = args.tile_overlap or 0
    for is_wrong, where, what, remedy in (
        (
            args.data and not args.images,
            "--data",
            "needs the images of the file",
            "add --images DIR",
        ),
        (
            args.category and not args.data,
            "--category",
            "is for the categories of a COCO file",
            "pass the file by --data",
        ),
        (
            args.boxes and args.boxes_from,
            "--boxes-from",
            "cannot be combined with --boxes",
            "leave one of them out",
        ),
        (
            args.box_weights and not args.boxes_from,
            "--box-weights",
            "needs the method that detects people",
            "add --boxes-from METHOD",
        ),
        (
            args.draw_min_score is not None and not args.draw,
            f"--draw-min-score {args.draw_min_score}",
            "is for images that are drawn",
            "add --draw DIR",
        ),
        (
            args.draw and in_shards,
            "--draw",
            "cannot be combined with --shards or --backend",
            "leave it out",
        ),
        (
            args.part != "1/1" and not in_shards,
            f"--part {args.part}",
            "needs shards",
            "add --shards DIR",
        ),
        (
            args.shard_images and not in_shards,
            f"--shard-images {args.shard_images}",
            "needs shards",
            "add --shards DIR",
        ),
        (
            args.curve and in_shards,
            "--curve",
            "cannot be combined with --shards or --backend",
            "leave it out",
        ),
        (
            args.actors and args.backend != "ray",
            f"--actors {args.actors}",
            "needs Ray",
            "add --backend ray",
        ),
        (
            args.onnx and (args.half or args.compile),
            "--onnx",
            "cannot be combined with --half or --compile",
            "leave one of them out",
        ),
        (overlap < 0, f"--tile-overlap {overlap}", "is below 0", "use 0 or more"),
        (
            args.smallest and args.tile != AUTO_TILE,
            f"--smallest {args.smallest}",
            "is for tiles that are chosen by themselves",
            "add --tile auto",
        ),
        (
            0 < args.tile < 2 * overlap,
            f"--tile {args.tile}",
            f"tiles cannot overlap by {overlap} px",
            "use at most half of the tile for --tile-overlap",
        ),
    ):
        if is_wrong:
            raise InputError(where, what, remedy)
    _check_files(args)


def _check_files(args: argparse.Namespace) -> None:
    """List the images; refuse unknown methods, and weights, labels and images that are missing."""
    for name, weights in ((args.method, args.weights), (args.boxes_from, args.box_weights)):
        if name:
            refuse_unknown_method(name, (*read_catalog(), *PUBLISHED))
            refuse_missing_weights(name, weights)
    for flag, path in (("--data", args.data), ("--boxes", args.boxes), ("--curve", args.curve)):
        if path and not path.exists():
            raise InputError(f"{flag} {path}", "no such file", "check the path")
    args.inputs = list_media_files(args.inputs)


def _take_runs_as_methods(args: argparse.Namespace) -> None:
    """Replace the folders of runs in the place of methods by their methods and their weights."""
    args.method, args.weights = _take_run_as_method(args.method, args.weights, "--weights")
    if args.boxes_from:
        args.boxes_from, args.box_weights = _take_run_as_method(
            args.boxes_from, args.box_weights, "--box-weights"
        )


def _take_run_as_method(name: str, weights: str | None, flag: str) -> tuple[str, str | None]:
    """Return the method and its weights; those of a run where its folder is named."""
    folder = Path(name)
    if not (folder / "model.json").is_file():
        return name, weights
    if weights:
        remedy = f"leave {flag} out, or name the method in place of {folder}"
        raise InputError(f"{flag} {weights}", f"{folder} has weights of its own", remedy)
    return read_run_method(folder), str(folder)


def _read_options(args: argparse.Namespace) -> "InferenceOptions":
    from smallpose.inference.options import InferenceOptions
    from smallpose.methods.person_score import SCORE_RULES

    if args.score_rule and args.score_rule not in SCORE_RULES:
        raise InputError(
            f"--score-rule {args.score_rule}", "no such rule", f"use {', '.join(SCORE_RULES)}"
        )
    return InferenceOptions(
        flip_test=False if args.no_flip_test else None,
        score_rule=args.score_rule,
        oks_threshold=args.nms,
        batch_size=max(args.batch_size, 0),
        max_unreadable=args.max_unreadable,
        max_people=args.max_people,
        score_threshold=args.score_above,
        rescore=not args.no_rescore,
        tile=max(args.tile, 0),
        tile_overlap=args.tile_overlap,
        smallest=(args.smallest or SMALLEST_PX) if args.tile == AUTO_TILE else 0,
        crop_interpolation=args.crop_interpolation,
        zoom=args.zoom,
        half=args.half,
        compile=args.compile,
        calibration=load_calibration(args),
        min_score=args.min_score,
        onnx=args.onnx,
    )


def _create_model(args: argparse.Namespace) -> "PoseMethod":
    from smallpose.external import create_model
    from smallpose.io.joint_pairs import set_pairs

    create = partial(
        create_model,
        args.method,
        weights=args.weights,
        adapt=args.adapt,
        weights_skeleton=args.weights_skeleton,
        trust=args.trust,
    )
    method = create(skeleton=args.skeleton)
    # The weights may be what names the joints, and networks need the pairs when they are made.
    return method if args.swap is None else create(skeleton=set_pairs(method.skeleton, args.swap))


def _load_method(args: argparse.Namespace) -> "PoseMethod":
    from smallpose.methods.full_image import FullImageMethod

    method = _create_model(args)
    if isinstance(method, FullImageMethod):
        if args.boxes or args.boxes_from:
            raise InputError(
                f"predict {args.method}",
                "detects people itself and takes no boxes",
                "leave --boxes and --boxes-from out",
            )
        return method
    needs_detector = args.tile or args.max_people is not None or args.score_above is not None
    if needs_detector and not args.boxes_from:
        raise InputError(
            f"predict {args.method}",
            "is a top-down method; --max-people, --score-above and --tile are for the method that "
            "detects people",
            "leave them out, or add --boxes-from METHOD",
        )
    return method


def _load_detector(args: argparse.Namespace, options: "InferenceOptions") -> "BoxDetector | None":
    if not args.boxes_from:
        return None
    from dataclasses import replace

    from smallpose.external import create_model
    from smallpose.inference.predict_files import BoxDetector
    from smallpose.methods.full_image import FullImageMethod

    method = create_model(args.boxes_from, weights=args.box_weights, trust=args.trust)
    if not isinstance(method, FullImageMethod):
        raise InputError(
            f"--boxes-from {args.boxes_from}",
            "is a top-down method and needs boxes itself",
            "use movenet, rtmo_s, cid_hrnet_w32 or dekr_hrnet_w32",
        )
    # The score rule and the NMS of the options apply to the final people, not to their boxes.
    own = replace(options, calibration=None, min_score=None)
    return BoxDetector(method, replace(own, score_rule="", oks_threshold=None, batch_size=0))


def _predict_in_shards(
    args: argparse.Namespace,
    method: "PoseMethod",
    options: "InferenceOptions",
    detector: "BoxDetector | None",
) -> None:
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
    from smallpose.inference.predict_files import choose_result_order
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.system.progress import print_status

    images_per_shard = args.shard_images or IMAGES_PER_SHARD
    if args.data:
        takes_boxes = detector is None and not isinstance(method, FullImageMethod)
        boxes = args.boxes or takes_boxes
        work = list_coco_file(args.data, args.images, boxes, images_per_shard, args.category)
    else:
        work = list_images(args.inputs, images_per_shard, args.boxes)
    part = _parse_part(args.part)
    folder = args.shards or args.out.with_suffix(".shards")
    order = None
    if work.skeleton is not None and not args.own_joints:
        order = choose_result_order(method.skeleton, work.skeleton, args.data)
    worker = ShardWorker(method, work, folder, options, detector, order)
    if args.backend == "ray":
        from smallpose.inference.large_jobs.ray_backend import RayBackend

        backend = RayBackend(worker, args.actors, args.device, max(args.threads, 1))
        reports = process_shards(worker, backend, part, method.name)
    else:
        reports = process_shards(worker.move_to(args.device), None, part, method.name)
    num_missing = work.num_shards - len(reports)
    if num_missing:
        print(f"{num_missing:,} of {work.num_shards:,} shards are left to other jobs: {folder}")
        return
    named = worker.order.skeleton if args.own_joints else None
    num_people = merge_shards(folder, work.num_shards, args.out, named)
    _write_environment(args.out, method, options)
    if order is None or not len(work.skeleton or ()):
        _print_joint_order(worker.order.skeleton)
    if not args.data:
        path = _get_image_list_path(args.out)
        write_image_list(work, reports, method.skeleton, path)
        print_status(f"image ids and file names: {path}")
    print(f"{num_people:,} people in {len(work.image_ids):,} images: {args.out}")


def _write_environment(out: Path, method: "PoseMethod", options: "InferenceOptions") -> None:
    """Record the packages, precision and processor beside the results, which have no room."""
    from smallpose.inference.environment import describe_method_environment
    from smallpose.io.result_environment import write_environment

    write_environment(out, describe_method_environment(method, options))


def _print_joint_order(skeleton: "Skeleton") -> None:
    """Name the joints of results that are not in the order of a file."""
    from smallpose.system.progress import print_status

    print_status(f"joints of the results, in their order: {', '.join(skeleton.joints)}")


def _parse_part(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        raise InputError(
            f"--part {text}", "is not K/N with K from 1 to N", "write it as in --part 3/16"
        )
    return int(number) - 1, int(parts)


def _get_image_list_path(out: Path) -> Path:
    return out.with_name(f"{out.stem}.images.json")


def _write_image_list(out: Path, result: "PredictionResult") -> Path:
    """Write a COCO file without people, because results refer to images by ids alone."""
    from smallpose.io.coco_annotations import write_coco

    path = _get_image_list_path(out)
    write_coco(result.people, path)
    return path


def _draw_images(args: argparse.Namespace, result: "PredictionResult") -> None:
    from smallpose.dataloading.large_images import open_image
    from smallpose.report.images.draw_predictions import draw_predictions

    root = args.images if args.data else Path()
    count = draw_predictions(
        result.predictions,
        result.people.images,
        root,
        open_image,
        args.draw,
        min_score=args.draw_min_score,
    )
    print(f"{count:,} images drawn: {args.draw}")
