"""Write a built data set without its images, to be given to others (D17).

The index says which image of which source each entry is, so whoever has the sources can add the
images to the annotations or build the same data set again. Paths of this machine are removed.
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES
from smallpose.dataset.builder.index import INDEX_FILE
from smallpose.dataset.builder.leak_step import LEAKS_FILE
from smallpose.dataset.image_folder import read_manifest
from smallpose.dataset.manifest_file import format_manifest
from smallpose.dataset.splits import SPLITS
from smallpose.io.coco_annotations import read_coco
from smallpose.system.files import (
    hash_file,
    read_bytes,
    resolve_inside,
    write_atomically,
    write_folder,
)

_CARD = "README.md"
_CROISSANT = "croissant.json"
_IMAGE_LIST = "index.csv"
_MANIFEST = "manifest.json"
_CHECKSUMS = "SHA256SUMS"
_COLUMNS = (
    "file_name",
    "image_id",
    "split",
    "source",
    "source_id",
    "group",
    "source_split",
    "width",
    "height",
    "frame",
    "bytes",
    "sha256",
)
# The earliest time of the ZIP format, so that the same data set gives the same bytes.
_EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_release(built: Path, out: Path) -> list[str]:
    """Write the release of a built data set.

    Args:
        out: a folder that does not exist or is empty, or a file whose name ends in `.zip`.
    Returns: names of the files in the release.
    Raises: InputError when `built` is no built data set or one of its files has changed,
        RefusedError when `out` exists.
    """
    manifest = read_manifest(built)
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise RefusedError(str(out), "exists already", "choose another name")
    names = [f"annotations/{split}.json" for split in SPLITS] + [_CARD, INDEX_FILE]
    parts = {name: _read_unchanged(built, name, manifest) for name in names}
    parts[_IMAGE_LIST] = _format_image_list(built, manifest).encode()
    parts[_CROISSANT] = _read_unchanged(built, _CROISSANT, manifest)
    if LEAKS_FILE in manifest["files"]:  # the card refers to it; absent with `--leaks off`
        parts[LEAKS_FILE] = _read_unchanged(built, LEAKS_FILE, manifest)
    parts[_MANIFEST] = format_manifest(_remove_paths(manifest))
    parts[_CHECKSUMS] = _format_checksums(parts).encode()
    if out.suffix == ".zip":
        write_atomically(out, _build_zip(parts))
    else:
        write_folder(out, parts)
    return list(parts)


def _read_unchanged(built: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """Read a file of the data set whose hash must be the one in the manifest."""
    path = resolve_inside(built, name)
    record = manifest["files"].get(name)
    if record is None or not path.is_file() or hash_file(path) != record["sha256"]:
        raise InputError(
            str(path),
            "missing, or changed since the data set was built",
            "build the data set again, then release it",
        )
    return read_bytes(path)


def _format_image_list(built: Path, manifest: Mapping[str, Any]) -> str:
    """Return CSV with one line per image."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for split in SPLITS:
        images = read_coco(built / "annotations" / f"{split}.json").images
        source_splits = images.source_splits or ("",) * len(images)
        for row, name in enumerate(images.file_names):
            record = manifest["pictures"].get(name, {})
            writer.writerow(
                [
                    name,
                    int(images.ids[row]),
                    split,
                    SOURCES[images.source[row]],
                    images.source_ids[row],
                    images.groups[row],
                    source_splits[row],
                    int(images.width[row]),
                    int(images.height[row]),
                    *(record.get(key, "") for key in ("frame", "bytes", "sha256")),
                ]
            )
    return out.getvalue()


def _remove_paths(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest without paths of the machine that built the data set."""
    sources = {
        name: {k: v for k, v in record.items() if k not in ("root", "link_roots")}
        | {"link_roots": []}
        for name, record in manifest["sources"].items()
    }
    images = {
        name: {k: v for k, v in record.items() if k != "path"}
        for name, record in manifest["pictures"].items()
    }
    return {**manifest, "sources": sources, "pictures": images}


def _format_checksums(parts: Mapping[str, bytes]) -> str:
    """Return checksums in the format of `sha256sum -c`."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in parts.items()
    )


def _build_zip(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            record = zipfile.ZipInfo(name, _EARLIEST_ZIP_TIME)
            record.compress_type = zipfile.ZIP_DEFLATED
            record.external_attr = 0o644 << 16
            archive.writestr(record, content)
    return out.getvalue()
