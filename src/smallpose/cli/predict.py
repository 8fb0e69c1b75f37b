"""smallpose predict METHOD --weights FILE …: estimate the poses of people in images."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.cli.options import AUTO_ZOOM, DEMO_SET, DEMO_TRUTH, add_option
from smallpose.cli.predict_calibration import (
    check_calibrated_weights,
    load_calibration,
    write_fitted_calibration,
)
from smallpose.cli.predict_checks import (
    check_arguments,
    describe_top_down_detector,
    refuse_boxes_of_full_image_method,
    refuse_detection_options_of_top_down_method,
)
from smallpose.cli.predict_options import AUTO_TILE, add_predict_options
from smallpose.cli.predict_outputs import (
    print_joint_order,
    print_labelled_boxes,
    print_low_scores,
    print_many_left_out,
    print_missing_frame,
    print_reduction,
    print_rounded_sides,
    print_small_people,
    read_resolved_curve,
    write_method_environment,
)
from smallpose.cli.predict_shards import predict_in_shards
from smallpose.cli.predict_video import check_video_arguments, predict_media
from smallpose.cli.train import set_torch_threads
from smallpose.core.counts import format_count
from smallpose.core.score_limits import add_score_limits, describe_score_limits
from smallpose.io.predicted_images import get_image_list_path
from smallpose.system.exit_signals import exit_when_terminated
from smallpose.system.image_formats import is_video_name
from smallpose.system.memory import keep_freed_memory

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from smallpose.core.score_limits import ScoreLimit
    from smallpose.dataloading.images import ImageArray
    from smallpose.dataloading.large_images import LargeImage
    from smallpose.inference.options import InferenceOptions
    from smallpose.inference.predict_files import BoxDetector, PredictionResult
    from smallpose.inference.predict_videos import MediaPart
    from smallpose.methods import PoseMethod
    from smallpose.resolution.small_people import ResolvedHeight

    Floats = NDArray[float64]

PACKAGES = ("torch", "safetensors", "cv2", "PIL")
_ENGINE_MODULES = {
    "torch": (),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
}
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
        default_text="a published model's own; a method of the paper has none",
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


def list_packages(args: argparse.Namespace) -> list[str]:
    """List the modules that the methods, their engine and the inputs need."""
    modules = [*PACKAGES]
    for method in (args.method, args.boxes_from):
        modules += PUBLISHED_MODULES.get(method, ())
    modules += _ENGINE_MODULES["onnxruntime" if args.onnx else args.engine]
    if any(is_video_name(file.name) for file in args.inputs):
        modules.append("av")
    return list(dict.fromkeys(modules))


def run_command(args: argparse.Namespace) -> None:
    """Predict, write the results and print how many people were detected."""
    keep_freed_memory()  # an image frees and allocates the same tensors as the last one
    # So that partial files are removed whatever ends the command.
    with exit_when_terminated():
        _predict(args)


def _predict(args: argparse.Namespace) -> None:
    check_arguments(args)
    has_videos = check_video_arguments(args, args.inputs)
    set_torch_threads(args.threads)
    from smallpose.inference.low_scores import ScoreCollector
    from smallpose.inference.predict_files import predict_coco_file, predict_image_files
    from smallpose.inference.reduced_images import ImageSizeCounter
    from smallpose.io.coco_results import write_results
    from smallpose.system.progress import print_status

    options = _read_options(args)
    resolved = read_resolved_curve(args)
    method = _load_method(args)
    check_calibrated_weights(args, options.calibration, method)
    print_missing_frame(resolved, method)
    detector = _load_detector(args, options)
    print_rounded_sides(detector.method if detector else method, options)
    if has_videos:
        _predict_videos(args, method, options, detector, resolved)
        return
    if args.shards or args.backend:
        predict_in_shards(args, method, options, detector)
        return
    if args.data:
        boxes = args.boxes or detector
        print_labelled_boxes(method, args.data, boxes)
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
    write_method_environment(args.out, method, options, predictions.score_limits)
    if not args.data or args.own_joints or not len(result.people.skeleton):
        image_list = None if args.data else get_image_list_path(args.out)
        print_joint_order(predictions.skeleton, args.own_joints, image_list)
    if not args.data:
        print_status(f"image ids and file names: {_write_image_list(args.out, result)}")
    if args.calibrate:
        write_fitted_calibration(args, result, method)
    if args.draw:
        _draw_images(args, result)
    labelled_px = result.people.boxes_xywh[~result.people.iscrowd, 3]
    print_small_people(resolved, [predictions.boxes_xywh[:, 3]], labelled_px)
    scores = ScoreCollector()
    scores.add_predictions(predictions)
    print_low_scores(args, method, scores)
    print_many_left_out(predictions.score_limits, scores)
    sizes = ImageSizeCounter()
    sizes.add_images(result.people.images)
    print_reduction(args, detector.method if detector else method, sizes)
    num_images = len(result.people.images)
    people = format_count(len(predictions), "person", "people")
    left_out = describe_score_limits(predictions.score_limits)
    print(f"{people} in {format_count(num_images, 'image')}{left_out}: {args.out}")


def _predict_videos(
    args: argparse.Namespace,
    method: "PoseMethod",
    options: "InferenceOptions",
    detector: "BoxDetector | None",
    resolved: "ResolvedHeight | None",
) -> None:
    import numpy as np

    from smallpose.inference.low_scores import ScoreCollector
    from smallpose.inference.predict_videos import MediaPredictor
    from smallpose.inference.reduced_images import ImageSizeCounter
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
    images_path = get_image_list_path(args.out)
    heights: list[Floats] = []
    limits: list[ScoreLimit] = []
    scores = ScoreCollector()
    sizes = ImageSizeCounter()

    def watch(part: "MediaPart") -> None:
        heights.append(part.predictions.boxes_xywh[:, 3])
        scores.add_predictions(part.predictions)
        limits.extend(part.predictions.score_limits)
        sizes.add_images(part.images)

    counts = predict_media(args, args.inputs, predictor, images_path, watch)
    print_small_people(resolved, heights, np.zeros(0))
    score_limits = add_score_limits(limits)
    write_method_environment(args.out, method, options, score_limits)
    print_joint_order(method.skeleton, args.own_joints, images_path)
    print_written(images_path, get_frames_path(args.out), args.draw)
    print_low_scores(args, method, scores)
    print_many_left_out(score_limits, scores)
    print_reduction(args, detector.method if detector else method, sizes)
    tracks = f", {format_count(counts.num_tracks, 'track')}" if args.track else ""
    print(
        f"{format_count(counts.num_people, 'person', 'people')} in "
        f"{format_count(counts.num_images, 'frame or image', 'frames and images')}{tracks}"
        f"{describe_score_limits(score_limits)}: {args.out}"
    )


def _read_options(args: argparse.Namespace) -> "InferenceOptions":
    from smallpose.inference.options import InferenceOptions

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
        input_side=args.input_side,
        crop_interpolation=args.crop_interpolation,
        tile_to=args.tile_to,
        zoom=max(args.zoom, 0),
        second_look=args.zoom == AUTO_ZOOM,
        heatmap_decoding=args.heatmap_decoding,
        engine="onnxruntime" if args.onnx else args.engine,
        precision="half" if args.half else args.precision,
        compile=args.compile,
        calibration=load_calibration(args),
        min_score=args.min_score,
        apply_exif=args.exif == "apply",
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
        refuse_boxes_of_full_image_method(args)
    else:
        refuse_detection_options_of_top_down_method(args)
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
        raise describe_top_down_detector(args.boxes_from)
    if method.engine != "torch":  # a published model has an engine and a precision of its own
        options = replace(options, engine="torch", precision="float32", compile=False)
    # Crops, score rule and NMS of the options apply to the final people, not to their boxes.
    own = replace(options, calibration=None, min_score=None, heatmap_decoding="")
    own = replace(own, crop_interpolation="", zoom=0)
    return BoxDetector(method, replace(own, score_rule="", oks_threshold=None, batch_size=0))


def _write_image_list(out: Path, result: "PredictionResult") -> Path:
    """Write a COCO file without people, because results refer to images by ids alone."""
    from smallpose.io.coco_annotations import write_coco

    path = get_image_list_path(out)
    write_coco(result.people, path)
    return path


def _draw_images(args: argparse.Namespace, result: "PredictionResult") -> None:
    from smallpose.dataloading.images import ImageReader
    from smallpose.dataloading.large_images import open_image
    from smallpose.dataloading.shown_images import open_shown_image
    from smallpose.inference.rotated_images import find_turned_images
    from smallpose.report.images.draw_predictions import DrawnCounter, draw_predictions

    root = args.images if args.data else Path()
    names = {root / name: name for name in result.people.images.file_names}
    reader = ImageReader(root)
    turned = frozenset(names.values() if args.exif else ())
    if args.exif and args.data:
        turned = find_turned_images(result.people, reader)

    def read(path: Path) -> "ImageArray | LargeImage":
        name = names[path]
        path = reader.resolve(name) if args.data else path  # names of labels may lead elsewhere
        return open_shown_image(path) if name in turned else open_image(path)

    count = draw_predictions(
        result.predictions,
        result.people.images,
        root,
        read,
        args.draw,
        min_score=args.draw_min_score,
    )
    drawn = DrawnCounter(args.draw_min_score)
    drawn.add_predictions(result.predictions)
    people = drawn.describe()
    with_people = f", with {people}" if people else ""
    print(f"{format_count(count, 'image')} drawn{with_people}: {args.draw}")
