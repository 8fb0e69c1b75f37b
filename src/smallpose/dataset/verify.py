"""Compare the files of a built data set with the hashes in its manifest."""

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
    """Check every file of a built data set; return the findings and what was checked.

    Raises: InputError when the folder is no built data set.
    """
    manifest = read_manifest(folder)
    image_folder = open_image_folder(folder / "images")
    files = [(resolve_inside(folder, name), record) for name, record in manifest["files"].items()]
    num_absent = 0
    for name, record in manifest["pictures"].items():
        if "sha256" not in record:
            continue
        path = image_folder.resolve_path(name)
        if path.exists() or path.is_symlink():
            files.append((path, record))
        elif "path" in record:
            files.append((Path(record["path"]), record))
        else:
            num_absent += 1
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(_check_hash, files, chunksize=16)
        findings = [f for f in show_progress(results, "hashes", total=len(files)) if f]
    if num_absent:
        what = f"{num_absent:,} images are not included, as in every release; see index.json"
        findings.append(Finding(what, is_fault=False))
    return findings, f"{len(files):,} files with a hash"


def _check_hash(item: tuple[Path, dict[str, Any]]) -> Finding | None:
    path, record = item
    if not path.is_file():
        return Finding(f"{path} is missing", is_fault=True)
    if hash_file(path) != record["sha256"]:
        return Finding(f"{path} has changed since the data set was built", is_fault=True)
    return None


def check_images(images: Images, folder: Path) -> list[Finding]:
    """Find images of a COCO file that are missing, unreadable or of another size."""
    findings = []
    missing = []
    image_folder = open_image_folder(folder)
    columns = zip(images.file_names, images.width.tolist(), images.height.tolist(), strict=True)
    for name, width, height in columns:
        path = image_folder.resolve_path(name)
        if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name too long)
            missing.append(name)
            continue
        try:
            size = read_image_size(path)
        except InputError as error:
            findings.append(Finding(str(error), is_fault=True))
            continue
        if width and height and size != (width, height):
            what = f"{name} is {size[0]} × {size[1]}, but the file declares {width} × {height}"
            findings.append(Finding(what, is_fault=True))
    if missing:
        what = f"{len(missing):,} of {len(images):,} images are missing (first: {missing[0]})"
        findings.append(Finding(what, is_fault=True))
    return findings
