"""A built set in the formats that other tools read: one file a format, one line in `EXPORTS`.

`export_set` opens the set, lets the format write into a folder beside the wanted one, adds a README
that says how to use it and what the format could not hold, and puts the folder in place with one
rename.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from smallpose.core.errors import InputError, RunError
from smallpose.dataset.built_set import BuiltSet, open_set
from smallpose.dataset.export.export_result import ExportResult
from smallpose.dataset.export.fiftyone import export_fiftyone
from smallpose.dataset.export.mmpose import export_mmpose
from smallpose.dataset.export.parquet import export_parquet
from smallpose.dataset.export.webdataset import export_webdataset
from smallpose.dataset.export.yolo import export_yolo
from smallpose.system.files import resolve_output_folder, write_atomically
from smallpose.system.lock import hold_lock

# Each takes the set, the folder to fill, and what to do with pictures ("link", "copy", "none").
EXPORTERS: dict[str, Callable[[BuiltSet, Path, str], ExportResult]] = {
    "yolo": export_yolo,
    "parquet": export_parquet,
    "webdataset": export_webdataset,
    "mmpose": export_mmpose,
    "fiftyone": export_fiftyone,
}
# Pictures stay the sources': none leaves the folder unless asked for.
DEFAULT_IMAGE_MODES = {
    "yolo": "link",
    "parquet": "none",
    "webdataset": "copy",
    "mmpose": "none",
    "fiftyone": "link",
}


def export_set(folder: Path, to: str, out: Path, image_mode: str | None = None) -> ExportResult:
    """Write the set in `folder` to `out` in the format `to`, whole or not at all.

    Args:
        to: a key of `EXPORTS`.
        out: a folder that does not exist yet or is empty.
        pictures: "link", "copy" or "none"; without, what the format needs and the terms allow.
    Raises: InputError when the call or the set is at fault, RunError for a full disk; nothing is
        left behind then.
    """
    if to not in EXPORTERS:
        raise InputError(f"--to {to}", "no such format", f"choose from {', '.join(EXPORTERS)}")
    out = resolve_output_folder(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(str(out), "exists already", "choose another folder")
    if to == "mmpose" and image_mode not in (None, "none"):
        raise InputError(
            f"--images {image_mode}", "an MMPose config points at the set itself", "leave it out"
        )
    built = open_set(folder)
    with ExitStack() as held:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(hold_lock(out.with_name(f".{out.name}.lock")))
            work = out.with_name(f".{out.name}.part")
            shutil.rmtree(work, ignore_errors=True)  # of one that was killed
            work.mkdir()
        except OSError as error:
            what = f"{error.strerror or error}"
            raise RunError(str(out), what, "choose another folder") from None
        return _export_into(built, to, work, out, image_mode or DEFAULT_IMAGE_MODES[to])


def _export_into(built: BuiltSet, to: str, work: Path, out: Path, pictures: str) -> ExportResult:
    try:
        written = EXPORTERS[to](built, work, pictures)
        # Parquet's README is a card with a head of its own.
        if not (work / "README.md").exists():
            write_atomically(work / "README.md", written.to_readme())
        work.replace(out)
    except OSError as error:
        what = f"{error.strerror or error} while writing"
        raise RunError(str(out), what, "make room; nothing was left behind") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return written
