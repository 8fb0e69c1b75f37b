"""What `smallpose predict` refuses before PyTorch is loaded, which takes seconds."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.catalog.early_checks import (
    is_full_image_method,
    refuse_missing_device,
    refuse_other_weights,
)
from smallpose.catalog.method_checks import (
    EXPORTED,
    PUBLISHED,
    is_method_name,
    refuse_missing_weights,
    refuse_unknown_method,
)
from smallpose.catalog.method_code import is_method_code
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.run_method import read_run_method
from smallpose.catalog.trained_weights import take_trained_weights
from smallpose.cli.draw_check import check_drawing
from smallpose.cli.options import AUTO_ZOOM
from smallpose.cli.paths import find_predictions_in
from smallpose.cli.predict_calibration import check_calibration_arguments
from smallpose.cli.predict_options import AUTO_TILE, SCORE_RULES
from smallpose.cli.predict_shards import parse_part
from smallpose.core.errors import InputError, RefusedError
from smallpose.io.image_files import is_video_file, list_media_files
from smallpose.io.joint_pairs import set_pairs
from smallpose.io.skeleton_json import find_skeleton

if TYPE_CHECKING:
    from smallpose.core.skeleton import Skeleton

MAX_HEADERS = 20  # images whose headers are read before PyTorch is loaded


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse arguments that do not go together, and files that are missing or do not fit."""
    _take_runs_as_methods(args)
    check_calibration_arguments(args)
    is_method = is_method_name(args.method) or is_method_code(args.method)
    if (Path(args.method) / EXPORTED).is_file() and not is_method:
        what = "is an exported network and not a method"
        remedy = "run it by examples/onnx_predict.py, or predict by the run it was exported from"
        raise InputError(args.method, what, remedy)
    if Path(args.method).exists() and not is_method:
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
            args.onnx and args.engine != "torch",
            "--onnx",
            f"cannot be combined with --engine {args.engine}",
            "leave one of them out",
        ),
        (
            args.half and args.precision != "float32",
            "--half",
            f"cannot be combined with --precision {args.precision}",
            "leave one of them out",
        ),
        (
            (args.onnx or args.engine == "onnxruntime")
            and (args.half or args.precision not in ("float32", "auto")),
            "--onnx" if args.onnx else "--engine onnxruntime",
            "cannot be combined with "
            + ("--half" if args.half else f"--precision {args.precision}")
            + "; onnxruntime computes in float32 on CPUs",
            "leave one of them out, or use --engine openvino",
        ),
        (
            args.compile and (args.onnx or args.engine != "torch" or args.precision == "auto"),
            "--compile",
            "cannot be combined with another engine or --precision auto",
            "leave it out, or name the precision",
        ),
        (overlap < 0, f"--tile-overlap {overlap}", "is below 0", "use 0 or more"),
        (
            args.tile_to and not args.tile,
            f"--tile-to {args.tile_to}",
            "is the size in which tiles are seen",
            "add --tile PX, or use --input-side for the full image",
        ),
        (
            args.zoom == AUTO_ZOOM and args.tile,
            "--zoom auto",
            "cannot be combined with --tile, whose tiles are enlarged already",
            "leave one of them out",
        ),
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
    _refuse_boxes_as_detector(args.boxes_from)
    for name, weights, flag in (
        (args.method, args.weights, "--weights"),
        (args.boxes_from, args.box_weights, "--box-weights"),
    ):
        if name:
            refuse_unknown_method(name, (*read_catalog(), *PUBLISHED))
            refuse_missing_weights(name, weights, flag)
    args.weights = take_trained_weights(args.method, args.weights)
    if args.boxes_from:
        args.box_weights = take_trained_weights(args.boxes_from, args.box_weights)
    for flag, path in (("--data", args.data), ("--boxes", args.boxes), ("--curve", args.curve)):
        if path and not path.exists():
            raise InputError(f"{flag} {path}", "no such file", "check the path")
    args.boxes = args.boxes and find_predictions_in(args.boxes)
    args.inputs = list_media_files(args.inputs)
    refuse_missing_device(args.device)
    _check_methods(args)
    skeleton = _check_weights(args)
    _refuse_unreadable_inputs(args)
    if args.data:
        _check_data(args, skeleton)


def _refuse_boxes_as_detector(name: str | None) -> None:
    """Raise InputError where a file or folder of boxes is given as the method that detects them."""
    if not name or is_method_name(name) or is_method_code(name):
        return
    path = Path(name)
    is_file = path.exists() or path.suffix.lower() in (".json", ".jsonl", ".txt", ".csv")
    if is_file and not (path / "model.json").is_file():
        kind = "a folder" if path.is_dir() else "a file"
        what = f"is {kind} and not a method that detects people"
        raise InputError(f"--boxes-from {name}", what, f"boxes of a file go to --boxes {name}")


def _check_methods(args: argparse.Namespace) -> None:
    """Refuse options that do not fit the kind of the method, where the catalog knows it."""
    if args.score_rule and args.score_rule not in SCORE_RULES:
        raise InputError(
            f"--score-rule {args.score_rule}", "no such rule", f"use {', '.join(SCORE_RULES)}"
        )
    if args.shards or args.backend:
        parse_part(args.part)
    is_full_image = is_full_image_method(args.method)
    if is_full_image:
        refuse_boxes_of_full_image_method(args)
    elif is_full_image is False:
        refuse_detection_options_of_top_down_method(args)
    if args.boxes_from and is_full_image_method(args.boxes_from) is False:
        raise describe_top_down_detector(args.boxes_from)


def refuse_boxes_of_full_image_method(args: argparse.Namespace) -> None:
    """Raise InputError where boxes are given to a method that detects people itself."""
    if args.boxes or args.boxes_from:
        raise InputError(
            f"predict {args.method}",
            "detects people itself and takes no boxes",
            "leave --boxes and --boxes-from out",
        )


def refuse_detection_options_of_top_down_method(args: argparse.Namespace) -> None:
    """Raise InputError where a method that needs boxes gets options of detection."""
    needs_detector = (
        args.tile or args.input_side or args.max_people is not None or args.score_above is not None
    )
    if args.zoom == AUTO_ZOOM and not args.boxes_from:
        raise InputError(
            f"predict {args.method} --zoom auto",
            "is for methods that detect people; a top-down method sees every box at one size",
            "leave it out, or add --boxes-from METHOD",
        )
    if needs_detector and not args.boxes_from:
        raise InputError(
            f"predict {args.method}",
            "is a top-down method; --max-people, --score-above, --tile and --input-side are for "
            "the method that detects people",
            "leave them out, or add --boxes-from METHOD",
        )


def describe_top_down_detector(name: str) -> InputError:
    """Return the error for a method of --boxes-from that needs boxes itself."""
    return InputError(
        f"--boxes-from {name}",
        "is a top-down method and needs boxes itself",
        "use movenet, rtmo_s, cid_hrnet_w32 or dekr_hrnet_w32",
    )


def _check_weights(args: argparse.Namespace) -> "Skeleton | None":
    """Refuse weights of other methods or joints; return the joints where they are known."""
    if args.weights_skeleton:
        find_skeleton(args.weights_skeleton)
    if args.skeleton and args.method in PUBLISHED:
        what = f"{args.method} has joints of its own"
        raise InputError(f"--skeleton {args.skeleton}", what, "leave --skeleton out")
    if args.boxes_from:
        refuse_other_weights(args.boxes_from, args.box_weights)
    skeleton = refuse_other_weights(args.method, args.weights, args.skeleton, args.adapt)
    if skeleton is not None and args.swap is not None:
        set_pairs(skeleton, args.swap)
    return skeleton


def _refuse_unreadable_inputs(args: argparse.Namespace) -> None:
    """Read the headers of a few images; of many, the first that are read show the same."""
    if not 0 < len(args.inputs) <= MAX_HEADERS:
        return
    from smallpose.dataloading.images import read_image_header, refuse_too_many_unreadable

    errors: list[InputError | RefusedError] = []
    images = [path for path in args.inputs if not is_video_file(path)]
    for path in images:
        try:
            read_image_header(path)
        except (InputError, RefusedError) as error:
            errors.append(error)
    if errors:
        refuse_too_many_unreadable(errors[0], len(errors), len(images), args.max_unreadable)


def _check_data(args: argparse.Namespace, skeleton: "Skeleton | None") -> None:
    """Refuse labels with joints that the method lacks, and images that are missing."""
    from smallpose.dataloading.coco_files import open_coco_file, refuse_missing_joints
    from smallpose.dataloading.missing_images import refuse_missing_images

    people, reader = open_coco_file(args.data, args.images, args.category)
    if skeleton is not None and not args.own_joints:
        refuse_missing_joints(skeleton, people.skeleton, args.data)
    check_drawing(args.draw, len(people.images))
    needs_all = bool(args.boxes_from) or is_full_image_method(args.method)
    rows = range(len(people.images)) if needs_all else set(people.image_rows[people.is_counted])
    if not args.boxes:
        refuse_missing_images(
            reader,
            [people.images.file_names[row] for row in rows],
            args.max_unreadable,
            f"name the folder that the file names of {args.data.name} start from by --images",
        )


def _take_runs_as_methods(args: argparse.Namespace) -> None:
    """Replace the folders of runs in the place of methods by their methods and their weights."""
    args.method, args.weights = _take_run_as_method(
        args.method, args.weights, ("METHOD", "--weights")
    )
    if args.boxes_from:
        args.boxes_from, args.box_weights = _take_run_as_method(
            args.boxes_from, args.box_weights, ("--boxes-from", "--box-weights")
        )


def _take_run_as_method(
    name: str, weights: str | None, flags: tuple[str, str]
) -> tuple[str, str | None]:
    """Return the method and its weights; those of a run where its folder is named.

    Args:
        flags: of the method and of its weights.
    """
    folder = Path(name)
    if is_method_name(name, flags[0]) or not (folder / "model.json").is_file():
        return name, weights
    if weights:
        remedy = f"leave {flags[1]} out, or name the method in place of {folder}"
        raise InputError(f"{flags[1]} {weights}", f"{folder} has weights of its own", remedy)
    return read_run_method(folder), str(folder)
