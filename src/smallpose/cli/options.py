"""How options are declared, so that all help texts read alike, and how their values are parsed."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError

# What `smallpose demo` writes; the examples in help texts use it, so that they work when pasted.
DEMO_SET = "runs/demo/set"
DEMO_TRUTH = f"{DEMO_SET}/annotations/test.json"

# Those of `inference.options`, which cannot be imported before PyTorch.
ENGINES = ("torch", "onnxruntime", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16", "auto")

# argparse has no public name for what a parser and its groups have in common.
OptionGroup = argparse._ActionsContainer


def add_option(
    group: OptionGroup,
    *names: str,
    help: str,
    default: Any = None,
    default_text: str = "",
    type: Callable[[str], Any] = str,
    choices: Sequence[str] = (),
    metavar: str = "",
    **settings: Any,
) -> None:
    """Add an option with a metavar and a help sentence that ends with its default.

    Args:
        group: the parser or one of its groups.
        help: one sentence with its full stop.
        default_text: the default in words, where a user would not write the value itself.
        choices: the values allowed; they are the metavar, too.
        settings: passed on to `add_argument`.
    """
    if not settings.get("required"):
        shown = default_text or ("none" if default is None else default)
        help = f"{help.removesuffix('.')} (default: {shown})."
    if choices:
        settings["choices"] = choices
    group.add_argument(
        *names,
        help=help.replace("%", "%%"),
        default=default,
        type=parse_number if type is float else type,
        metavar=metavar or "|".join(choices),
        **settings,
    )


def parse_number(text: str) -> float:
    """Parse the value of an option; NaN, with which every comparison is false, is none.

    Raises: ArgumentTypeError for text that is no number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text} is no number")
    return value


def add_switch(group: OptionGroup, *names: str, help: str, **settings: Any) -> None:
    """Add an option without a value, which is off unless it is given."""
    help = f"{help.removesuffix('.')} (default: off)."
    group.add_argument(*names, action="store_true", help=help.replace("%", "%%"), **settings)


def add_seed(group: OptionGroup, purpose: str) -> None:
    """Add `--seed`; `purpose` completes the sentence "Random seed of …"."""
    text = f"Random seed of {purpose}."
    add_option(group, "--seed", type=parse_non_negative, default=0, metavar="N", help=text)


def add_json(group: OptionGroup, contents: str) -> None:
    """Add `--json`; `contents` completes the sentence "Write … as JSON"."""
    text = f"Write {contents} as JSON to this file, or to stdout if it is '-'."
    add_option(group, "--json", metavar="FILE", default_text="not written", help=text)


def add_trust_switch(group: OptionGroup) -> None:
    """Add `--i-trust-this-file`."""
    add_switch(
        group,
        "--i-trust-this-file",
        dest="trust",
        help="Let a .pth file run code while it is read.",
    )


def add_category_option(group: OptionGroup, file: str = "of the ground truth") -> None:
    """Add `--category`; `file` names the file whose categories are meant."""
    add_option(
        group,
        "--category",
        type=parse_names,
        default=(),
        default_text="those called person, else those with joints of people",
        metavar="NAME[,NAME]",
        help=f"Read the annotations of these categories {file} as people.",
    )


def add_names_option(group: OptionGroup, default_text: str = "") -> None:
    """Add `--name`, which is given once for each result."""
    add_option(
        group,
        "--name",
        action="append",
        metavar="NAME",
        default_text=default_text or "names of the files; runs by method and setting",
        help="Name of a result in tables and figures; give it once for each, in their order.",
    )


def add_unknown_images_option(group: OptionGroup) -> None:
    """Add `--unknown-images`, which verbs have that read results of a ground truth."""
    add_option(
        group,
        "--unknown-images",
        choices=("refuse", "drop"),
        default="refuse",
        help="Refuse results of images that the ground truth does not have, or leave them out and "
        "count them; then names of files decide over ids.",
    )


def add_link_root_option(group: OptionGroup) -> None:
    """Add `--link-root`."""
    add_option(
        group,
        "--link-root",
        action="append",
        default=[],
        default_text="the sources of your own builds, and SMALLPOSE_LINK_ROOTS",
        metavar="DIR",
        help="Allow links among the images to lead into this folder.",
    )


def add_max_pixels_option(group: OptionGroup) -> None:
    """Add `--max-pixels`."""
    add_option(
        group,
        "--max-pixels",
        type=parse_non_negative,
        default=0,
        default_text="SMALLPOSE_MAX_PIXELS, else 89000000",
        metavar="N",
        help="Open images of up to N pixels; a small file can declare billions, which take memory.",
    )


def add_unreadable_option(group: OptionGroup) -> None:
    """Add `--max-unreadable`."""
    add_option(
        group,
        "--max-unreadable",
        type=float,
        default=0.001,
        metavar="SHARE",
        help="Maximum share of images that may be unreadable.",
    )


def add_device_option(group: OptionGroup) -> None:
    """Add `--device`."""
    add_option(
        group,
        "--device",
        default="",
        default_text="a GPU if there is one, else cpu",
        metavar="NAME",
        help="Device of PyTorch, such as cpu or cuda.",
    )


def add_threads_option(group: OptionGroup) -> None:
    """Add `--threads`."""
    add_option(
        group,
        "--threads",
        type=parse_non_negative,
        default=0,
        default_text="OMP_NUM_THREADS, else 1",
        metavar="N",
        help="Number of PyTorch's threads on a CPU.",
    )


def add_computation_options(group: OptionGroup) -> None:
    """Add `--engine` and `--precision`."""
    add_option(
        group,
        "--engine",
        choices=ENGINES,
        default="torch",
        help="Let PyTorch compute the network, or an engine for CPUs that is faster after some "
        "seconds; they need the extras [onnx] and [openvino].",
    )
    add_option(
        group,
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="Compute the network in this precision; auto takes bfloat16 where the processor has "
        "it and no accuracy is lost, and prints what it took.",
    )


def add_training_precision_option(group: OptionGroup) -> None:
    """Add `--precision` of a training."""
    add_option(
        group,
        "--precision",
        choices=("float32", "bfloat16", "auto"),
        default_text="float32, or bfloat16 with half=true",
        help="Train the network in this precision; auto takes bfloat16 where the processor has it "
        "and no accuracy is lost, and prints what it took.",
    )


AUTO_ZOOM = -1  # value of --zoom auto


def add_crop_options(
    group: OptionGroup,
    trained: str = "that of the weights, else ",
    has_second_look: bool = False,
) -> None:
    """Add `--crop-interpolation` and `--zoom`; `trained` is said before the published defaults."""
    more = ""
    if has_second_look:
        more = (
            "; auto lets a full-image method, also that of --boxes-from, look again at small people"
        )
    add_option(
        group,
        "--crop-interpolation",
        choices=("linear", "cubic"),
        default="",
        default_text=f"{trained}linear",
        help="Enlarge the crops of a top-down method bilinearly, as published methods do, or "
        "bicubically.",
    )
    add_option(
        group,
        "--zoom",
        type=_parse_zoom if has_second_look else parse_non_negative,
        default=0,
        default_text=f"{trained}1",
        metavar="N|auto" if has_second_look else "N",
        help=f"Factor of both sides of the crops that the network of a top-down method gets{more}.",
    )


def _parse_zoom(text: str) -> int:
    return AUTO_ZOOM if text == "auto" else parse_non_negative(text)


def add_heatmap_decoding_option(group: OptionGroup, default_text: str) -> None:
    """Add `--heatmap-decoding`."""
    add_option(
        group,
        "--heatmap-decoding",
        choices=("quarter", "dark"),
        default="",
        default_text=default_text,
        help="Read heatmaps by a quarter shift towards the larger neighbour, as published methods "
        "do, or by the Newton step of DARK.",
    )


def add_backend_option(group: OptionGroup) -> None:
    """Add `--backend`, which chooses what reads Parquet."""
    add_option(
        group,
        "--backend",
        choices=("polars", "ray", "arrow"),
        default="",
        default_text="polars where it is installed, else arrow",
        help="Read Parquet with Polars on one machine, with Ray on many, or in a plain loop.",
    )


def parse_non_negative(text: str) -> int:
    """Parse an integer of 0 or more, such as a seed."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: is not an integer of 0 or more; try 0")
    return int(text)


def parse_names(text: str) -> tuple[str, ...]:
    """Split a list with commas between its names."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def add_swap_option(parser: OptionGroup) -> None:
    """Add `--swap`, which mirroring needs where names of joints do not tell left and right."""
    add_option(
        parser,
        "--swap",
        type=_parse_swap,
        default_text="what the names of the joints tell",
        metavar="LEFT:RIGHT[,…]",
        help="Left and right joint of each pair, which mirroring exchanges; all others stay in "
        "place, with 'none' all joints.",
    )


def _parse_swap(text: str) -> tuple[tuple[str, str], ...]:
    from smallpose.io.joint_pairs import parse_swap

    try:
        return parse_swap(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.what}; {error.remedy}") from None


def add_sigmas_option(parser: OptionGroup) -> None:
    """Add `--sigmas`, which joints need that are none of the 21."""
    add_option(
        parser,
        "--sigmas",
        type=Path,
        metavar="FILE",
        default_text="those of the skeleton",
        help="JSON file of OKS sigmas, as 'smallpose sigmas' writes it: a list with one per "
        'keypoint, or names with numbers ({"nose": 0.026, …}); or the folder of a run, for those '
        "it was trained with.",
    )
