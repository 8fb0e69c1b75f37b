"""Time `smallpose evaluate` on a small file, against `import numpy` and with and without C.

    python bench/startup.py [--runs 9] [--other PYTHON] [--plain TRUTH.json PREDICTIONS.json]

Prints CPU seconds of whole processes, median and minimum over runs in turn. `--other` names the
Python of an environment with another version of smallpose; `--plain` also times the given files
without the compiled parts.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITHOUT_C = """
import sys
for name in ("io._json", "evaluation.matching._native", "synthetic.rendering._fill"):
    sys.modules[f"smallpose.{name}"] = None
"""
RUN = "import sys; from smallpose.cli.main import main; sys.exit(main(sys.argv[1:]))"


def measure_cpu(command: list[str]) -> float:
    """Run a process and return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--other", help="Python with another version of smallpose")
    parser.add_argument("--plain", nargs=2, metavar="FILE", help="truth and predictions")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "fresh"))
    from smoke import write_files

    with tempfile.TemporaryDirectory() as folder:
        files = [str(file) for file in write_files(Path(folder), num_images=250)]
        commands = {
            "import numpy": [sys.executable, "-c", "import numpy"],
            "evaluate": [sys.executable, "-c", RUN, "evaluate", *files],
        }
        if args.other:
            commands["evaluate, other"] = [args.other, "-c", RUN, "evaluate", *files]
        if args.plain:
            commands["compiled"] = [sys.executable, "-c", RUN, "evaluate", *args.plain]
            commands["plain"] = [sys.executable, "-c", WITHOUT_C + RUN, "evaluate", *args.plain]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(args.runs):
            for name, command in commands.items():
                times[name].append(measure_cpu(command))
    for name, values in times.items():
        print(f"{name:<16}{statistics.median(values):.3f} CPU s, minimum {min(values):.3f}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
