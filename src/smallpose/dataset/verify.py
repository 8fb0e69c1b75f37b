"""Is a built set still what it was: every file compared with the hash in its manifest."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.dataset.image_folder import open_image_folder, read_manifest
from smallpose.dataset.place_images import read_image_size
from smallpose.io.validation import Finding
from smallpose.system.files import hash_file, resolve_inside
from smallpose.system.progress import show_progress


def check_set(folder: Path, workers: int) -> tuple[list[Finding], str]:
    """Findings about a built set, and a line that says what was looked at.

    Raises: InputError when the folder is no built set.
    """
    manifest = read_manifest(folder)
    pictures = open_image_folder(folder / "images")
    files = [(resolve_inside(folder, name), record) for name, record in manifest["files"].items()]
    absent = 0
    for name, record in manifest["pictures"].items():
        if "sha256" not in record:
            continue
        inside = pictures.resolve_path(name)
        if inside.exists() or inside.is_symlink():
            files.append((inside, record))
        elif "path" in record:
            files.append((Path(record["path"]), record))
        else:
            absent += 1
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(_check_hash, files, chunksize=16)
        findings = [f for f in show_progress(results, "hashes", total=len(files)) if f]
    if absent:
        what = f"{absent:,} pictures are not here, as in every release; index.json names them"
        findings.append(Finding(what, is_fault=False))
    return findings, f"{len(files):,} files with a hash"


def _check_hash(item: tuple[Path, dict[str, Any]]) -> Finding | None:
    path, record = item
    if not path.is_file():
        return Finding(f"{path} is missing", is_fault=True)
    if hash_file(path) != record["sha256"]:
        return Finding(f"{path} has changed since the set was built", is_fault=True)
    return None


def check_images(images: Images, folder: Path) -> list[Finding]:
    """Findings about the pictures of a COCO file: missing, no pictures, of another size."""
    findings = []
    missing = []
    pictures = open_image_folder(folder)
    columns = zip(images.file_names, images.width.tolist(), images.height.tolist(), strict=True)
    for name, width, height in columns:
        path = pictures.resolve_path(name)
        if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name too long)
            missing.append(name)
            continue
        try:
            size = read_image_size(path)
        except InputError as error:
            findings.append(Finding(str(error), is_fault=True))
            continue
        if width and height and size != (width, height):
            what = f"{name} is {size[0]} × {size[1]}, the file says {width} × {height}"
            findings.append(Finding(what, is_fault=True))
    if missing:
        what = f"{len(missing):,} of {len(images):,} pictures are missing (first: {missing[0]})"
        findings.append(Finding(what, is_fault=True))
    return findings
