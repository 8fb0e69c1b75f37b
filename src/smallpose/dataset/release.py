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
from smallpose.dataset.builder.index import FILE as REBUILD
from smallpose.dataset.builder.leak_step import FILE as LEAKS
from smallpose.dataset.image_folder import read_manifest
from smallpose.dataset.splits import SPLITS
from smallpose.io.coco_annotations import read_coco
from smallpose.system.files import path_inside, read_bytes, sha256, write_whole

CARD, CROISSANT, INDEX, MANIFEST = "README.md", "croissant.json", "index.csv", "manifest.json"
SUMS = "SHA256SUMS"
COLUMNS = (
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
_EARLY = (1980, 1, 1, 0, 0, 0)


def release(built: Path, out: Path) -> list[str]:
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
        parts[name] = _unchanged(built, name, manifest)
    parts[CARD] = _unchanged(built, CARD, manifest)
    parts[REBUILD] = _unchanged(built, REBUILD, manifest)
    parts[INDEX] = _index(built, manifest).encode()
    parts[CROISSANT] = _unchanged(built, CROISSANT, manifest)
    if LEAKS in manifest["files"]:  # the card speaks of it; not there with `--leaks off`
        parts[LEAKS] = _unchanged(built, LEAKS, manifest)
    parts[MANIFEST] = msgspec.json.format(msgspec.json.encode(_without_paths(manifest))) + b"\n"
    parts[SUMS] = _sums(parts).encode()
    if out.suffix == ".zip":
        write_whole(out, _zipped(parts))
    else:
        for name, content in parts.items():
            write_whole(out / name, content)
    return list(parts)


def _unchanged(built: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    path = path_inside(built, name)
    record = manifest["files"].get(name)
    if record is None or not path.is_file() or sha256(path) != record["sha256"]:
        raise InputError(
            str(path), "is missing or not what was built", "build the set again, then release it"
        )
    return read_bytes(path)


def _index(built: Path, manifest: Mapping[str, Any]) -> str:
    """One line per image."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
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


def _without_paths(manifest: Mapping[str, Any]) -> dict[str, Any]:
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


def _sums(parts: Mapping[str, bytes]) -> str:
    """As `sha256sum -c` reads it."""
    import hashlib

    return "".join(f"{hashlib.sha256(b).hexdigest()}  {name}\n" for name, b in parts.items())


def _zipped(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            record = zipfile.ZipInfo(name, _EARLY)
            record.compress_type = zipfile.ZIP_DEFLATED
            record.external_attr = 0o644 << 16
            archive.writestr(record, content)
    return out.getvalue()
