"""Write what the package and some of its extras require, for pip.

    python3 requirements.py FOLDER EXTRA …

`make install` installs these while the package itself is built beside them. Into FOLDER go
`requirements.txt`, one requirement a line, and `pins-1.txt` to `pins-4.txt`: the exact versions of
constraints.txt that are installed first, in as many processes, since each mostly waits for the
network and the disk. These need not be complete: pip adds what requirements lack then.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUM_PARTS = 4


def list_requirements(extras: list[str]) -> list[str]:
    """Return the requirements of the package and of extras, which may name further extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = dict.fromkeys(project["dependencies"])
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[(.+)\]", requirement)
            names = list_requirements(own[1].split(",")) if own else [requirement]
            requirements |= dict.fromkeys(names)
    return list(requirements)


def split_pins() -> list[list[str]]:
    """Return the first paragraph of constraints.txt in parts: PyTorch alone, a third of all."""
    paragraph = (ROOT / "constraints.txt").read_text().split("\n\n")[0]
    pins = [line for line in paragraph.splitlines() if not line.startswith("#")]
    others = [pin for pin in pins if not pin.startswith("torch==")]
    step = NUM_PARTS - 1
    return [sorted({*pins} - {*others}), *(others[start::step] for start in range(step))]


if __name__ == "__main__":
    folder, *extras = sys.argv[1:]
    files = {"requirements.txt": list_requirements(extras)}
    files |= {f"pins-{number}.txt": part for number, part in enumerate(split_pins(), start=1)}
    for name, lines in files.items():
        (Path(folder) / name).write_text("\n".join(lines) + "\n")
