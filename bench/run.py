"""Run the benchmarks of this folder one after the other and print the output of each.

    python bench/run.py [NAME …]       such as: python bench/run.py build synth

Without names, all benchmarks run but the longest, which run by name only. Each is a script of its
own with a `--help`; peers are installed into environments of their own. README.md beside this file
lists the measured figures with day and machine.
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# These take an hour, gigabytes of memory, or data or code of other projects, given by path.
BY_NAME_ONLY = {
    "ablations",
    "cal",
    "costs",
    "coverage",
    "forward",
    "gpu",
    "learn_pose_errors",
    "loader_memory",
    "measure_real_people",
    "opencv_versions",
    "own_recipe",
    "parity",
    "partial_labels",
    "pooled_seeds",
    "real_people",
    "shared_videos",
    "suite",
    "tiles",
    "train_speed",
}


def main(names: list[str]) -> int:
    """Run the benchmarks and return the number of those that failed."""
    scripts = sorted(p for p in FOLDER.glob("*.py") if p.name != Path(__file__).name)
    chosen = [s for s in scripts if s.stem in names or not (names or s.stem in BY_NAME_ONLY)]
    unknown = set(names) - {s.stem for s in chosen}
    if unknown:
        known = ", ".join(s.stem for s in scripts)
        print(f"no such benchmark: {', '.join(sorted(unknown))}; choose from {known}")
        return 2
    num_failed = 0
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    for script in chosen:
        print(f"\n## {script.stem}\n", flush=True)
        done = subprocess.run([sys.executable, str(script)], env=environment)
        num_failed += done.returncode != 0
    return num_failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
