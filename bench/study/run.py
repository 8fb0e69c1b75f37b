"""How small may a person get, and which published model finds people that small?

    make study DATA=/path/to/test/data LSP=/path/to/lsp-extended [COCO=/path/to/val2017]

Shows the same people at falling heights to each published model that can be had here, and writes
docs/study.json (numbers alone), the figure and the parts of docs/which-model.md. What is finished
is kept: the same command continues. The plan with its processor time is printed first; DATA and LSP
together, or COCO alone, take under two hours of one core.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from smallpose.core.errors import SmallposeError  # noqa: E402
from study.plan import COCO_HEIGHTS, LSP_HEIGHTS, MAX_PEOPLE, MODELS, list_variants  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of test data with parts of val2017")
    parser.add_argument("--coco", type=Path, help="your val2017 folder, beside annotations/")
    parser.add_argument(
        "--lsp",
        type=Path,
        help="LSP-extended: joints.mat and images/ (default: its part in the test data)",
    )
    parser.add_argument("--work", type=Path, default=Path("runs/study"))
    parser.add_argument(
        "--people", type=int, default=1000, help="largest number of people of a set"
    )
    parser.add_argument("--models", default=",".join(MODELS), help="names, with commas between")
    parser.add_argument("--jobs", type=int, default=1, help="models that are measured at a time")
    parser.add_argument("--minutes", type=float, default=1e6, help="after which nothing is begun")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "docs" / "study.json")
    parser.add_argument("--only", choices=("measure", "collect"), help="leave the other step out")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--extras", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.coco is None and args.data is None and args.lsp is None:
        parser.error("name people: make study DATA=…, LSP=… or COCO=…")
    return args


def open_sets(args: argparse.Namespace) -> list:
    """Open the sets of people that are there."""
    from study.measure import open_study_set
    from study.people import open_coco, open_lsp, open_val_parts

    sets = []
    if args.coco or args.data:
        people = open_coco(args.coco) if args.coco else open_val_parts(args.data, args.work)
        most = min(args.people, MAX_PEOPLE["coco"])
        sets.append(open_study_set(people, COCO_HEIGHTS, most, args.work))
    lsp = args.lsp or (args.data / "other" / "lspet400" if args.data else None)
    if lsp is not None and (lsp / "joints.mat").is_file():
        people = open_lsp(lsp, args.work)
        most = min(args.people, MAX_PEOPLE["lsp"])
        sets.append(open_study_set(people, LSP_HEIGHTS, most, args.work))
    return sets


def list_models(args: argparse.Namespace) -> list[str]:
    """Return the models that are in the registry, in the order of the plan."""
    from smallpose.external import EXTERNAL

    names = args.models.split(",")
    absent = [name for name in names if name not in EXTERNAL]
    if absent:
        print(f"not in the registry, so not measured: {', '.join(absent)}", flush=True)
    return [name for name in names if name in EXTERNAL]


def measure_model(args: argparse.Namespace) -> None:
    """Check one model, and measure its main variant, or its others, on all sets."""
    from smallpose.external import EXTERNAL, create_model
    from study.cost import measure_cost
    from study.measure import measure_variant
    from study.sides import check_drawn_people

    deadline = time.monotonic() + 60 * args.minutes
    sets = open_sets(args)
    name = args.child
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    method = create_model(name)
    about = args.work / "models" / f"{name}.json"
    about.parent.mkdir(parents=True, exist_ok=True)
    if not about.is_file():
        sets[-1].write_images(sets[-1].list_sets(("clean",), (64,)))
        cost = measure_cost(name, method, sets[-1], before_kb)
        check = check_drawn_people(method)
        print(f"{name}: {check}; {cost}", flush=True)
        content = {"sides": check.to_dict(), "cost": cost.to_dict()}
        about.write_text(json.dumps(content, indent=1) + "\n")
    for study_set in sets:
        for variant in list_variants(name, EXTERNAL[name].needs_boxes, study_set.people.name):
            if variant.is_main == args.extras:
                continue
            for line in measure_variant(study_set, variant, method, deadline):
                print(line, flush=True)


def run_children(args: argparse.Namespace, names: list[str]) -> None:
    """Measure each model in a process of its own: the main variants of all, then the others."""
    start = time.monotonic()

    def run_child(name: str, *options: str) -> None:
        left = args.minutes - (time.monotonic() - start) / 60
        if left <= 0:
            return
        command = [sys.executable, *sys.argv, "--child", name, "--minutes", str(left), *options]
        begun = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        word = "done" if code == 0 else f"FAILED ({code}), see above; not measured"
        kind = "other variants" if options else "main variant"
        print(f"{name}, {kind}: {word} after {time.monotonic() - begun:.0f} s", flush=True)

    # MoveNet's boxes, which the other variants of some are given, are there after the main ones.
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run_child, names))
        list(pool.map(lambda name: run_child(name, "--extras"), names))


def print_plan(args: argparse.Namespace, sets: list, names: list[str]) -> None:
    """Print who is shown to which model, and the processor time that it will take."""
    from smallpose.external import EXTERNAL
    from study.estimate import PlannedSet, describe_plan, read_milliseconds

    planned = [
        PlannedSet(one.people.name, one.chosen.num_eligible, one.chosen.heights) for one in sets
    ]
    needs_boxes = {name: EXTERNAL[name].needs_boxes for name in names}
    ms = read_milliseconds(names, args.work / "models", args.out)
    for study_set in sets:
        print(f"{study_set.people.title}: {study_set.chosen.describe()}", flush=True)
    for line in describe_plan(planned, needs_boxes, ms, args.people):
        print(line, flush=True)


def main() -> None:
    """Measure what is missing, then collect the numbers and write the page."""
    args = parse_arguments()
    if args.child:
        measure_model(args)
        return
    start = time.monotonic()
    names = list_models(args)
    print_plan(args, open_sets(args), names)
    if args.only != "collect":
        run_children(args, names)
        print(f"measured after {(time.monotonic() - start) / 60:.1f} min", flush=True)
    if args.only != "measure":
        from study.collect import collect_study
        from study.page import write_page

        collect_study(open_sets(args), names, args.work, args.out)
        write_page(args.out)
        print(f"numbers: {args.out}; page and figure beside it", flush=True)


if __name__ == "__main__":
    try:
        main()
    except SmallposeError as error:
        print(error, file=sys.stderr)
        sys.exit(4)
