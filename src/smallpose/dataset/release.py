"""A built set made ready to be passed on: everything but the pictures (D17).

The index says which picture of which source each image is, so whoever has the sources can put the
pictures beside the annotations or build the same set again. Paths of this machine stay out.
"""

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES
from smallpose.dataset.builder.index import INDEX_FILE as REBUILD
from smallpose.dataset.builder.leak_step import LEAKS_FILE as LEAKS
from smallpose.dataset.image_folder import read_manifest
from smallpose.dataset.splits import SPLITS
from smallpose.io.coco_annotations import read_coco
from smallpose.system.files import hash_file, read_bytes, resolve_inside, write_atomically

_CARD, _CROISSANT, _IMAGE_LIST, _MANIFEST = (
    "README.md",
    "croissant.json",
    "index.csv",
    "manifest.json",
)
_CHECKSUMS = "SHA256SUMS"
_COLUMNS = (
    "file_name",
    "image_id",
    "split",
    "source",
    "source_id",
    "group",
    "width",
    "height",
    "frame",
    "bytes",
    "sha256",
)
# The earliest time a ZIP file knows: the same set gives the same bytes.
_EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_release(built: Path, out: Path) -> list[str]:
    """Write the release of a built set.

    Args:
        out: a folder that does not exist or is empty, or a file that ends in `.zip`.
    Returns: names of the files in it.
    Raises: InputError when `built` is no built set or a file is not what was built any more,
        RefusedError when `out` is taken.
    """
    manifest = read_manifest(built)
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise RefusedError(str(out), "is there already", "name another one")
    parts: dict[str, bytes] = {}
    for split in SPLITS:
        name = f"annotations/{split}.json"
        parts[name] = _read_unchanged(built, name, manifest)
    parts[_CARD] = _read_unchanged(built, _CARD, manifest)
    parts[REBUILD] = _read_unchanged(built, REBUILD, manifest)
    parts[_IMAGE_LIST] = _format_image_list(built, manifest).encode()
    parts[_CROISSANT] = _read_unchanged(built, _CROISSANT, manifest)
    if LEAKS in manifest["files"]:  # the card speaks of it; not there with `--leaks off`
        parts[LEAKS] = _read_unchanged(built, LEAKS, manifest)
    parts[_MANIFEST] = msgspec.json.format(msgspec.json.encode(_remove_paths(manifest))) + b"\n"
    parts[_CHECKSUMS] = _format_checksums(parts).encode()
    if out.suffix == ".zip":
        write_atomically(out, _build_zip(parts))
    else:
        for name, content in parts.items():
            write_atomically(out / name, content)
    return list(parts)


def _read_unchanged(built: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    path = resolve_inside(built, name)
    record = manifest["files"].get(name)
    if record is None or not path.is_file() or hash_file(path) != record["sha256"]:
        raise InputError(
            str(path), "is missing or not what was built", "build the set again, then release it"
        )
    return read_bytes(path)


def _format_image_list(built: Path, manifest: Mapping[str, Any]) -> str:
    """One line per image."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for split in SPLITS:
        images = read_coco(built / "annotations" / f"{split}.json").images
        for row, name in enumerate(images.file_names):
            picture = manifest["pictures"].get(name, {})
            writer.writerow(
                [
                    name,
                    int(images.ids[row]),
                    split,
                    SOURCES[images.source[row]],
                    images.source_ids[row],
                    images.groups[row],
                    int(images.width[row]),
                    int(images.height[row]),
                    *(picture.get(key, "") for key in ("frame", "bytes", "sha256")),
                ]
            )
    return out.getvalue()


def _remove_paths(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without where things lay on the machine that built the set."""
    sources = {
        name: {k: v for k, v in record.items() if k not in ("root", "link_roots")}
        | {"link_roots": []}
        for name, record in manifest["sources"].items()
    }
    pictures = {
        name: {k: v for k, v in record.items() if k != "path"}
        for name, record in manifest["pictures"].items()
    }
    return {**manifest, "sources": sources, "pictures": pictures}


def _format_checksums(parts: Mapping[str, bytes]) -> str:
    """As `sha256sum -c` reads it."""
    import hashlib

    return "".join(f"{hashlib.sha256(b).hexdigest()}  {name}\n" for name, b in parts.items())


def _build_zip(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            record = zipfile.ZipInfo(name, _EARLIEST_ZIP_TIME)
            record.compress_type = zipfile.ZIP_DEFLATED
            record.external_attr = 0o644 << 16
            archive.writestr(record, content)
    return out.getvalue()
