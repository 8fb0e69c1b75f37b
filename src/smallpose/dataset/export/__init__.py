"""Export a built data set to the formats of other tools: one module and one entry per format.

`export_set` reads the data set, lets the exporter write into a folder beside the target, adds a
README on how to use the export and what it lost, and moves the folder into place by one rename.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from smallpose.core.errors import InputError, RunError
from smallpose.core.instances import Instances
from smallpose.dataset.built_set import BuiltSet, open_set
from smallpose.dataset.export.coco import export_coco
from smallpose.dataset.export.export_result import ExportResult
from smallpose.dataset.export.fiftyone import export_fiftyone
from smallpose.dataset.export.label_studio import export_label_studio
from smallpose.dataset.export.mmpose import export_mmpose
from smallpose.dataset.export.parquet import export_parquet
from smallpose.dataset.export.webdataset import export_webdataset
from smallpose.dataset.export.yolo import export_yolo
from smallpose.system.files import resolve_output_folder, write_atomically
from smallpose.system.lock import hold_lock

# Arguments: the data set, the folder to fill, and "link", "copy" or "none" for images.
EXPORTERS: dict[str, Callable[[BuiltSet, Path, str], ExportResult]] = {
    "coco": export_coco,
    "yolo": export_yolo,
    "parquet": export_parquet,
    "webdataset": export_webdataset,
    "mmpose": export_mmpose,
    "fiftyone": export_fiftyone,
    "label-studio": export_label_studio,
}
# Images are copied by default only where the format is useless without them.
DEFAULT_IMAGE_MODES = {
    "coco": "link",
    "yolo": "link",
    "parquet": "none",
    "webdataset": "copy",
    "mmpose": "none",
    "fiftyone": "link",
    "label-studio": "link",
}


def export_set(
    folder: Path,
    to: str,
    out: Path,
    image_mode: str | None = None,
    complete_part: Callable[[Instances], Instances] = lambda people: people,
) -> ExportResult:
    """Export the data set in `folder` to `out`, completely or not at all.

    Args:
        to: format, a key of `EXPORTERS`.
        out: a folder that does not exist yet or is empty.
        image_mode: "link", "copy" or "none" (default: `DEFAULT_IMAGE_MODES`).
        complete_part: adds to the people of a part what their file does not tell, such as sigmas.
    Raises: InputError for wrong arguments or a damaged data set, RunError for a full disk; in
        both cases no files are left.
    """
    if to not in EXPORTERS:
        raise InputError(f"--to {to}", "no such format", f"choose from {', '.join(EXPORTERS)}")
    out = resolve_output_folder(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(str(out), "exists already", "choose another folder")
    if to == "mmpose" and image_mode not in (None, "none"):
        raise InputError(
            f"--images {image_mode}",
            "an MMPose config refers to the images of the data set itself",
            "omit --images",
        )
    built = open_set(folder)
    parts = {split: complete_part(people) for split, people in built.parts.items()}
    built = replace(built, parts=parts)
    with ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold_lock(out.with_name(f".{out.name}.lock")))
            part = out.with_name(f".{out.name}.part")
            shutil.rmtree(part, ignore_errors=True)  # left by an interrupted export
            part.mkdir()
        except OSError as error:
            raise RunError(
                str(out), f"{error.strerror or error}", "choose another folder"
            ) from None
        return _export_into(built, to, part, out, image_mode or DEFAULT_IMAGE_MODES[to])


def _export_into(built: BuiltSet, to: str, part: Path, out: Path, image_mode: str) -> ExportResult:
    try:
        result = EXPORTERS[to](built, part, image_mode)
        # The README of Parquet is a Hugging Face card, which the exporter writes itself.
        if not (part / "README.md").exists():
            write_atomically(part / "README.md", result.to_readme())
        part.replace(out)
    except OSError as error:
        raise RunError(
            str(out),
            f"{error.strerror or error} while writing; unfinished files were removed",
            "free some space and run it again",
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return result
