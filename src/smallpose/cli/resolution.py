"""smallpose resolution TRUTH.json --images DIR --out DIR RUN…: AP by height of the same people."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.catalog.early_checks import refuse_missing_device, refuse_other_weights
from smallpose.catalog.method_checks import (
    PUBLISHED,
    PUBLISHED_MODULES,
    is_method_name,
    refuse_missing_weights,
    suggest_model,
)
from smallpose.catalog.method_code import is_method_code
from smallpose.catalog.methods import read_catalog
from smallpose.cli.options import DEMO_SET, DEMO_TRUTH, add_option
from smallpose.cli.resolution_options import (
    add_device_options,
    add_model_options,
    add_people_options,
)
from smallpose.core.counts import format_share
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.resolution.curves import Study

SHOWN_METRICS = ("AP", "found")  # in the terminal; the files have all of them
PACKAGES = ("cv2", "PIL", "matplotlib")
HELP = (
    "Show the same people at falling pixel heights to any model, and find the height at which half "
    "of its AP is left."
)
EXAMPLE = f"""\
smallpose resolution {DEMO_TRUTH} \\
    --images {DEMO_SET}/images --out resolution runs/demo/B --people 40"""


_SEVERAL_HEIGHTS = (
    "the model has to run at every height: name a method or a run, or give the model itself by "
    "--command 'PROGRAM {images} {boxes} {out}'"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resolution`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations.")
    parser.add_argument(
        "models",
        nargs="*",
        metavar="METHOD|RUN",
        help="Folders of runs, published models as movenet, or a method with --weights; the "
        "first one is the base of differences.",
    )
    add_option(
        parser, "--images", type=Path, required=True, metavar="DIR", help="Folder of the images."
    )
    add_option(
        parser, "--out", type=Path, required=True, metavar="DIR", help="Folder of the results."
    )
    add_model_options(parser.add_argument_group("models"))
    add_people_options(parser.add_argument_group("people and images"))
    add_device_options(parser.add_argument_group("device and speed"))


def list_packages(args: argparse.Namespace) -> list[str]:
    """List the modules that the figures, the images and the models need."""
    modules = [*PACKAGES, *(("torch", "safetensors") if args.models else ())]
    for model in args.models:
        modules += PUBLISHED_MODULES.get(model, ())
    return list(dict.fromkeys(modules))


def run_command(args: argparse.Namespace) -> None:
    """Measure the curves, write their files and print tables and sentences."""
    _check_arguments(args)
    study = _measure(args)
    if args.json == "-":
        _write_files(study, args.out)
        sys.stdout.write(study.to_json())
        return
    if args.json:
        from smallpose.system.files import write_atomically

        write_atomically(args.json, study.to_json())
    print(_format_study(study, args.out))
    _write_files(study, args.out)


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuse arguments that do not go together before anything is loaded."""
    from smallpose.evaluation.scoring.bootstrap import MIN_RESAMPLES
    from smallpose.io.result_folders import is_result_folder

    if not args.images.is_dir():
        raise InputError(f"--images {args.images}", "no such folder", "check the path")
    refuse_missing_device(args.device)
    folders = [
        word for word in args.models if not is_method_name(word, "METHOD") and Path(word).is_dir()
    ]
    methods = [word for word in args.models if word not in folders]
    for folder in folders:
        if not (Path(folder) / "model.json").is_file() and is_result_folder(Path(folder)):
            raise InputError(folder, "is a folder of results", _SEVERAL_HEIGHTS)
    truth_folder = args.truth.resolve().parent
    for name in methods:
        if name in PUBLISHED or name in read_catalog() or is_method_code(name):
            refuse_missing_weights(name, args.weights)
            refuse_other_weights(name, args.weights)
        elif Path(name).is_file():
            raise InputError(name, "is a file of results", _SEVERAL_HEIGHTS)
        elif not Path(name).exists():
            remedy = f"check the path, or name a model such as {suggest_model(name)}"
            if name.isdecimal():
                heights = ",".join(map(str, args.heights or (32, 64)))
                remedy = f"heights have commas between them, as in --heights {heights},{name}"
            raise InputError(name, "is neither the folder of a run nor a method", remedy)
    for is_wrong, where, what, remedy in (
        (
            args.weights and len(methods) != 1,
            "--weights",
            "belongs to one method, and "
            + ("several are named" if methods else "no method is named"),
            "name one METHOD, and other models by the folders of their runs",
        ),
        (
            args.intervals < MIN_RESAMPLES,
            f"--intervals {args.intervals}",
            "too few resamples",
            "use 1000",
        ),
        (
            args.out.is_dir() and args.out.resolve() in (args.images.resolve(), truth_folder),
            f"--out {args.out}",
            "is the folder of the labels or of the images, among which files would be written",
            "name a new folder",
        ),
        (
            args.tile_to and not any(args.tile),
            f"--tile-to {args.tile_to}",
            "is the size in which tiles are seen",
            "add --tile PX",
        ),
        (not args.sensor, "--sensor", "names no sensor model", "use clean,camera"),
    ):
        if is_wrong:
            raise InputError(where, what, remedy)


def _measure(args: argparse.Namespace) -> "Study":
    from dataclasses import replace

    from smallpose.dataloading.images import ImageReader, open_set_images, use_one_opencv_thread
    from smallpose.evaluation.run_sigmas import set_known_sigmas
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.frame_groups import group_possible_frames
    from smallpose.io.label_faults import NO_SIZES, describe_wrong_units
    from smallpose.resolution.frame import parse_frame
    from smallpose.resolution.models import ModelOptions, create_models
    from smallpose.resolution.people import choose_people
    from smallpose.resolution.preloaded_images import preload_images
    from smallpose.resolution.reduced_set import MAX_CACHE_BYTES, find_existing_images
    from smallpose.resolution.sensor import parse_sensor
    from smallpose.resolution.study import StudyConfig, measure_curves
    from smallpose.system.progress import print_status

    sensors = [parse_sensor(text) for text in dict.fromkeys(args.sensor)]
    frame = parse_frame(args.frame) if args.frame else None
    runs = [Path(word) for word in (*args.models, args.weights) if word]
    truth = set_known_sigmas(read_coco(args.truth, category=args.category), args.sigmas, runs)
    if not args.independent:
        truth = group_possible_frames(truth, "independent photographs: add --independent")
    faults = [f"{fault}; {NO_SIZES}" for fault in describe_wrong_units(truth)]
    truth = replace(truth, notes=(*truth.notes, *faults))
    for note in truth.notes:
        print_status(f"{args.truth}: {note}")
    is_built_set = args.images.name == "images" and (args.images.parent / "manifest.json").is_file()
    reader = open_set_images(args.images.parent) if is_built_set else ImageReader(args.images)
    has_image = find_existing_images(truth, reader)
    if not has_image.all():
        num_missing = int((~has_image).sum())
        print_status(
            f"{args.images}: {format_share(num_missing, len(has_image), 'image is', 'images are')} "
            "missing; their people are left out"
        )
    people = choose_people(truth, args.heights, args.people, args.seed, has_image)
    print_status(people.describe())
    use_one_opencv_thread()
    # PyTorch and the models take seconds to load; the images are decoded meanwhile.
    with preload_images(people, reader, MAX_CACHE_BYTES) as preloaded:
        if args.models:
            from smallpose.cli.train import set_torch_threads

            set_torch_threads(args.threads)
        models = create_models(
            args.models,
            args.command,
            ModelOptions(
                weights=args.weights,
                interpolations=args.crop_interpolation,
                zooms=args.zoom,
                tiles=args.tile,
                tile_to=args.tile_to,
                device=args.device,
                flip_test=not args.no_flip_test,
                batch_size=args.batch_size,
                engine=args.engine,
                precision=args.precision,
                trust=args.trust,
            ),
        )
        config = StudyConfig(
            out=args.out,
            sensors=sensors,
            seed=args.seed,
            num_resamples=args.intervals,
            keep_images=args.keep_images,
            level=args.reach,
            frame=frame,
        )
        return measure_curves(people, preloaded, models, config)


def _format_study(study: "Study", out: Path) -> str:
    from smallpose.resolution.parts import describe_parts
    from smallpose.resolution.silent_models import name_output_folder

    tables = "\n\n".join(table.to_text() for table in study.build_tables(SHOWN_METRICS))
    sentences = [*study.list_sentences(), *describe_parts(study.parts)]
    notes = [f"note: {name_output_folder(note, out)}" for note in study.notes]
    lines = [*sentences, "", *notes]
    seconds = f"{study.total_s:.1f} s"
    if study.model_s:
        share = study.model_s / study.total_s
        seconds += f", {share:.0%} of them in the models"
    return "\n".join([tables, "", *_wrap_lines(lines), f"time: {seconds}"])


def _wrap_lines(lines: Sequence[str]) -> list[str]:
    import textwrap

    return [textwrap.fill(line, 80, subsequent_indent="  ") for line in lines]


def _write_files(study: "Study", out: Path) -> None:
    from smallpose.report.figures import save_figure
    from smallpose.report.figures.resolution import draw_resolution
    from smallpose.resolution.curve_file import NAME, read_curve_file
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_status

    write_atomically(out / NAME, study.to_json())
    write_atomically(out / "curve.csv", study.build_csv().to_csv())
    tables = "\n".join(table.to_markdown() for table in study.build_tables())
    write_atomically(out / "curve.md", tables)
    figure = draw_resolution(read_curve_file(out))
    save_figure(figure, out, "curve", "AP by height of the same people", study.people.describe())
    print_status(f"curves: {out / NAME}, curve.csv, curve.md, curve.png, curve.svg")
