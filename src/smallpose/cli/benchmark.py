"""smallpose benchmark --data SET --out DIR: train and score methods × settings × seeds."""

import argparse
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from smallpose.catalog.early_checks import (
    parse_override,
    refuse_two_precisions,
    refuse_unknown_fields,
    refuse_unknown_recipe,
)
from smallpose.catalog.method_code import is_method_code
from smallpose.catalog.methods import read_catalog
from smallpose.cli.options import (
    DEMO_SET,
    add_option,
    add_sigmas_option,
    add_swap_option,
    add_switch,
    add_training_precision_option,
    parse_names,
)
from smallpose.cli.report import print_main_table, print_notes
from smallpose.cli.train import set_torch_threads
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RunError

PACKAGES = ("torch", "safetensors", "cv2", "PIL", "scipy")
HELP = "Train and score methods × settings × seeds; run again to resume after a stop."
EXAMPLE = f"""\
smallpose benchmark --data {DEMO_SET} --out bench \\
    --methods simcc_r18_tiny,rle_r18_tiny --recipe quick --steps 50"""

# Groups of methods: the paper's eleven, and their tiny variants for CPUs.
PAPER_METHODS = (
    "simple_baseline_r50",
    "hrnet_w32",
    "simcc_r50",
    "cal_hrnet_w32",
    "dekr_hrnet_w32",
    "cid_hrnet_w32",
    "rtmo_s",
    "hrformer_s",
    "vitpose_s",
    "rle_r50",
    "vitpose_s_rle",
)
TINY_METHODS = (
    "simple_baseline_r18_tiny",
    "hrnet_w16_tiny",
    "simcc_r18_tiny",
    "cal_hrnet_w16_tiny",
    "dekr_hrnet_w8_tiny",
    "cid_hrnet_w8_tiny",
    "rtmo_tiny",
    "hrformer_tiny",
    "vitpose_tiny",
    "rle_r18_tiny",
    "vitpose_rle_tiny",
)
SUBSET_METHODS = ("simple_baseline_r50", "simple_baseline_r18_tiny")  # of Table 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `benchmark`."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="name=value",
        help="Fields to change in every recipe: epochs=2 learning_rate=1e-3.",
    )
    add_option(
        parser, "--data", type=Path, required=True, metavar="SET", help="Built set to train on."
    )
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="Folder for the runs and the report.",
    )
    add_option(
        parser,
        "--methods",
        default="paper",
        metavar="LIST",
        help="Methods with commas between; 'paper' is the eleven, 'tiny' their variants for CPUs, "
        "FILE.py:NAME one of your own, which is run.",
    )
    add_option(parser, "--settings", default="A,B", metavar="LIST", help="Settings to train under.")
    add_option(parser, "--seeds", default="0", metavar="LIST", help="Random seeds, such as 0,1,2.")
    add_option(
        parser,
        "--recipe",
        default="",
        default_text="each method's first",
        metavar="NAME",
        help="Recipe to train by: paper, mmpose, quick, or own for 40 to 2,000 images of your own.",
    )
    add_option(
        parser,
        "--steps",
        type=int,
        default=0,
        default_text="as the recipe says",
        metavar="N",
        help="Number of training steps of every run.",
    )
    add_option(
        parser,
        "--subsets",
        type=int,
        default=0,
        metavar="N",
        help="Number of subsets of COCO's size to train SimpleBaseline on, too (Table 5: 5).",
    )
    add_option(
        parser,
        "--subset-people",
        type=int,
        default=0,
        default_text="as many as in the COCO part",
        metavar="N",
        help="Number of people in a subset.",
    )
    add_option(
        parser,
        "--parallel",
        type=int,
        default=0,
        default_text="one per GPU, or one on a CPU",
        metavar="N",
        help="Number of runs at the same time.",
    )
    add_switch(
        parser,
        "--cost",
        help="Measure ms and MB an image of each method, too, and show them against AP_S in the "
        "report.",
    )
    add_option(
        parser,
        "--workers",
        type=int,
        default=0,
        default_text="0, the training process itself",
        metavar="N",
        help="Number of processes that read images for each run.",
    )
    add_training_precision_option(parser)
    add_sigmas_option(parser)
    add_swap_option(parser)


def run_command(args: argparse.Namespace) -> None:
    """Run what has not finished and write the report of all that has."""
    _check_arguments(args)
    from smallpose.system.progress import print_status
    from smallpose.training.benchmark import (
        Benchmark,
        Job,
        pin_environment,
        run_jobs,
        write_job_files,
    )

    methods = _parse_methods(args.methods)
    settings = _parse_choices(args.settings, "--settings", ("A", "B"))
    seeds = _parse_seeds(args.seeds)
    overrides = tuple(args.overrides) + ((f"steps={args.steps}",) if args.steps else ())
    subset_methods = [name for name in methods if name in SUBSET_METHODS]
    if args.subsets and not subset_methods:
        raise InputError(
            f"--subsets {args.subsets}",
            "SimpleBaseline is not among the methods",
            f"add {SUBSET_METHODS[0]} to --methods",
        )
    benchmark = Benchmark(
        out=args.out,
        data=args.data,
        methods=list(methods),
        method_names=methods,
        settings=settings,
        seeds=seeds,
        recipe=args.recipe,
        overrides=overrides,
        workers=args.workers,
        sigmas=args.sigmas,
        swap=args.swap,
        precision=args.precision,
        subsets=_draw_subsets(args) if args.subsets else (),
        subset_methods=subset_methods,
    )
    jobs = benchmark.plan_jobs()
    if not all(job.is_finished for job in jobs):
        _refuse_unusable_data(args, settings)
        _refuse_unusable_fields(methods, args.recipe, overrides)
    devices = _choose_devices(args.parallel)
    pin_environment(args.out, _describe_environment(devices[0], args.precision))
    write_job_files(jobs)
    num_jobs = len(jobs)
    num_finished = sum(job.is_finished for job in jobs)
    print_status(
        f"{args.out}: {format_count(num_jobs, 'run')}, {num_finished} of them already finished"
    )

    def report_change(job: Job, status: str) -> None:
        nonlocal num_finished
        num_finished += status == "finished"
        if status in ("finished", "failed"):
            print_status(f"{num_finished} of {num_jobs}  {status}  {job.folder.name}")

    failed = run_jobs(jobs, devices, report_change)
    finished = [job.folder for job in jobs if job.is_finished]
    if finished:
        _write_report([*finished, *_write_floors(args, settings)], args.out, args.cost)
    if failed:
        first = failed[0]
        raise RunError(
            str(first.job.folder),
            f"{len(failed)} of {format_count(num_jobs, 'run')} failed, this one with exit code "
            f"{first.exit_code}: {first.last_line}",
            "read train.log in their folders; run the same command again to retry them",
        )


def _refuse_unusable_data(args: argparse.Namespace, settings: list[str]) -> None:
    """Raise the InputError with which every run would fail, such as joints without sigmas."""
    from smallpose.training.settings import Setting, read_setting_data

    for setting in [name for name in get_args(Setting) if name in settings]:
        read_setting_data(args.data, setting, sigmas=args.sigmas, swap=args.swap)


def _write_floors(args: argparse.Namespace, settings: list[str]) -> list[Path]:
    """Write and print what the median pose scores without any network, as runs of the report."""
    from smallpose.evaluation.console_table import format_number
    from smallpose.system.progress import print_status
    from smallpose.training.median_pose import write_median_pose_run
    from smallpose.training.settings import Setting

    folders = []
    for setting in [name for name in get_args(Setting) if name in settings]:
        folder = args.out / "runs" / f"median_pose-{setting}"
        result = write_median_pose_run(args.data, setting, folder, args.sigmas)
        scores = result["evaluation"]["protocols"]["coco"]
        values = ", ".join(f"{name} {format_number(scores[name])}" for name in ("AP", "AP_S"))
        print_status(f"median pose in the true boxes, setting {setting}, no network: {values}")
        folders.append(folder)
    return folders


def _write_report(folders: list[Path], out: Path, has_costs: bool) -> None:
    from smallpose.report.page.build import write_report
    from smallpose.report.page.cost_section import CostOptions
    from smallpose.system.progress import print_status

    costs = CostOptions(is_measured=has_costs)
    report = write_report(folders, out / "report", costs=costs)
    print_main_table(report.results[0])
    print_notes(report.notes)
    print_status(f"open {out / 'report' / 'index.html'}")


def _draw_subsets(args: argparse.Namespace) -> list[Path]:
    """Write the files of the subsets, which are the same on every call."""
    from smallpose.dataset.subsets import (
        compute_overlaps,
        count_coco_people,
        draw_subsets,
        write_subset,
    )
    from smallpose.io.coco_annotations import read_coco
    from smallpose.system.progress import print_status

    people = read_coco(args.data / "annotations" / "train.json")
    subsets = draw_subsets(people, args.subsets, args.subset_people or count_coco_people(people))
    (args.out / "subsets").mkdir(parents=True, exist_ok=True)
    files = []
    for subset in subsets:
        path = args.out / "subsets" / f"subset{subset.number}.json"
        write_subset(path, subset, people)
        print_status(
            f"subset {subset.number}: {format_count(len(subset.image_rows), 'image')}, "
            f"{format_count(subset.people, 'person', 'people')}; its areas differ by "
            f"{subset.distance:.4f} from the full set's (Kolmogorov–Smirnov)"
        )
        files.append(path)
    overlaps = compute_overlaps(subsets)
    num = len(subsets)
    shares = [100 * overlaps[a, b] for a in range(num) for b in range(num) if a != b]
    if shares:
        print_status(f"two subsets share {min(shares):.1f} to {max(shares):.1f} % of their images")
    return files


def _choose_devices(parallel: int) -> list[str]:
    """List a device for each of the runs at the same time."""
    set_torch_threads(0)  # reports a missing PyTorch
    import torch

    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if num_gpus:
        return [f"cuda:{index % num_gpus}" for index in range(parallel or num_gpus)]
    return ["cpu"] * max(parallel, 1)


def _describe_environment(device: str, precision: str | None = None) -> dict[str, Any]:
    """Describe what the runs will compute with; they are processes of this installation.

    Args:
        precision: that is asked for, if any is.
    """
    import cv2  # noqa: F401  # the description has the versions of what is loaded
    import torch

    from smallpose.system.environment import describe_environment

    name = "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
    return describe_environment(device=name, precision=precision or "float32")


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuse data and names that are not there before PyTorch is loaded."""
    labels = args.data / "annotations" / "train.json"
    if not labels.exists():
        remedy = "name a set of 'smallpose build', or a folder with annotations/train.json"
        raise InputError(f"--data {args.data}", f"has no {labels}", remedy)
    if args.sigmas is not None and not args.sigmas.exists():
        raise InputError(f"--sigmas {args.sigmas}", "no such file", "check the path")
    words = _list_methods(args.methods)
    codes = tuple(word for word in words if is_method_code(word))
    _parse_choices(",".join(words), "--methods", (*read_catalog(), *codes))
    _parse_choices(args.settings, "--settings", ("A", "B"))
    _parse_seeds(args.seeds)
    overrides = [_parse_override(text) for text in args.overrides]
    for word in words:
        refuse_unknown_recipe(word, args.recipe, others=("own",))
    refuse_two_precisions(args.precision, overrides)
    for word in words:
        refuse_unknown_fields(word, overrides)


def _parse_override(text: str) -> tuple[str, str]:
    """Parse a field of a recipe; raises InputError, also for a method, which `train` has there."""
    if is_method_code(text) or text in read_catalog():
        remedy = f"leave it there out, and add --methods {text}"
        raise InputError(text, "is a method, and a field of a recipe (name=value) is due", remedy)
    if "=" not in text:
        near = difflib.get_close_matches(text, read_catalog(), n=1) or ["NAME"]
        remedy = (
            f"write it as in epochs=2; methods are named by --methods, as in --methods {near[0]}"
        )
        raise InputError(text, "is no field of a recipe (name=value)", remedy)
    return parse_override(text)


def _refuse_unusable_fields(
    methods: Iterable[str], recipe: str, overrides: tuple[str, ...]
) -> None:
    """Raise the InputError with which the runs of a method would fail, such as epochs=many."""
    if not overrides:
        return
    from smallpose.methods import create_method
    from smallpose.training.own_recipe import OwnData
    from smallpose.training.recipe_overrides import choose_recipe

    fields = tuple(parse_override(text) for text in overrides)
    any_data = OwnData(num_samples=1, has_weights=False)
    for name in methods:
        try:
            choose_recipe(create_method(name), recipe, fields, any_data)
        except InputError as error:
            raise InputError(error.where, f"{error.what} (of {name})", error.remedy) from None


def _list_methods(text: str) -> list[str]:
    groups = {"paper": PAPER_METHODS, "tiny": TINY_METHODS}
    return [name for word in parse_names(text) for name in groups.get(word, (word,))]


def _parse_methods(text: str) -> dict[str, str]:
    """Map what `train` takes for each method to its name.

    Files of the user's own are loaded and checked.

    Raises: InputError for an unknown method, and for two methods of one name.
    """
    words = _list_methods(text)
    set_torch_threads(0)
    from smallpose.methods import METHODS, create_method

    known = tuple(METHODS)
    codes = tuple(word for word in words if is_method_code(word))
    words = _parse_choices(",".join(words), "--methods", known + codes)
    names = {word: create_method(word).name if word in codes else word for word in words}
    for word, name in names.items():
        if list(names.values()).count(name) > 1:
            what = f"another method is called {name} as well"
            raise InputError(f"--methods {word}", what, "set name in one of the files")
    return names


def _parse_choices(text: str, flag: str, known: tuple[str, ...]) -> list[str]:
    words = parse_names(text)
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1) or [", ".join(known[:4])]
            raise InputError(f"{flag} {word}", "is not known", f"try {near[0]}")
    if not words:
        raise InputError(flag, "is empty", f"try {known[0]}")
    return list(dict.fromkeys(words))


def _parse_seeds(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        raise InputError(f"--seeds {text}", "is not a list of integers", "try 0,1,2") from None
