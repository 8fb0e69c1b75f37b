"""Where a set is made before it is put in place: one build at a time, and killed builds go on.

Beside `OUT` lies `.OUT.building/` while a build runs: a lock that dies with its process, the set as
far as it has come, and a journal of videos already taken apart. A build that fails cleans up after
itself; one that was killed leaves the folder, and the next build with the same call goes on there.
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
    """The folder of a build under way.

    Args:
        folder: `.OUT.building`, beside `OUT`.
        key: the call that makes this set; a leftover of another call is of no use.
    """

    folder: Path
    key: str

    @property
    def data_set(self) -> Path:
        """The set as far as it has come."""
        return self.folder / "set"

    @property
    def journal(self) -> Path:
        """One JSON line per finished video."""
        return self.folder / "journal.jsonl"

    def append_to_journal(self, entry: dict[str, Any]) -> None:
        """Append one entry; it counts only once it is on the disk as a whole line."""
        with self.journal.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read_journal(self) -> list[dict[str, Any]]:
        """The journal's whole lines; a line that a kill has torn is not there."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]


@contextmanager
def open_build_folder(out: Path, key: str) -> Iterator[BuildFolder]:
    """Lock the place beside `out`, resume or clear what lies there, clean up unless killed.

    Raises: InputError while another process builds there.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    place = BuildFolder(out.parent / f".{out.name}.building", key)
    place.folder.mkdir(exist_ok=True)
    with hold_lock(place.folder / "lock"):
        try:
            _resume_or_clear(place)
            place.data_set.mkdir(exist_ok=True)
            yield place
        except KeyboardInterrupt:
            print_status("interrupted; the same call goes on from here")
            raise
        except BaseException:
            shutil.rmtree(place.folder, ignore_errors=True)
            raise
        shutil.rmtree(place.folder, ignore_errors=True)


def _resume_or_clear(place: BuildFolder) -> None:
    stamp = place.folder / "key"
    if stamp.exists() and stamp.read_text() == place.key:
        print_status(f"going on with the build that was interrupted in {place.folder}")
        if place.journal.exists():
            # The next entry must not be glued to a line that the kill has torn.
            os.truncate(place.journal, place.journal.read_bytes().rfind(b"\n") + 1)
        if place.data_set.exists():
            # Only pictures are gone on with. A file that the kill caught half written beside its
            # name would be written again under another one, and stay in the set for good.
            _clear_folder(place.data_set, "images")
        return
    _clear_folder(place.folder, "lock")
    stamp.write_text(place.key)


def _clear_folder(folder: Path, kept: str) -> None:
    for path in folder.iterdir():
        if path.name != kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def refuse_existing_output(out: Path, overwrite: bool) -> None:
    """Raises unless `out` is free, or a set that may be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise InputError(str(out), "exists already", "choose another folder, or use --overwrite")
    if not (out / "manifest.json").is_file():
        raise RefusedError(
            str(out), "is no data set that build made (no manifest.json)", "remove it yourself"
        )


def move_into_place(place: BuildFolder, out: Path) -> None:
    """Move the finished set to `out`; an older set there goes only once the new one is whole."""
    if out.exists():
        out.replace(place.folder / "old")
    place.data_set.replace(out)
