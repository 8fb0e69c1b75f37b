"""The options of `resolution`."""

import argparse
import math
from functools import partial

from smallpose.cli.options import (
    add_category_option,
    add_computation_options,
    add_device_option,
    add_option,
    add_seed,
    add_sigmas_option,
    add_switch,
    add_threads_option,
    add_trust_switch,
    parse_names,
    parse_non_negative,
)
from smallpose.cli.predict_options import parse_input_side


def add_model_options(group: argparse._ArgumentGroup) -> None:
    """Add what decides which models are shown the people, and how they look at the images."""
    add_option(
        group,
        "--weights",
        metavar="FILE",
        help="Weights of METHOD: a run's folder, a checkpoint, or 'mmpose' for the published one.",
    )
    add_option(
        group,
        "--command",
        action="append",
        default=[],
        default_text="none",
        metavar="[NAME=]PROGRAM",
        help="Run this program as a model, as in 'python mymodel.py {images} {boxes} {out}'; "
        "repeat the option for several, each as NAME='PROGRAM …'.",
    )
    add_option(
        group,
        "--crop-interpolation",
        type=parse_names,
        default=(),
        default_text="that of the weights, else linear",
        metavar="linear|cubic",
        help="Enlarge the crops of top-down methods bilinearly or bicubically; linear,cubic "
        "compares both.",
    )
    add_option(
        group,
        "--zoom",
        "--upscale",
        type=_parse_numbers,
        default=(),
        default_text="that of the weights, else 1",
        metavar="N",
        help="Factor of both sides of the crops that top-down methods get; 1,2 compares both.",
    )
    add_option(
        group,
        "--tile",
        type=partial(_parse_numbers, minimum=0),
        default=(),
        default_text="0, no tiles",
        metavar="PX",
        help="Side of tiles in which full-image methods search, too; 0,160 compares both. Tiles "
        "matter in images that are larger than the network's input, as with --frame.",
    )
    add_option(
        group,
        "--tile-to",
        type=partial(parse_input_side, flag="--tile-to"),
        default=0,
        default_text="that of the full image",
        metavar="PX",
        help="Side of the network's input for tiles alone.",
    )
    add_switch(group, "--no-flip-test", help="Leave out the flip test of our methods.")
    add_trust_switch(group)


def add_people_options(group: argparse._ArgumentGroup) -> None:
    """Add what decides which people are shown, at which heights, and how they are scored."""
    add_option(
        group,
        "--heights",
        type=_parse_numbers,
        default=(),
        default_text="16,24,32,48,64,96,128,192,256, as far as 50 people reach, or half of them",
        metavar="PX[,PX]",
        help="Heights of people's boxes; only people as tall as the largest are chosen.",
    )
    add_option(
        group,
        "--sensor",
        type=parse_names,
        default=("clean", "camera"),
        default_text="clean,camera",
        metavar="NAME[,NAME]",
        help="Sensor models: clean (area averages), camera (also blur, noise and JPEG), or parts "
        "such as blur0.5, noise3, jpeg80, blur0.5+jpeg80.",
    )
    add_option(
        group,
        "--people",
        type=parse_non_negative,
        default=300,
        metavar="N",
        help="Maximum number of people, a random sample of those who are tall enough; 0 for all.",
    )
    add_option(
        group,
        "--frame",
        default_text="none: the whole image shrinks with the person",
        metavar="same|WxH",
        help="Put each reduced image into a grey frame of the original's size, or of W x H px: "
        "people farther away from the same camera. It matters to models that find people "
        "themselves.",
    )
    add_option(
        group,
        "--reach",
        type=_parse_ap,
        default=0.2,
        default_text="20",
        metavar="AP",
        help="Also find the height from which on this AP is reached, in points; half of the AP is "
        "left at the same height in weak and in strong models.",
    )
    add_category_option(group)
    add_sigmas_option(group)
    add_switch(
        group,
        "--independent",
        help="Resample images one by one for the intervals, also where their names are numbered "
        "as frames of videos are: they are independent photographs.",
    )
    add_option(
        group,
        "--intervals",
        type=parse_non_negative,
        default=1000,
        metavar="N",
        help="Number of bootstrap resamples of images, or of videos, for 95 % intervals.",
    )
    add_seed(group, "the sample of people, the noise and the resamples")
    add_switch(group, "--keep-images", help="Keep the reduced images in DIR/sets.")


def add_device_options(group: argparse._ArgumentGroup) -> None:
    """Add what computes, and where the numbers go."""
    add_option(
        group,
        "--batch-size",
        type=parse_non_negative,
        default=0,
        default_text="64 crops, or 8 images",
        metavar="N",
        help="Number of crops, or of images, that go through the network of our methods together.",
    )
    add_threads_option(group)
    add_device_option(group)
    add_computation_options(group)
    add_option(
        group,
        "--json",
        metavar="FILE",
        default_text="DIR/curve.json alone",
        help="Write curve.json to this file, too, or to stdout if it is '-'.",
    )


def _parse_numbers(text: str, minimum: int = 1) -> tuple[int, ...]:
    """Parse integers of `minimum` or more with commas between."""
    words = parse_names(text)
    if not words or not all(word.isdecimal() and int(word) >= minimum for word in words):
        raise argparse.ArgumentTypeError(f"{text}: is not a list of integers; try 32,64")
    return tuple(int(word) for word in words)


def _parse_ap(text: str) -> float:
    """Parse an AP between 0 and 100 as a share."""
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not 0 < points < 100:
        raise argparse.ArgumentTypeError(f"{text}: is not an AP between 0 and 100; try 20")
    return points / 100
