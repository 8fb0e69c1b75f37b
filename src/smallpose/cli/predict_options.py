"""The options of `smallpose predict`, group by group."""

import argparse
from functools import partial
from pathlib import Path

from smallpose.cli.options import (
    add_category_option,
    add_computation_options,
    add_crop_options,
    add_device_option,
    add_heatmap_decoding_option,
    add_option,
    add_swap_option,
    add_switch,
    add_threads_option,
    add_trust_switch,
    add_unreadable_option,
    parse_non_negative,
    parse_number,
)
from smallpose.core.errors import InputError

MIN_INPUT_SIDE = 32  # px, of one cell of the coarsest maps
MAX_INPUT_SIDE = 4096  # px; beyond it the maps of one image fill the memory
AUTO_TILE = -1  # value of --tile auto
SCORE_RULES = (
    "box_times_confident_mean",
    "box_times_mean",
    "box_plus_mean_plus_best",
    "box",
)  # those of `methods.person_score`, which cannot be imported before PyTorch


def parse_input_side(text: str, flag: str = "--input-side") -> int:
    """Parse a side of a network's input, px."""
    side = int(text) if text.isdecimal() else 0
    if not MIN_INPUT_SIDE <= side <= MAX_INPUT_SIDE:
        raise InputError(
            f"{flag} {text}",
            "is no side of a network's input",
            f"use {MIN_INPUT_SIDE} to {MAX_INPUT_SIDE} px",
        )
    return side


def parse_oks(text: str) -> float:
    """Parse an OKS.

    Raises: ArgumentTypeError for anything but 0 to 1.
    """
    value = parse_number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: OKS is 0 to 1; write 0.9, or 1 to keep all")
    return value


def parse_max_people(text: str) -> int:
    """Parse a maximum number of people; 0 is none, for "all"."""
    if text == "all":
        return 0
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise InputError(
            f"--max-people {text}", "is not a number of people", "use 1 or more, or all"
        )
    return number


def _parse_tile(text: str) -> int:
    """Parse the side of tiles, px; `AUTO_TILE` for "auto"."""
    if text == "auto":
        return AUTO_TILE
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: is no side in px; use 0 or more, or auto")
    return int(text)


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Add all groups of options."""
    _add_input_options(parser.add_argument_group("images and boxes"))
    _add_video_options(parser.add_argument_group("videos"))
    _add_weight_options(parser.add_argument_group("weights"))
    _add_method_options(parser.add_argument_group("method"))
    _add_score_options(parser.add_argument_group("scores and calibration"))
    _add_speed_options(parser.add_argument_group("device and speed"))
    _add_shard_options(parser.add_argument_group("large jobs in shards, which can be resumed"))


def _add_input_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--data",
        type=Path,
        metavar="TRUTH.json",
        default_text="the images named",
        help="COCO file of the images, and of the labelled boxes unless others are given; it needs "
        "no keypoints.",
    )
    add_option(
        group,
        "--images",
        type=Path,
        metavar="DIR",
        help="Folder of the images of --data.",
    )
    add_option(
        group,
        "--boxes",
        type=Path,
        metavar="FILE",
        default_text="labelled boxes",
        help="COCO results of a person detector; images are named by id or file_name, those of a "
        "plain folder by file_name, else by the file's name without its suffix as image_id.",
    )
    add_option(
        group,
        "--boxes-from",
        metavar="METHOD|RUN",
        help="Detect people with this full-image method, or that of a run's folder, and take "
        "their boxes.",
    )
    add_option(
        group,
        "--box-weights",
        metavar="FILE",
        help="Weights of the method of --boxes-from, as for --weights.",
    )
    add_option(
        group,
        "--exif",
        choices=("apply",),
        default_text="images are read as they are stored",
        help="Turn images that have an EXIF orientation, as viewers show them; keypoints refer to "
        "the turned images. With --data, those whose labels refer to the stored pixels stay.",
    )
    add_category_option(group, "of --data")
    add_unreadable_option(group)


def _add_video_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="Predict every N-th frame of a video.",
    )
    add_switch(
        group,
        "--track",
        help="Number the people of a video, or of a folder of numbered frames, by 'track_id', by "
        "the overlap of poses and boxes; who is hidden for more than a second gets a new number.",
    )


def _add_weight_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--skeleton",
        metavar="NAME",
        default_text="that of the weights",
        help="Skeleton to predict: coco17, smallpose21, another name or a JSON file with joints, "
        "sigmas and, where names do not tell, swap (pairs of left and right joints).",
    )
    add_swap_option(group)
    add_switch(
        group, "--adapt", help="Accept weights of another skeleton and match joints by name."
    )
    add_switch(
        group,
        "--own-joints",
        help="Write the joints of the method with their names, {keypoint_names, predictions}, "
        "instead of those of --data in its order.",
    )
    add_option(
        group,
        "--weights-skeleton",
        metavar="NAME",
        default_text="as the file says",
        help="Skeleton of the weights.",
    )
    add_trust_switch(group)


def _add_method_options(group: argparse._ArgumentGroup) -> None:
    add_crop_options(group, has_second_look=True)
    add_heatmap_decoding_option(group, "that of the weights, else quarter")
    add_switch(
        group, "--no-flip-test", help="Leave out the flip test: twice as fast, less accurate."
    )
    add_option(
        group,
        "--score-rule",
        default="",
        default_text="the method's",
        metavar="RULE",
        help="How a person's score is computed: "
        f"{', '.join(SCORE_RULES[:-1])} or {SCORE_RULES[-1]}.",
    )
    add_option(
        group,
        "--nms",
        type=parse_oks,
        default_text="the method's",
        metavar="OKS",
        help="OKS above which the detection with the lower score is dropped.",
    )
    add_option(
        group,
        "--max-people",
        type=parse_max_people,
        default_text="the method's: 30 for DEKR and CID, as in MMPose, else all",
        metavar="N|all",
        help="Maximum detections per image of a full-image method; without it, a method's limit "
        "counts in each tile.",
    )
    add_option(
        group,
        "--score-above",
        type=float,
        default_text="the method's",
        metavar="SCORE",
        help="Score below which detections of a full-image method are dropped.",
    )
    add_switch(group, "--no-rescore", help="Leave out the network that rescores DEKR's poses.")
    add_option(
        group,
        "--tile",
        type=_parse_tile,
        default=0,
        default_text="0, no tiles",
        metavar="PX|auto",
        help="Side of tiles in which a full-image method searches large images, too; auto chooses "
        "the tiles of each image by --smallest.",
    )
    add_option(
        group,
        "--tile-overlap",
        type=int,
        default_text="a quarter of the tile",
        metavar="PX",
        help="Size of the people who are complete in some tile; neighbouring tiles share a little "
        "more.",
    )
    add_option(
        group,
        "--tile-to",
        type=partial(parse_input_side, flag="--tile-to"),
        default=0,
        default_text="that of the full image",
        metavar="PX",
        help="Side of the network's input for tiles alone; with --tile 160 --tile-to 512 people of "
        "20 px are shown to the network with 64.",
    )
    add_option(
        group,
        "--smallest",
        type=parse_non_negative,
        default=0,
        default_text="16",
        metavar="PX",
        help="Height in the image of the smallest people for whom --tile auto chooses tiles.",
    )
    add_option(
        group,
        "--input-side",
        type=parse_input_side,
        default=0,
        default_text="as the weights were tested",
        metavar="PX",
        help="Side of the network's input of a full-image method; a larger one shows small people "
        "larger, and takes longer.",
    )
    add_option(
        group,
        "--curve",
        type=Path,
        default_text="curve.json beside the weights",
        metavar="FILE",
        help="File curve.json of 'smallpose resolution' for this model; people below the height at "
        "which half of its AP is left are counted in a warning.",
    )
    add_option(
        group,
        "--draw",
        type=Path,
        default_text="not drawn",
        metavar="DIR|FILE",
        help="Draw the predictions on the images and videos and write these into a folder, or "
        "one image (.jpg, .png, …) or video (.mp4, …) to a file.",
    )


def _add_score_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--min-score",
        type=float,
        default_text="all are written",
        metavar="SCORE",
        help="Score below which people are left out of the results, after --calibration; unlike "
        "--score-above it changes nobody else.",
    )
    add_option(
        group,
        "--draw-min-score",
        type=float,
        default_text="a fifth of the image's best",
        metavar="SCORE",
        help="Score below which people are not drawn by --draw.",
    )
    add_option(
        group,
        "--calibrate",
        type=Path,
        metavar="TRUTH.json",
        help="Predict the images of this labelled file (with --images), and fit how often "
        "detections of a score are right and how far joints are off; writes "
        "PREDICTIONS.calibration.json.",
    )
    add_option(
        group,
        "--calibration",
        type=Path,
        metavar="FILE",
        help="Write scores as the share of such detections that is right, and the expected error "
        "of each joint, by the file that --calibrate wrote.",
    )


def _add_speed_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--batch-size",
        type=int,
        default=0,
        default_text="64 crops, or 8 images",
        metavar="N",
        help="Number of crops, or of images, that go through the network together.",
    )
    add_threads_option(group)
    add_device_option(group)
    add_computation_options(group)
    add_switch(group, "--compile", help="Compile the network by torch.compile first.")
    add_switch(
        group,
        "--half",
        help="Compute in half precision, that is --precision float16 on a GPU and bfloat16 on a "
        "CPU; --precision takes its place.",
    )
    add_switch(group, "--onnx", help="The same as --engine onnxruntime, which takes its place.")


def _add_shard_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--shards",
        type=Path,
        metavar="DIR",
        default_text="PREDICTIONS.shards with --backend, else no shards",
        help="Write shards into this folder, and only those that are missing there.",
    )
    add_option(
        group,
        "--shard-images",
        type=int,
        default=0,
        default_text="1000",
        metavar="N",
        help="Number of images per shard.",
    )
    add_option(
        group,
        "--part",
        default="1/1",
        metavar="K/N",
        help="Process every N-th shard from the K-th on, so that N jobs share them.",
    )
    add_option(
        group,
        "--backend",
        choices=("local", "ray"),
        default_text="local",
        help="Process the shards in this process, or on a Ray cluster or this machine's cores.",
    )
    add_option(
        group,
        "--actors",
        type=int,
        default=0,
        default_text="one per GPU, else one per core",
        metavar="N",
        help="Number of Ray actors.",
    )
