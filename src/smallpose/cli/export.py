"""smallpose export DIR --to FORMAT --out DIR: a built set, or a trained method, for other tools."""

import argparse
from pathlib import Path

from smallpose.core.errors import InputError

HELP = (
    "a built set for Ultralytics, Hugging Face, WebDataset, MMPose or FiftyOne; a method for ONNX"
)
EXAMPLE = "smallpose export set --to yolo --out set-yolo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `export`."""
    parser.add_argument(
        "set", type=Path, metavar="DIR", help="a set that build made; for onnx a run or weights"
    )
    parser.add_argument(
        "--to",
        required=True,
        choices=("yolo", "parquet", "webdataset", "mmpose", "fiftyone", "onnx"),
        help="the format",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--images",
        choices=("link", "copy", "none"),
        help="pictures as links (yolo, fiftyone by default), as copies (webdataset), or not at all "
        "(parquet, mmpose)",
    )
    parser.add_argument("--method", help="onnx: whose weights they are, where they do not say")
    parser.add_argument(
        "--no-flip-test", action="store_true", help="onnx: twice as fast, less exact"
    )


def run_command(args: argparse.Namespace) -> None:
    """Export, and say what the format could not hold."""
    if args.to == "onnx":
        _method(args)
        return
    from smallpose.dataset.export import export_set

    written = export_set(args.set, args.to, args.out, args.images)
    head, *rest = written.to_lines()
    print(f"{head} in {args.out}")
    for line in rest:
        print(f"  {line}")


def _method(args: argparse.Namespace) -> None:
    from smallpose.inference.onnx.export import export_onnx
    from smallpose.methods import create_method
    from smallpose.methods.checkpoints.read import read_weights

    name = args.method or read_weights(args.set).about.get("method")
    if not name:
        raise InputError(str(args.set), "does not say whose weights it holds", "add --method NAME")
    method = create_method(name, weights=args.set)
    files = export_onnx(method, args.out, flip_test=False if args.no_flip_test else None)
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    print("examples/onnx_predict.py runs them with onnxruntime alone")
