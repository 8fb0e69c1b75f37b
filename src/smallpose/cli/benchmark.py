"""smallpose benchmark --data DIR --out DIR: methods × settings × seeds to one results table."""

import argparse
from pathlib import Path

from smallpose.core.errors import InputError, RunError

HELP = "methods × settings × seeds, each trained and scored; goes on where it stopped"
EXAMPLE = "smallpose benchmark --data set --out bench --methods tiny --settings A,B --recipe quick"

# Names for groups of methods; the paper's eleven, and their twins for a CPU.
PAPER = [
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
]
TINY = [
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
]
TABLE_5 = ("simple_baseline_r50", "simple_baseline_r18_tiny")  # who is trained on subsets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `benchmark`."""
    parser.add_argument(
        "overrides", nargs="*", metavar="name=value", help="change every recipe: steps=2000"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a built set")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="runs and tables")
    parser.add_argument(
        "--methods",
        default="paper",
        metavar="LIST",
        help="names with commas between; paper: the eleven (default), tiny: their twins for CPUs",
    )
    parser.add_argument("--settings", default="A,B", metavar="LIST", help="A, B or both (both)")
    parser.add_argument("--seeds", default="0", metavar="LIST", help="such as 0,1,2 (0)")
    parser.add_argument("--recipe", default="", help="paper, mmpose or quick")
    parser.add_argument(
        "--steps",
        type=int,
        default=0,
        metavar="N",
        help="every run takes N steps, whatever its recipe says; 0: as the recipe says (default)",
    )
    parser.add_argument(
        "--subsets",
        type=int,
        default=0,
        metavar="N",
        help="train SimpleBaseline on N subsets of COCO's size, too (paper, Table 5: 5)",
    )
    parser.add_argument(
        "--subset-people",
        type=int,
        default=0,
        metavar="N",
        help="people in a subset; 0: as many as the set's COCO part has (default)",
    )
    parser.add_argument(
        "--parallel",
        type=int,
        default=0,
        metavar="N",
        help="runs side by side; 0: one per GPU, or one on a CPU (default)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read pictures, for each run (0)"
    )


def run_command(args: argparse.Namespace) -> None:
    """Plan, run what has not finished, write the tables."""
    from smallpose.system.progress import print_status
    from smallpose.training.benchmark import Job, plan_jobs, run_jobs, write_job_files

    methods = _methods(args.methods)
    settings = _words(args.settings, "--settings", ("A", "B"))
    seeds = _numbers(args.seeds)
    overrides = tuple(args.overrides) + ((f"steps={args.steps}",) if args.steps else ())
    chosen = [m for m in methods if m in TABLE_5]
    if args.subsets and not chosen:
        raise InputError(
            f"--subsets {args.subsets}", "no SimpleBaseline among the methods", f"add {TABLE_5[0]}"
        )
    jobs = plan_jobs(
        args.out,
        args.data,
        methods,
        settings,
        seeds,
        recipe=args.recipe,
        overrides=overrides,
        workers=args.workers,
        subsets=_subsets(args) if args.subsets else (),
        subset_methods=chosen,
    )
    write_job_files(jobs)
    done = sum(job.is_finished for job in jobs)
    print_status(f"{args.out}: {len(jobs)} runs, {done} finished before")
    total = len(jobs)

    def tell(job: Job, what: str) -> None:
        nonlocal done
        done += what == "finished"
        if what != "begun":
            print_status(f"{done} of {total}  {what}  {job.folder.name}")

    failed = run_jobs(jobs, _devices(args.parallel), tell)
    finished = [job.folder for job in jobs if job.is_finished]
    if finished:
        _tables(finished, args.out)
    if failed:
        first = failed[0]
        raise RunError(
            str(first.job.folder),
            f"{len(failed)} of {total} runs failed, this one with exit code {first.exit_code}: "
            f"{first.last_line}",
            "the same command tries the failed ones again; what they said is in train.log",
        )


def _tables(folders: list[Path], out: Path) -> None:
    from smallpose.report import make_report
    from smallpose.system.progress import print_status

    for table in make_report(folders, out / "report")[:1]:
        print(table.to_text())
    print_status(f"open {out / 'report' / 'index.html'}")


def _subsets(args: argparse.Namespace) -> list[Path]:
    """The files of the subsets; drawn on the first call, the same ones afterwards."""
    from smallpose.dataset.subsets import (
        compute_overlaps,
        count_coco_people,
        draw_subsets,
        write_subset,
    )
    from smallpose.io.coco_annotations import read_coco
    from smallpose.system.progress import print_status

    people = read_coco(args.data / "annotations" / "train.json")
    drawn = draw_subsets(people, args.subsets, args.subset_people or count_coco_people(people))
    (args.out / "subsets").mkdir(parents=True, exist_ok=True)
    files = []
    for subset in drawn:
        path = args.out / "subsets" / f"subset{subset.number}.json"
        write_subset(path, subset, people)
        print_status(
            f"subset {subset.number}: {len(subset.image_rows):,} images, {subset.people:,} people, "
            f"areas {subset.distance:.4f} from the whole set's (Kolmogorov–Smirnov)"
        )
        files.append(path)
    shared = compute_overlaps(drawn)
    pairs = [shared[a, b] for a in range(len(drawn)) for b in range(len(drawn)) if a != b]
    if pairs:
        print_status(
            f"two subsets share {100 * min(pairs):.1f} to {100 * max(pairs):.1f} % of their images"
        )
    return files


def _devices(parallel: int) -> list[str]:
    from smallpose.cli.train import set_threads

    set_threads(0)  # says how to get PyTorch where it is not
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus:
        return [f"cuda:{k % gpus}" for k in range(parallel or gpus)]
    return ["cpu"] * max(parallel, 1)


def _methods(text: str) -> list[str]:
    from smallpose.cli.train import set_threads

    names: list[str] = []
    for word in text.split(","):
        names += {"paper": PAPER, "tiny": TINY}.get(word.strip(), [word.strip()])
    set_threads(0)
    from smallpose.methods import METHODS

    return _words(",".join(names), "--methods", tuple(METHODS))


def _words(text: str, flag: str, known: tuple[str, ...]) -> list[str]:
    import difflib

    words = [w.strip() for w in text.split(",") if w.strip()]
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1) or [", ".join(known[:4])]
            raise InputError(f"{flag} {word}", "not known", f"try {near[0]}")
    if not words:
        raise InputError(flag, "is empty", f"try {known[0]}")
    return list(dict.fromkeys(words))


def _numbers(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(w) for w in text.split(",")))
    except ValueError:
        raise InputError(f"--seeds {text}", "not numbers", "try 0,1,2") from None
