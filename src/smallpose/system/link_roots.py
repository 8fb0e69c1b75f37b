"""The folders outside of a data set that links in it may lead to.

Only the user can allow such a folder: by naming it to `build` as a source, by `--link-root`, or in
the variable SMALLPOSE_LINK_ROOTS. What a data set says about itself is never trusted, because it
may come from others.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smallpose.system.progress import print_status

VARIABLE = "SMALLPOSE_LINK_ROOTS"


@contextmanager
def allow_link_roots(folders: Iterable[Path | str]) -> Iterator[None]:
    """Allow links into these folders in this process and in those that it starts meanwhile."""
    before = os.environ.get(VARIABLE)
    new = [os.path.realpath(folder) for folder in folders]
    if new:
        os.environ[VARIABLE] = os.pathsep.join([*_split_variable(), *new])
    try:
        yield
    finally:
        if before is not None:
            os.environ[VARIABLE] = before
        elif new:
            del os.environ[VARIABLE]


def list_link_roots(*, with_sources: bool = True) -> tuple[Path, ...]:
    """List the folders that links may lead to.

    Args:
        with_sources: include the sources of earlier builds, not only what was allowed explicitly.
    """
    sources = _read_sources() if with_sources else []
    return tuple(Path(folder) for folder in dict.fromkeys([*_split_variable(), *sources]))


def remember_sources(folders: Iterable[str]) -> None:
    """Record the folders of the sources that the user built a set from, for later commands."""
    new = sorted({os.path.realpath(folder) for folder in folders} - set(_read_sources()))
    if not new:
        return
    path = get_sources_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:  # one write, so that builds at the same time do not mix
            file.write("".join(json.dumps(folder) + "\n" for folder in new))
    except OSError:
        print_status(
            f"{path} cannot be written: add --link-root {new[0]} to commands that read images of "
            "this set by links"
        )


def get_sources_file() -> Path:
    """Return the file that records the sources, below XDG_CONFIG_HOME or ~/.config."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(home) / "smallpose" / "sources.jsonl"


def _split_variable() -> list[str]:
    return [folder for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]


def _read_sources() -> list[str]:
    """Read the recorded folders; lines that cannot be read are ignored."""
    try:
        lines = get_sources_file().read_bytes().splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        try:
            folder = json.loads(line)
        except ValueError:
            continue
        if isinstance(folder, str) and os.path.isabs(folder):  # noqa: PTH117
            folders.append(folder)
    return folders
