"""smallpose train METHOD --data DIR --out RUN: a method and a built set to a checkpoint."""

import argparse
import os
from pathlib import Path

from smallpose.cli.options import parse_non_negative
from smallpose.core.errors import InputError

HELP = "a method and a built set to a checkpoint and its numbers"
EXAMPLE = "smallpose train simple_baseline_r18_tiny --data set --out runs/tiny --recipe quick"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `train`."""
    parser.add_argument("method", metavar="METHOD", help="see 'smallpose methods'")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="name=value",
        help="change the recipe: epochs=2 learning_rate=1e-3 augment.rotate_deg=40",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="a built set")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--setting",
        choices=("A", "B"),
        default="B",
        help="A: learn from the COCO part, 17 joints; B: from the whole set, its 21 (default)",
    )
    parser.add_argument(
        "--subset", type=Path, metavar="FILE", help="training images that count, as benchmark draws"
    )
    parser.add_argument(
        "--derived", action="store_true", help="learn from what `build --derive` made up, too"
    )
    parser.add_argument("--recipe", default="", help="paper, mmpose or quick")
    parser.add_argument("--resume", action="store_true", help="go on where the run stopped")
    parser.add_argument("--seed", type=parse_non_negative, default=0)
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read pictures; 0: this one (default)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep people's windows there: later epochs open no whole pictures (top-down methods)",
    )
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch on a CPU (1)")
    parser.add_argument(
        "--weights", metavar="FILE", help="to begin with; 'mmpose' for MMPose's published ones"
    )
    parser.add_argument(
        "--weights-skeleton",
        default="",
        metavar="NAME",
        help="whose joints they find, where the file does not say",
    )
    parser.add_argument(
        "--i-trust-this-file",
        dest="trust",
        action="store_true",
        help="let a .pth run code while it is read",
    )
    parser.add_argument(
        "--adapt", action="store_true", help="let weights of another skeleton in, joint by name"
    )
    parser.add_argument(
        "--max-unreadable",
        type=float,
        default=0.001,
        help="share of unreadable pictures allowed (0.001)",
    )
    parser.add_argument("--device", default="", help="cpu, cuda, …; a GPU where there is one")
    parser.add_argument(
        "--micro-batch",
        type=int,
        default=0,
        metavar="N",
        help="samples of a step through the network together, where memory is short; 0: all",
    )
    parser.add_argument(
        "--compile",
        nargs="?",
        const="inductor",
        default="",
        metavar="BACKEND",
        help="torch.compile the network; inductor without a word",
    )
    parser.add_argument("--tensorboard", action="store_true", help="curves in RUN/tensorboard too")
    parser.add_argument("--wandb", default="", metavar="PROJECT", help="curves on W&B too")
    parser.add_argument("--show-recipe", action="store_true", help="print the recipe and stop")


def run_command(args: argparse.Namespace) -> None:
    """Train, test, write the run's folder, print its numbers."""
    overrides = tuple(_pair(text) for text in args.overrides)
    set_threads(args.threads)
    if args.show_recipe:
        _show(args.method, args.recipe, overrides)
        return
    for flag, value in (("--data DIR", args.data), ("--out RUN", args.out)):
        if value is None:
            raise InputError("smallpose train", f"needs {flag}", f"as in: {EXAMPLE}")
    from smallpose.training.run import TrainingConfig, train

    result = train(
        TrainingConfig(
            method=args.method,
            data=args.data,
            out=args.out,
            setting=args.setting,
            subset=args.subset,
            derived=args.derived,
            recipe=args.recipe,
            overrides=overrides,
            seed=args.seed,
            jobs=max(args.workers, 0),
            cache=args.cache,
            resume=args.resume,
            weights=args.weights,
            weights_skeleton=args.weights_skeleton,
            trust=args.trust,
            adapt=args.adapt,
            most_bad=args.max_unreadable,
            device=args.device,
            at_once=max(args.micro_batch, 0),
            compile=args.compile,
            tensorboard=args.tensorboard,
            wandb=args.wandb,
        )
    )
    if not result:  # another process of several prints
        return
    numbers = result["evaluation"]["protocols"]["coco"]
    shown = (f"{name} {_points(numbers.get(name))}" for name in ("AP", "AP_S", "AP_M", "AP_L"))
    print(f"{result['method']} {result['setting']}: {', '.join(shown)}")
    print(f"{args.out / 'result.json'}")


def _show(name: str, recipe: str, overrides: tuple[tuple[str, str], ...]) -> None:
    from smallpose.methods import create_method
    from smallpose.training.recipe_overrides import choose_recipe, flatten_recipe

    chosen, fields = choose_recipe(create_method(name), recipe, overrides)
    print(f"{name}, recipe {chosen}:")
    for key, value in flatten_recipe(fields).items():
        print(f"  {key} = {value}")


def set_threads(asked: int) -> None:
    """One PyTorch thread unless the user says otherwise: ours are spread over processes."""
    if asked > 0:
        os.environ["OMP_NUM_THREADS"] = str(asked)
    try:
        import torch
    except ImportError:
        raise InputError(
            "smallpose", "PyTorch is not installed", "pip install 'smallpose[torch]'"
        ) from None

    torch.set_num_threads(max(asked, int(os.environ.get("OMP_NUM_THREADS", "1")), 1))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(text, "not name=value", "as in epochs=2")
    return name, value


def _points(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"
