"""Count how many mutants the tests catch.

python tests/mutation/run.py                          all mutants of all targets: hours
python tests/mutation/run.py scanner --sample 20      20 drawn mutants of one target
python tests/mutation/run.py sizes --only "SMALL_BELOW = 128 * 97"
"""

import argparse
import math
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from equivalent import EQUIVALENT
from mutants import Mutant, list_mutants
from runner import PACKAGE, Workbench
from targets import TARGETS, Target

Z_95 = 1.959964


def list_target_mutants(target: Target) -> list[Mutant]:
    """Return the mutants of all files of a target."""
    return [m for file in target.files for m in list_mutants(file, (PACKAGE / file).read_text())]


def draw_mutants(target: Target, num: int | None, seed: int) -> list[Mutant]:
    """Draw that many mutants of a target; all of them for None."""
    mutants = list_target_mutants(target)
    if num is None or num >= len(mutants):
        return mutants
    return random.Random(seed).sample(mutants, num)


def compute_wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, Z_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) * Z_95
    half /= 1 + z2 / trials
    return max(centre - half, 0.0), min(centre + half, 1.0)


def is_known_equivalent(mutant: Mutant) -> bool:
    """Return whether a mutant is among those that change nothing."""
    return any((mutant.file, mutant.after) == (file, line) for file, line, _ in EQUIVALENT)


def run_target(
    bench: Workbench, name: str, target: Target, mutants: list[Mutant]
) -> tuple[int, int, int]:
    """Try mutants of a target and print each; return caught, equivalent and survived."""
    total = len(list_target_mutants(target))
    counts = {"caught": 0, "equivalent": 0, "survived": 0, "invalid": 0}
    unchanged = bench.try_unchanged(target)
    if unchanged.state != "survived":
        sys.exit(f"{name}: the tests fail without a mutant: {unchanged.by}")
    print(f"{name}: {total} mutants; unchanged, the tests pass in {unchanged.seconds:.1f} s")
    for mutant in mutants:
        outcome = bench.try_mutant(target, mutant)
        is_equivalent = outcome.state == "survived" and is_known_equivalent(mutant)
        state = "equivalent" if is_equivalent else outcome.state
        counts[state] += 1
        print(f"{state:10} {outcome.seconds:5.1f} s  {mutant}  {outcome.by}", flush=True)
    return counts["caught"], counts["equivalent"], counts["survived"]


def main() -> int:
    """Run the tool; return 1 where fewer than 95 % of the mutants that change behaviour die."""
    parser = argparse.ArgumentParser(description="Count how many mutants the tests catch.")
    parser.add_argument("targets", nargs="*", help=f"any of {', '.join(TARGETS)}; default all")
    parser.add_argument("--sample", type=int, metavar="N", help="draw N mutants of each target")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--only", metavar="LINE", help="try mutants with this changed line alone")
    parser.add_argument("--tests", nargs="+", metavar="TEST", help="run these tests instead")
    args = parser.parse_args()
    unknown = [name for name in args.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]}; use {', '.join(TARGETS)}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(Path(folder))
        for name in args.targets or TARGETS:
            target = TARGETS[name]
            if args.tests:
                target = replace(target, tests=tuple(args.tests))
            mutants = draw_mutants(target, args.sample, args.seed)
            if args.only:
                mutants = [m for m in list_target_mutants(target) if m.after == args.only]
            rows.append((name, *run_target(bench, name, target, mutants)))
    print(
        f"{'target':17} mutants caught equivalent survived  caught of those that change behaviour"
    )
    rows.append(("all", *(sum(row[i] for row in rows) for i in (1, 2, 3))))
    for name, caught, equivalent, survived in rows:
        changing = caught + survived
        low, high = compute_wilson_interval(caught, changing)
        share = f"{caught / max(changing, 1):.1%} (95 %: {low:.1%} to {high:.1%})"
        total = changing + equivalent
        print(f"{name:17} {total:7} {caught:6} {equivalent:10} {survived:8}  {share}")
    caught, survived = rows[-1][1], rows[-1][3]
    return 0 if caught >= 0.95 * (caught + survived) else 1


if __name__ == "__main__":
    sys.exit(main())
