"""smallpose export SET --to FORMAT --out DIR: a built set, or a trained method, for other tools."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.catalog.early_checks import refuse_other_weights
from smallpose.catalog.method_checks import refuse_missing_weights, refuse_unknown_method
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.trained_weights import take_trained_weights
from smallpose.cli.options import DEMO_SET, add_option, add_sigmas_option, add_switch
from smallpose.core.errors import InputError, RunError
from smallpose.io.result_paths import find_label_path

if TYPE_CHECKING:
    from smallpose.core.instances import Instances
    from smallpose.methods import PoseMethod

HELP = (
    "Convert a built set for COCO's tools, Ultralytics, Hugging Face, WebDataset, MMPose, "
    "FiftyOne or Label Studio, or a method to ONNX."
)
EXAMPLE = f"smallpose export {DEMO_SET} --to yolo --out set-yolo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    parser.add_argument(
        "set",
        type=Path,
        metavar="SET|RUN|METHOD",
        help="Folder that 'smallpose build' made, or one with annotations/train.json; for onnx a "
        "run's folder, a checkpoint, or a method with --weights.",
    )
    add_option(
        parser,
        "--to",
        required=True,
        choices=(
            "coco",
            "yolo",
            "parquet",
            "webdataset",
            "mmpose",
            "fiftyone",
            "label-studio",
            "onnx",
        ),
        metavar="FORMAT",
        help="Format to write: coco, yolo, parquet, webdataset, mmpose, fiftyone, label-studio, or "
        "onnx for a method.",
    )
    add_option(parser, "--out", type=Path, required=True, metavar="DIR", help="Folder to create.")
    add_option(
        parser,
        "--images",
        choices=("link", "copy", "none"),
        default_text="copy for webdataset, none for parquet and mmpose, else link",
        help="Link to the images, copy them or leave them out.",
    )
    add_sigmas_option(parser)
    onnx = parser.add_argument_group("onnx")
    add_option(
        onnx,
        "--weights",
        metavar="FILE",
        default_text="those of the run or checkpoint",
        help="Checkpoint or run's folder for a METHOD, or 'mmpose' for the published one.",
    )
    add_option(
        onnx,
        "--method",
        metavar="METHOD",
        default_text="as the checkpoint says",
        help="Name of the method that the weights belong to.",
    )
    add_switch(
        onnx, "--no-flip-test", help="Leave out the flip test: twice as fast, less accurate."
    )
    add_option(
        onnx,
        "--layout",
        choices=("own", "rtmlib"),
        default="own",
        help="Inputs and outputs of the files: own, which examples/onnx_predict.py runs, or "
        "rtmlib's, for SimCC, RTMPose and RTMO.",
    )
    add_option(
        onnx,
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="Precision of the network; int8 quantizes the weights, and activations while it runs.",
    )
    add_option(
        onnx,
        "--check",
        type=Path,
        metavar="DATA",
        default_text="not checked",
        help="Compare the files with the method on the test images of this built set, and exit "
        "with 4 where float32 files are not equal to it.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Export and print what the format could not represent."""
    if args.to == "onnx":
        _export_method(args)
        return
    for flag, is_given in (
        ("--check", args.check),
        ("--weights", args.weights),
        ("--layout", args.layout != "own"),
        ("--precision", args.precision != "float32"),
    ):
        if is_given:
            raise InputError(flag, "is for methods", "leave it out, or add --to onnx")
    from smallpose.core.table import wrap_text
    from smallpose.dataset.export import export_set
    from smallpose.evaluation.sigma_file import set_sigmas

    def add_sigmas(people: "Instances") -> "Instances":
        return people if args.sigmas is None else set_sigmas(people, args.sigmas)

    written = export_set(args.set, args.to, args.out, args.images, add_sigmas)
    summary, *losses = written.to_lines()
    print(wrap_text(f"{summary} in {args.out}"))
    for line in losses:
        print(wrap_text(f"  {line}"))


def _export_method(args: argparse.Namespace) -> None:
    if args.sigmas is not None:
        raise InputError(f"--sigmas {args.sigmas}", "is for data sets", "leave it out")
    data = find_label_path(args.check, takes_results=False) if args.check else None
    if data is not None:
        _refuse_missing_images(data)
    _check_weights(args)
    from smallpose.inference.onnx.export import export_onnx

    method = _load_method(args)
    if data is not None:
        _refuse_other_joints(method, data)
    flip_test = False if args.no_flip_test else None
    files = export_onnx(method, args.out, flip_test, args.layout, args.precision)
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    if args.layout == "own":
        print("examples/onnx_predict.py runs them with onnxruntime;")
    print("README.md says what other programs need")
    if data is not None:
        _check_files(args, method, data)


def _check_weights(args: argparse.Namespace) -> None:
    """Refuse methods and weights that are not there before PyTorch is loaded."""
    name = str(args.set)
    weights = args.weights
    if weights is not None and args.set.exists():
        remedy = f"leave --weights out, or name the method in place of {name}"
        raise InputError(f"--weights {weights}", f"{name} has weights of its own", remedy)
    if weights is None and not args.set.exists() and name in read_catalog():
        refuse_missing_weights(name, None)
        weights = args.weights = take_trained_weights(name, None)
    if weights is not None:
        refuse_unknown_method(name)
        refuse_missing_weights(name, weights)
        refuse_other_weights(name, weights)
    elif args.method:
        refuse_other_weights(args.method, args.set)


def _load_method(args: argparse.Namespace) -> "PoseMethod":
    from smallpose.methods import create_method

    name = str(args.set)
    weights = args.weights
    if weights is not None:
        return create_method(name, weights=weights)
    from smallpose.catalog.run_method import name_run_method
    from smallpose.methods.checkpoints.read import read_weights

    name = args.method or name_run_method(
        args.set, read_weights(args.set).metadata, "add --method {code}"
    )
    if not name:
        raise InputError(
            str(args.set), "does not name the method of its weights", "add --method NAME"
        )
    return create_method(name, weights=args.set)


def _find_images(data: Path) -> Path:
    """Return the folder of the images of a built set's labels."""
    return data.parent.parent / "images"


def _refuse_missing_images(data: Path) -> None:
    if not data.is_file() or not _find_images(data).is_dir():
        raise InputError(
            f"--check {data}", "is not in a built set with its images", "pass a built set's folder"
        )


def _refuse_other_joints(method: "PoseMethod", data: Path) -> None:
    """Raise InputError, before files are written, when a method lacks joints of the check's set."""
    from smallpose.dataloading.coco_files import refuse_missing_joints
    from smallpose.io.coco_annotations import read_coco

    try:
        refuse_missing_joints(method.skeleton, read_coco(data).skeleton, data)
    except InputError as error:
        remedy = "check on a set with the method's joints, or leave --check out"
        raise InputError(f"--check {data}", error.what, remedy) from None


def _check_files(args: argparse.Namespace, method: "PoseMethod", data: Path) -> None:
    """Compare the files with the method, print how they differ, and write it to check.json."""
    from smallpose.core.table import wrap_text
    from smallpose.inference.onnx.check_export import check_export
    from smallpose.inference.onnx.check_text import format_check, format_verdict
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    check = check_export(method, args.out, data, _find_images(data))
    path = args.out / "check.json"
    write_atomically(path, json.dumps(check.to_dict(), indent=1) + "\n")
    print_written(path)
    verdict = format_verdict(check)
    print(wrap_text(f"\n{format_check(check)}\n\n{verdict}"))
    if check.problems and args.precision == "float32":
        raise RunError(
            str(args.out),
            f"{verdict}; its files were written and are kept",
            "report it with check.json; predict with smallpose until then",
        )
