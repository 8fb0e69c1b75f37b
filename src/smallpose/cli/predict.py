"""smallpose predict METHOD --weights FILE …: a checkpoint and pictures to keypoints."""

import argparse
from pathlib import Path

from smallpose.core.errors import InputError

HELP = "a checkpoint and pictures to keypoints"
EXAMPLE = (
    "smallpose predict simple_baseline_r18_tiny --weights runs/tiny/model.safetensors "
    "--data set/annotations/test.json --images set/images --out found.json"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `predict`."""
    parser.add_argument("method", metavar="METHOD", help="see 'smallpose methods'")
    parser.add_argument(
        "pictures", nargs="*", type=Path, metavar="PICTURE", help="files; each is one person's box"
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOUND.json")
    parser.add_argument("--data", type=Path, metavar="TRUTH.json", help="images, and true boxes")
    parser.add_argument("--images", type=Path, metavar="DIR", help="where --data's pictures lie")
    parser.add_argument("--boxes", type=Path, metavar="FILE", help="a detector's COCO results")
    parser.add_argument("--skeleton", default=None, help="coco17, smallpose21; the weights' own")
    parser.add_argument("--adapt", action="store_true", help="weights of another skeleton")
    parser.add_argument("--no-flip-test", action="store_true", help="twice as fast, less exact")
    parser.add_argument(
        "--score-rule",
        default="",
        help="box_times_sure, box_times_mean, box_plus_mean_plus_best or box; the method's own",
    )
    parser.add_argument("--nms", type=float, default=0.9, help="OKS above which two are one (0.9)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch on a CPU (1)")
    parser.add_argument("--max-bad", type=float, default=0.001, help="share of unreadable pictures")
    parser.add_argument("--device", default="", help="cpu, cuda, …; a GPU where there is one")


def run(args: argparse.Namespace) -> None:
    """Find the people, write them, say how many."""
    if bool(args.pictures) == bool(args.data):
        raise InputError("predict", "nothing or two things to look at", "name pictures or --data")
    if args.data and not args.images:
        raise InputError("--data", "its pictures are nowhere", "name their folder with --images")
    from smallpose.cli.train import set_threads

    set_threads(args.threads)
    from smallpose.core.progress import say
    from smallpose.inference.options import Options
    from smallpose.inference.whole_job import predict_file, predict_pictures
    from smallpose.methods import create_method
    from smallpose.methods.scores import SCORE_RULES
    from smallpose.table.results_json import write_results

    if args.score_rule and args.score_rule not in SCORE_RULES:
        raise InputError(
            f"--score-rule {args.score_rule}", "no such rule", f"try {', '.join(SCORE_RULES)}"
        )
    method = create_method(args.method, args.skeleton, args.weights, adapt=args.adapt)
    options = Options(
        flip_test=False if args.no_flip_test else None,
        score_rule=args.score_rule,
        nms_above=args.nms,
        batch_size=max(args.batch_size, 1),
        most_bad=args.max_bad,
    )
    if args.data:
        found, category_id = predict_file(
            method, args.data, args.images, args.boxes, options, args.device
        )
    else:
        found, category_id = predict_pictures(method, args.pictures, options, args.device)
    for note in found.notes:
        say(note)
    write_results(found, args.out, category_id)
    print(f"{len(found):,} people in {len(set(found.image_ids.tolist())):,} images: {args.out}")
