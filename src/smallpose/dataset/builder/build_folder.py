"""The folder in which a data set is built before it is moved to its place.

While a build runs, `.OUT.building/` beside `OUT` contains a lock that is released when the process
ends, the unfinished data set, and a journal of the videos whose frames are extracted. A build that
fails removes the folder. One that was killed leaves it, and the next build with the same arguments
resumes there.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError, RefusedError
from smallpose.system.lock import hold_lock
from smallpose.system.progress import print_status


@dataclass(frozen=True)
class BuildFolder:
    """The folder of a running build.

    Args:
        folder: `.OUT.building`, beside `OUT`.
        key: the arguments of the build; files of a build with other arguments are not reused.
    """

    folder: Path
    key: str

    @property
    def data_set(self) -> Path:
        """Return the folder of the unfinished data set."""
        return self.folder / "set"

    @property
    def journal(self) -> Path:
        """Return the path of the journal, which has one line of JSON per finished video."""
        return self.folder / "journal.jsonl"

    def append_to_journal(self, entry: dict[str, Any]) -> None:
        """Append an entry, and return when it is on disk."""
        with self.journal.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read_journal(self) -> list[dict[str, Any]]:
        """Read the complete lines of the journal; ignore one that a kill has cut off."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]


@contextmanager
def open_build_folder(out: Path, key: str) -> Iterator[BuildFolder]:
    """Lock the build folder of `out`, resume or clear it, and remove it at the end.

    An interrupted or killed build leaves the folder.

    Raises: InputError while another process builds there.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    build = BuildFolder(out.parent / f".{out.name}.building", key)
    build.folder.mkdir(exist_ok=True)
    with hold_lock(build.folder / "lock"):
        try:
            _resume_or_clear(build)
            build.data_set.mkdir(exist_ok=True)
            yield build
        except KeyboardInterrupt:
            print_status("interrupted; run the same command again to resume")
            raise
        except BaseException:
            shutil.rmtree(build.folder, ignore_errors=True)
            raise
        shutil.rmtree(build.folder, ignore_errors=True)


def _resume_or_clear(build: BuildFolder) -> None:
    key_file = build.folder / "key"
    if key_file.exists() and key_file.read_text() == build.key:
        print_status(f"resuming the interrupted build in {build.folder}")
        if build.journal.exists():
            # A cut-off line is removed, because the next entry would be appended to it.
            os.truncate(build.journal, build.journal.read_bytes().rfind(b"\n") + 1)
        if build.data_set.exists():
            # Only images are reused. A file that was being written has a temporary name, and
            # would never be overwritten.
            _clear_folder(build.data_set, "images")
        return
    _clear_folder(build.folder, "lock")
    key_file.write_text(build.key)


def _clear_folder(folder: Path, kept_name: str) -> None:
    for path in folder.iterdir():
        if path.name != kept_name:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def refuse_existing_output(out: Path, overwrite: bool) -> None:
    """Raise an error unless `out` does not exist, is empty, or may be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise InputError(str(out), "exists already", "choose another folder, or use --overwrite")
    if not (out / "manifest.json").is_file():
        raise RefusedError(
            str(out),
            "not a data set that smallpose build made (no manifest.json)",
            "remove it yourself, or choose another folder",
        )


def move_into_place(build: BuildFolder, out: Path) -> None:
    """Move the finished data set to `out`; an older one is removed only after that."""
    if out.exists():
        out.replace(build.folder / "old")
    build.data_set.replace(out)
