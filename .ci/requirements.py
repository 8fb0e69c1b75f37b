"""Print what the package and some of its extras require, one a line, for pip.

    python3 requirements.py EXTRA …

`make install` installs these while the package itself is built beside them.
"""

import re
import sys
import tomllib
from pathlib import Path


def list_requirements(extras: list[str]) -> list[str]:
    """Return the requirements of the package and of extras, which may name further extras."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    requirements = dict.fromkeys(project["dependencies"])
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[(.+)\]", requirement)
            names = list_requirements(own[1].split(",")) if own else [requirement]
            requirements |= dict.fromkeys(names)
    return list(requirements)


if __name__ == "__main__":
    print("\n".join(list_requirements(sys.argv[1:])))
