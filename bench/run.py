"""Run the benchmarks of this folder, one after the other, and print what each prints.

    python bench/run.py [NAME …]       such as: python bench/run.py build synth

Without names all run but the longest, which are run by name. Each is a script of its own with a
`--help`; peers are installed into environments of their own.
Figures that were measured, with day and machine, stand in README.md beside this file.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# These take an hour, gigabytes, or code of others that is given by path.
BY_NAME_ONLY = {"arms", "cal", "forward", "loader_memory", "parity"}


def main(names: list[str]) -> int:
    """The number of benchmarks that failed."""
    scripts = sorted(p for p in HERE.glob("*.py") if p.name != Path(__file__).name)
    chosen = [s for s in scripts if s.stem in names or not (names or s.stem in BY_NAME_ONLY)]
    unknown = set(names) - {s.stem for s in chosen}
    if unknown:
        known = ", ".join(s.stem for s in scripts)
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {known}")
        return 2
    failed = 0
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    for script in chosen:
        print(f"\n## {script.stem}\n", flush=True)
        failed += subprocess.run([sys.executable, str(script)], env=environment).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
