"""smallpose predict METHOD --weights FILE …: a checkpoint and pictures to keypoints."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.inference.options import InferenceOptions
    from smallpose.inference.predict_files import BoxDetector, PredictionResult
    from smallpose.methods import PoseMethod

HELP = "a checkpoint and pictures to keypoints"
EXAMPLE = (
    "smallpose predict simple_baseline_r18_tiny --weights runs/tiny/model.safetensors "
    "--data set/annotations/test.json --images set/images --out found.json"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `predict`."""
    parser.add_argument("method", metavar="METHOD", help="see 'smallpose methods'")
    parser.add_argument(
        "pictures",
        nargs="*",
        type=Path,
        metavar="PICTURE",
        help="files and folders; to a top-down method without boxes each is one person",
    )
    parser.add_argument(
        "--weights",
        required=True,
        metavar="FILE",
        help="a checkpoint, a run's folder, or 'mmpose' for MMPose's published one",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOUND.json")

    where = parser.add_argument_group("what to look at")
    where.add_argument("--data", type=Path, metavar="TRUTH.json", help="images, and true boxes")
    where.add_argument("--images", type=Path, metavar="DIR", help="where --data's pictures lie")
    where.add_argument("--boxes", type=Path, metavar="FILE", help="a detector's COCO results")
    where.add_argument(
        "--boxes-from", metavar="METHOD", help="the boxes that this whole-image method finds"
    )
    where.add_argument("--box-weights", metavar="FILE", help="its weights, as --weights")
    where.add_argument(
        "--max-unreadable", type=float, default=0.001, help="share of unreadable pictures (0.001)"
    )

    what = parser.add_argument_group("what weights to trust, and whose joints they find")
    what.add_argument("--skeleton", help="coco17, smallpose21, … or a JSON file; the weights' own")
    what.add_argument("--adapt", action="store_true", help="weights of another skeleton, by name")
    what.add_argument(
        "--weights-skeleton", metavar="NAME", help="whose joints, where the file does not say"
    )
    what.add_argument(
        "--i-trust-this-file",
        dest="trust",
        action="store_true",
        help="let a .pth run code while it is read",
    )

    how = parser.add_argument_group("how")
    how.add_argument("--no-flip-test", action="store_true", help="twice as fast, less exact")
    how.add_argument(
        "--score-rule",
        default="",
        help="box_times_sure, box_times_mean, box_plus_mean_plus_best or box; the method's own",
    )
    how.add_argument("--nms", type=float, help="OKS above which two are one; the method's own")
    how.add_argument(
        "--max-people", type=int, help="in a picture, for whole-image methods; no cap without"
    )
    how.add_argument("--score-above", type=float, help="for whole-image methods; below is nobody")
    how.add_argument(
        "--no-rescore", action="store_true", help="DEKR without the net that ranks its poses"
    )
    how.add_argument(
        "--tile",
        type=int,
        default=0,
        metavar="PX",
        help="look at tiles of this side too, for whole-image methods and large pictures",
    )
    how.add_argument(
        "--tile-overlap", type=int, metavar="PX", help="at least a person's size (a quarter)"
    )
    how.add_argument("--draw", type=Path, metavar="DIR", help="the pictures with people drawn")

    fast = parser.add_argument_group("how fast")
    fast.add_argument("--batch-size", type=int, default=0, help="crops (64) or pictures (8)")
    fast.add_argument("--threads", type=int, default=0, help="of PyTorch on a CPU (1)")
    fast.add_argument("--device", default="", help="cpu, cuda, …; a GPU where there is one")
    fast.add_argument("--half", action="store_true", help="half precision")
    fast.add_argument("--compile", action="store_true", help="compile the network first")
    fast.add_argument(
        "--onnx",
        action="store_true",
        help="the network by onnxruntime, on a CPU: faster after some seconds (extra [onnx])",
    )

    many = parser.add_argument_group("how many: pictures by the million, in shards that are kept")
    many.add_argument(
        "--shards",
        type=Path,
        metavar="DIR",
        help="work in shards, and go on with those that are not in DIR yet",
    )
    many.add_argument("--shard-images", type=int, default=0, metavar="N", help="in a shard (1000)")
    many.add_argument(
        "--part",
        default="1/1",
        metavar="K/N",
        help="every N-th shard from the K-th on, so that N jobs share them; the last one merges",
    )
    many.add_argument(
        "--engine",
        choices=("here", "ray"),
        help="ray: shards spread over a cluster, or this machine's cores (in FOUND.shards)",
    )
    many.add_argument(
        "--actors", type=int, default=0, metavar="N", help="of Ray; one a GPU, or one a core"
    )


def run_command(args: argparse.Namespace) -> None:
    """Find the people, write them, say how many."""
    _refuse_misfits(args)
    from smallpose.cli.train import set_threads

    set_threads(args.threads)
    from smallpose.inference.predict_files import predict_coco_file, predict_image_files
    from smallpose.io.coco_results import write_results
    from smallpose.system.progress import print_status

    options = _options(args)
    method = _method(args)
    finder = _finder(args, options)
    if args.shards or args.engine:
        _in_shards(args, method, options, finder)
        return
    if args.data:
        boxes = args.boxes or finder
        answer = predict_coco_file(method, args.data, args.images, boxes, options, args.device)
    else:
        answer = predict_image_files(method, args.pictures, finder, options, args.device)
    found = answer.found
    for note in found.notes:
        print_status(note)
    write_results(found, args.out, answer.people.category_id)
    if not args.data:
        print_status(f"which image is which: {_write_images(args.out, answer)}")
    if args.draw:
        _draw(args, answer)
    print(f"{len(found):,} people in {len(set(found.image_ids.tolist())):,} images: {args.out}")


def _refuse_misfits(args: argparse.Namespace) -> None:
    """What can be seen to be wrong before PyTorch is loaded."""
    if bool(args.pictures) == bool(args.data):
        raise InputError("predict", "nothing or two things to look at", "name pictures or --data")
    for path in args.pictures:
        if not path.exists():
            raise InputError(str(path), "no such picture or folder", "check the name")
        if path.suffix.lower() == ".json":
            raise InputError(
                str(path), "no picture", "name a COCO file with --data and its pictures by --images"
            )
    if args.images and not args.images.is_dir():
        raise InputError(
            str(args.images), "no such folder", "name the pictures' folder with --images"
        )
    if args.data and not args.images:
        raise InputError("--data", "its pictures are nowhere", "name their folder with --images")
    if args.boxes and not args.data:
        raise InputError("--boxes", "names images by their ids", "name their file with --data")
    if args.boxes and args.boxes_from:
        raise InputError("--boxes-from", "there are --boxes already", "leave one out")
    if args.draw and (args.shards or args.engine):
        raise InputError("--draw", "draws what one process holds", "leave out --shards, --engine")
    if args.part != "1/1" and not (args.shards or args.engine):
        raise InputError(f"--part {args.part}", "is of shards", "name their folder with --shards")
    if args.actors and args.engine != "ray":
        raise InputError(f"--actors {args.actors}", "are Ray's", "add --engine ray")
    if args.shard_images and not (args.shards or args.engine):
        raise InputError(
            f"--shard-images {args.shard_images}", "is of shards", "name their folder with --shards"
        )
    if args.onnx and (args.half or args.compile):
        raise InputError(
            "--onnx", "computes in single precision, in a graph of its own", "leave one out"
        )
    overlap = args.tile_overlap or 0
    if args.tile < 0 or overlap < 0 or (args.tile and args.tile < 2 * overlap):
        raise InputError(
            f"--tile {args.tile}", f"tiles cannot share {overlap} px", "at most half of the tile"
        )
    if bool(args.boxes_from) != bool(args.box_weights):
        raise InputError(
            "--boxes-from", "a method and its weights go together", "name both, --box-weights too"
        )


def _options(args: argparse.Namespace) -> "InferenceOptions":
    from smallpose.inference.options import InferenceOptions
    from smallpose.methods.person_score import SCORE_RULES

    if args.score_rule and args.score_rule not in SCORE_RULES:
        raise InputError(
            f"--score-rule {args.score_rule}", "no such rule", f"try {', '.join(SCORE_RULES)}"
        )
    return InferenceOptions(
        flip_test=False if args.no_flip_test else None,
        score_rule=args.score_rule,
        nms_above=args.nms,
        batch_size=max(args.batch_size, 0),
        most_bad=args.max_unreadable,
        most=args.max_people,
        score_above=args.score_above,
        rescore=not args.no_rescore,
        tile=args.tile,
        tile_overlap=args.tile_overlap,
        half=args.half,
        compile=args.compile,
        onnx=args.onnx,
    )


def _method(args: argparse.Namespace) -> "PoseMethod":
    from smallpose.methods import create_method
    from smallpose.methods.full_image import WholeImageMethod

    method = create_method(
        args.method,
        args.skeleton,
        args.weights,
        adapt=args.adapt,
        weights_skeleton=args.weights_skeleton,
        trust=args.trust,
    )
    if isinstance(method, WholeImageMethod):
        if args.boxes or args.boxes_from:
            raise InputError(
                f"predict {args.method}", "finds people by itself and takes no boxes", "leave out"
            )
    elif not args.boxes_from and (
        args.tile or args.max_people is not None or args.score_above is not None
    ):
        raise InputError(
            f"predict {args.method}",
            "is told where people are; --max-people, --score-above and --tile ask who finds them",
            "leave them out, or name --boxes-from",
        )
    return method


def _finder(args: argparse.Namespace, options: "InferenceOptions") -> "Finder | None":
    if not args.boxes_from:
        return None
    from dataclasses import replace

    from smallpose.inference.predict_files import BoxDetector
    from smallpose.methods import create_method
    from smallpose.methods.full_image import WholeImageMethod

    method = create_method(args.boxes_from, weights=args.box_weights, trust=args.trust)
    if not isinstance(method, WholeImageMethod):
        raise InputError(
            f"--boxes-from {args.boxes_from}", "needs boxes itself", "name rtmo_s, cid_… or dekr_…"
        )
    # Score rule and NMS are asked of the people in the end, not of their boxes.
    return BoxDetector(method, replace(options, score_rule="", nms_above=None, batch_size=0))


def _in_shards(
    args: argparse.Namespace,
    method: "PoseMethod",
    options: "InferenceOptions",
    finder: "Finder | None",
) -> None:
    from smallpose.inference.large_jobs.shards import (
        ShardWorker,
        merge_shards,
        process_shards,
        write_image_list,
    )
    from smallpose.inference.large_jobs.work_list import (
        IMAGES_PER_SHARD,
        list_coco_file,
        list_images,
    )
    from smallpose.methods.full_image import WholeImageMethod
    from smallpose.system.progress import print_status

    per_shard = args.shard_images or IMAGES_PER_SHARD
    if args.data:
        told_where = finder is None and not isinstance(method, WholeImageMethod)
        boxes = args.boxes or told_where
        asked = list_coco_file(args.data, args.images, boxes, per_shard)
    else:
        asked = list_images(args.pictures, per_shard)
    part = _part(args.part)
    folder = args.shards or args.out.with_suffix(".shards")
    worker = ShardWorker(method, asked, folder, options, finder)
    if args.engine == "ray":
        from smallpose.inference.large_jobs.ray_backend import RayBackend

        on_ray = RayBackend(worker, args.actors, args.device, max(args.threads, 1))
        told = process_shards(worker, on_ray, part, method.name)
    else:
        told = process_shards(worker.on(args.device), None, part, method.name)
    if len(told) < asked.shards:
        lack = asked.shards - len(told)
        print(f"{lack:,} of {asked.shards:,} shards are left to other jobs: {folder}")
        return
    people, images = merge_shards(folder, asked.shards, args.out)
    if not args.data:
        path = args.out.with_name(f"{args.out.stem}.images.json")
        write_image_list(asked, told, method.skeleton, path)
        print_status(f"which image is which: {path}")
    print(f"{people:,} people in {images:,} images: {args.out}")


def _part(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        raise InputError(f"--part {text}", "not K/N with K from 1 to N", "as in --part 3/16")
    return int(number) - 1, int(parts)


def _write_images(out: Path, answer: "PredictionResult") -> Path:
    """A COCO file without people beside the results, since those have numbers for pictures."""
    from smallpose.io.coco_annotations import write_coco

    path = out.with_name(f"{out.stem}.images.json")
    write_coco(answer.people, path)
    return path


def _draw(args: argparse.Namespace, answer: "PredictionResult") -> None:
    from smallpose.dataloading.images import read_image
    from smallpose.report.images.draw_predictions import draw_predictions

    root = args.images if args.data else Path()
    count = draw_predictions(answer.found, answer.people.images, root, read_image, args.draw)
    print(f"{count:,} pictures drawn: {args.draw}")
