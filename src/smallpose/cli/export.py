"""smallpose export SET --to FORMAT --out DIR: a built set, or a trained method, for other tools."""

import argparse
from pathlib import Path

from smallpose.cli.options import DEMO_SET, add_option, add_switch
from smallpose.core.errors import InputError

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
        metavar="SET|RUN",
        help="Folder that 'smallpose build' made; for onnx a run's folder or a checkpoint.",
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
    onnx = parser.add_argument_group("onnx")
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


def run_command(args: argparse.Namespace) -> None:
    """Export and print what the format could not represent."""
    if args.to == "onnx":
        _export_method(args)
        return
    from smallpose.core.table import wrap_text
    from smallpose.dataset.export import export_set

    written = export_set(args.set, args.to, args.out, args.images)
    summary, *losses = written.to_lines()
    print(wrap_text(f"{summary} in {args.out}"))
    for line in losses:
        print(wrap_text(f"  {line}"))


def _export_method(args: argparse.Namespace) -> None:
    from smallpose.catalog.run_method import name_run_method
    from smallpose.inference.onnx.export import export_onnx
    from smallpose.methods import create_method
    from smallpose.methods.checkpoints.read import read_weights

    name = args.method or name_run_method(
        args.set, read_weights(args.set).metadata, "add --method {code}"
    )
    if not name:
        raise InputError(
            str(args.set), "does not name the method of its weights", "add --method NAME"
        )
    method = create_method(name, weights=args.set)
    files = export_onnx(method, args.out, flip_test=False if args.no_flip_test else None)
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    print("examples/onnx_predict.py runs them with onnxruntime;")
    print("README.md says what other programs need")
