"""smallpose train METHOD --data SET --out RUN: train a method on a built set and evaluate it."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.catalog.early_checks import (
    parse_override,
    refuse_missing_device,
    refuse_other_weights,
    refuse_unknown_fields,
    refuse_unknown_recipe,
)
from smallpose.catalog.method_checks import refuse_missing_weights, refuse_unknown_method
from smallpose.catalog.run_options import (
    DEFAULTS,
    RUN_OPTIONS,
    STATE,
    complete_options,
    read_run_options,
)
from smallpose.cli.options import (
    DEMO_SET,
    add_crop_options,
    add_device_option,
    add_heatmap_decoding_option,
    add_option,
    add_swap_option,
    add_switch,
    add_threads_option,
    add_training_precision_option,
    add_trust_switch,
    add_unreadable_option,
    parse_non_negative,
)
from smallpose.cli.train_allowances import (
    list_allowances,
    print_missing_allowances,
    refuse_code_of_others,
)
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.memory import keep_freed_memory

if TYPE_CHECKING:
    from smallpose.core.skeleton import Skeleton
    from smallpose.methods import PoseMethod
    from smallpose.training.own_recipe import OwnData

PACKAGES = ("torch", "safetensors", "cv2", "PIL", "scipy")
HELP = "Train a method on a built set, evaluate it and write the run's folder."
EXAMPLE = f"""\
smallpose train simple_baseline_r18_tiny --data {DEMO_SET} \\
    --out runs/tiny --recipe quick epochs=1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    parser.add_argument(
        "method",
        nargs="?",
        metavar="METHOD",
        help="Name of the method; 'smallpose methods' lists them. FILE.py:NAME names one of "
        "your own, FILE.py the only one in it; the file is run. Not needed with --resume.",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="name=value",
        help="Fields of the recipe to change: epochs=2 learning_rate=1e-3 augment.rotate_deg=40.",
    )
    _add_run_options(parser.add_argument_group("run"))
    _add_weight_options(parser.add_argument_group("initial weights"))
    _add_loading_options(parser.add_argument_group("reading of images"))
    _add_device_options(parser.add_argument_group("device and speed"))
    _add_heatmap_options(parser.add_argument_group("heatmaps of SimpleBaseline, HRNet, HRFormer"))
    _add_log_options(parser.add_argument_group("logs"))


def _add_run_options(group: argparse._ArgumentGroup) -> None:
    for flag, metavar, text in (
        ("--data", "SET", "Built set to train on."),
        ("--out", "RUN", "Folder of the run."),
    ):
        default = "none; needed unless --show-recipe or --resume is given"
        if flag == "--out":
            default = "none; needed unless --show-recipe is given"
        add_option(group, flag, type=Path, metavar=metavar, default_text=default, help=text)
    add_option(
        group,
        "--setting",
        choices=("A", "B"),
        default_text="B",
        help="Train on the COCO part and its 17 keypoints (A) or on all sources and 21 (B).",
    )
    add_option(
        group,
        "--subset",
        type=Path,
        metavar="FILE",
        default_text="all images",
        help="File that lists the training images to use, as 'smallpose benchmark' writes it.",
    )
    add_option(
        group,
        "--sigmas",
        type=Path,
        metavar="FILE",
        default_text="those of the 21 joints",
        help="JSON file of OKS sigmas, one for each joint; for joints that are none of the 21.",
    )
    add_swap_option(group)
    add_switch(
        group, "--derived", default=None, help="Train on joints that 'build --derive' placed, too."
    )
    add_option(
        group,
        "--recipe",
        default_text="the method's first",
        metavar="NAME",
        help="Recipe to train by: paper, mmpose, quick, or own for 40 to 2,000 images of your own.",
    )
    add_switch(group, "--show-recipe", help="Print the recipe and exit.")
    add_switch(
        group,
        "--resume",
        help="Resume the run from its last checkpoint, if there is one, with its own options; more "
        "steps or epochs lengthen it.",
    )
    add_option(
        group,
        "--seed",
        type=parse_non_negative,
        default_text="0",
        metavar="N",
        help="Random seed of initial weights, order and augmentation.",
    )


def _add_weight_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--weights",
        metavar="FILE",
        default_text="random",
        help="Checkpoint to start from, or 'mmpose' for the one that MMPose publishes.",
    )
    add_option(
        group,
        "--weights-skeleton",
        default_text="as the file says",
        metavar="NAME",
        help="Skeleton of that checkpoint.",
    )
    add_switch(
        group,
        "--adapt",
        default=None,
        help="Accept weights of another skeleton and match joints by name.",
    )
    add_trust_switch(group)


def _add_loading_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--workers",
        type=int,
        default_text="0, the training process itself",
        metavar="N",
        help="Number of processes that read images.",
    )
    add_option(
        group,
        "--prefetch",
        type=parse_non_negative,
        metavar="N",
        default_text="2 where a core is left for the thread, else 0; not with --workers",
        help="Number of batches that a thread prepares ahead while the network trains; samples "
        "are the same with any number.",
    )
    add_option(
        group,
        "--cache",
        type=Path,
        metavar="DIR",
        default_text="not cached",
        help="Cache crops of people in this folder, for top-down methods; later epochs then do not "
        "decode the images.",
    )
    add_option(
        group,
        "--image-memory",
        type=parse_non_negative,
        metavar="MB",
        default_text="1000, and at most a quarter of the free memory",
        help="Megabytes of decoded images to keep in memory from epoch to epoch; 0 decodes them "
        "each time.",
    )
    add_crop_options(group, trained="")
    add_unreadable_option(group)


def _add_heatmap_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--heatmap-targets",
        choices=("rounded", "unbiased", "half-pixel"),
        default="",
        default_text="rounded, unbiased with --recipe own",
        help="Round the peaks of training targets to whole pixels, as published methods do, leave "
        "them where the joints are, or do so on a grid that mirrored crops share.",
    )
    add_heatmap_decoding_option(group, "quarter for rounded targets, else dark")


def _add_device_options(group: argparse._ArgumentGroup) -> None:
    add_device_option(group)
    add_threads_option(group)
    add_option(
        group,
        "--micro-batch",
        type=int,
        default_text="0, the whole batch",
        metavar="N",
        help="Number of samples that go through the network together, where memory is short.",
    )
    add_training_precision_option(group)
    add_option(
        group,
        "--compile",
        nargs="?",
        const="inductor",
        default_text="not compiled",
        metavar="BACKEND",
        help="Compile the network by torch.compile, with inductor unless a backend is named.",
    )


def _add_log_options(group: argparse._ArgumentGroup) -> None:
    add_switch(
        group,
        "--tensorboard",
        default=None,
        help="Write curves for TensorBoard to RUN/tensorboard, too.",
    )
    add_option(
        group,
        "--wandb",
        default_text="not logged",
        metavar="PROJECT",
        help="Log curves to this project of Weights & Biases, too.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Train, evaluate, write the run's folder and print its numbers."""
    _take_run_as_method(args)
    stored = read_run_options(args.out) if args.resume and args.out else {}
    options = collect_options(args, stored)
    options["trust"] = args.trust
    if stored and not args.method:
        refuse_code_of_others(args.out, stored)
    method = options["method"]
    if not method and args.resume and args.out and not stored:
        raise _explain_missing_run(args.out)
    if not method:
        remedy = "name a method, such as simple_baseline_r50; see 'smallpose methods'"
        raise InputError("smallpose train", "the following arguments are required: METHOD", remedy)
    refuse_unknown_method(method)
    refuse_missing_device(args.device)
    refuse_unknown_recipe(method, options["recipe"], others=("own",))
    refuse_unknown_fields(method, options["overrides"])
    if args.show_recipe:
        set_torch_threads(args.threads)
        _print_recipe(options)
        return
    _check_files(options, args.out)
    print_missing_allowances(args.out, stored)
    set_torch_threads(args.threads)
    from smallpose.core.table import wrap_text
    from smallpose.evaluation.sigma_file import select_sigma_notes
    from smallpose.training.run import TrainingConfig, train

    keep_freed_memory()  # a step frees and allocates the same tensors as the last one
    config = TrainingConfig(
        out=args.out,
        resume=args.resume,
        device=args.device,
        prefetch=args.prefetch,
        weight_thread=not (args.threads or os.environ.get("OMP_NUM_THREADS")),
        **options,
    )
    result = train(config)
    if not result:  # of several processes the first one prints
        return
    numbers = result["evaluation"]["protocols"]["coco"]
    shown = [f"{key} {_format_points(numbers.get(key))}" for key in ("AP", "AP_S", "AP_M", "AP_L")]
    print(f"{result['method']} {result['setting']}: {', '.join(shown)}")
    for note in select_sigma_notes(result["evaluation"]["notes"]):
        print(wrap_text(f"note: {note}"))
    print(f"{args.out / 'result.json'}")


def _take_run_as_method(args: argparse.Namespace) -> None:
    """Read what is named in the place of METHOD: with --resume also a run's folder, or none."""
    name = args.method or ""
    is_override = "=" in name and not name.partition("=")[0].endswith(".py")
    if is_override and args.resume:
        args.method = None
        args.overrides = [name, *args.overrides]
    if args.resume and args.out is None and (Path(name) / RUN_OPTIONS).is_file():
        args.method = None
        args.out = Path(name)


def _explain_missing_run(out: Path) -> InputError:
    """Return the error for `--resume` without a method, where there is no run to resume."""
    what = "has no options.json, so there is no run to resume" if out.is_dir() else "no such run"
    runs = sorted(file.parent for file in out.parent.glob(f"*/{RUN_OPTIONS}"))[:3]
    others = f", resume {' or '.join(map(str, runs))}" if runs else ""
    remedy = f"check the path{others}, or begin the run with METHOD --data SET"
    return InputError(f"--resume --out {out}", what, remedy)


def collect_options(args: argparse.Namespace, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options that a run remembers: as given, else as stored, else their defaults."""
    overrides = tuple(parse_override(text) for text in args.overrides)
    return complete_options(_list_given_options(args) | {"overrides": overrides}, stored)


def _list_given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that a run remembers, None for those that were not given."""
    given = {name: getattr(args, name) for name in DEFAULTS}
    shared = ("trust", "crop_interpolation", "zoom", "heatmap_targets", "heatmap_decoding")
    for name in shared:  # with other verbs, where "" and 0 are not given
        given[name] = given[name] or None
    if given["max_unreadable"] == DEFAULTS["max_unreadable"]:
        given["max_unreadable"] = None
    given |= list_allowances(args.link_root, args.max_pixels)
    for name in ("workers", "micro_batch"):
        given[name] = None if given[name] is None else max(given[name], 0)
    return given


def _check_files(options: Mapping[str, Any], out: Path | None) -> None:
    """Refuse missing options and files before PyTorch is loaded."""
    data, weights = options["data"], options["weights"]
    for flag, value in (("--data SET", data), ("--out RUN", out)):
        if value is None:
            raise InputError("smallpose train", f"{flag} is missing", f"as in: {EXAMPLE}")
    labels = data / "annotations" / "train.json"
    if not labels.exists():
        remedy = "name a set of 'smallpose build', or a folder with annotations/train.json"
        if data.is_file():
            split = f"smallpose split {data} --images DIR --out SET"
            raise InputError(f"--data {data}", "is a file, not a set", f"make a set of it: {split}")
        raise InputError(f"--data {data}", f"has no {labels}", remedy)
    if weights is not None and not (out and (out / STATE).is_file()):
        refuse_missing_weights(options["method"], weights)
        skeleton = refuse_other_weights(options["method"], weights)
        if skeleton is not None and not options["adapt"]:
            _refuse_other_joints(options, skeleton)
    for flag in ("sigmas", "subset"):
        path = options[flag]
        if path is not None and not path.exists():
            raise InputError(f"--{flag} {path}", "no such file", "check the path")


def _refuse_other_joints(options: Mapping[str, Any], skeleton: "Skeleton") -> None:
    """Refuse weights of other joints than the setting trains, which are matched by --adapt."""
    from smallpose.core.skeleton import COCO17
    from smallpose.io.coco_annotations import read_coco

    trained = COCO17
    if options["setting"] == "B":
        trained = read_coco(options["data"] / "annotations" / "train.json").skeleton
    if skeleton.joints != trained.joints:
        what = (
            f"has {format_count(len(skeleton), 'joint')} ({skeleton.name}), and {len(trained)} are "
            "trained"
        )
        raise InputError(f"--weights {options['weights']}", what, "add --adapt")


def _print_recipe(options: Mapping[str, Any]) -> None:
    from smallpose.methods import create_method
    from smallpose.models.codecs.heatmap_coding import HeatmapCoding
    from smallpose.training.own_recipe import choose_heatmap_targets
    from smallpose.training.recipe_overrides import choose_recipe, flatten_used_fields

    method = create_method(options["method"])
    own = _read_own_data(method, options) if options["data"] else None
    name, fields = choose_recipe(method, options["recipe"], options["overrides"], own)
    targets = options["heatmap_targets"] or choose_heatmap_targets(method, name)
    if targets != "rounded":
        method.set_heatmap_coding(HeatmapCoding(targets=targets))  # refused as by the training
    print(f"{options['method']}, recipe {name}:")
    used = flatten_used_fields(fields)
    if fields.steps:
        del used["epochs"]  # the number of steps replaces it
    for key, value in used.items():
        print(f"  {key} = {value}")
    if targets != "rounded":
        print(f"  --heatmap-targets {targets}")


def _read_own_data(method: "PoseMethod", options: Mapping[str, Any]) -> "OwnData":
    """Read from the labels what the recipe "own" depends on."""
    from smallpose.training.data import count_samples
    from smallpose.training.own_recipe import OwnData
    from smallpose.training.settings import read_setting_data

    names = ("derived", "subset", "sigmas", "swap")
    read = {name: options[name] for name in names}
    data = read_setting_data(options["data"], options["setting"], **read)
    return OwnData(count_samples(data.train, method), options["weights"] is not None)


def set_torch_threads(num_threads: int) -> None:
    """Set PyTorch's threads: one unless the user asks for more, because we use processes."""
    if num_threads > 0:
        os.environ["OMP_NUM_THREADS"] = str(num_threads)
    import torch

    torch.set_num_threads(max(num_threads, int(os.environ.get("OMP_NUM_THREADS", "1")), 1))


def _format_points(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"
