"""Compare the files of a built data set with the hashes in its manifest."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import SmallposeError
from smallpose.core.instances import Instances
from smallpose.dataset.exif_orientation import infer_label_grids
from smallpose.dataset.image_folder import open_image_folder, read_manifest
from smallpose.dataset.image_headers import read_header
from smallpose.dataset.manifest_file import is_unchanged
from smallpose.dataset.meant_folder import suggest_image_folder
from smallpose.dataset.pillow_images import ImageHeader
from smallpose.io.coco_annotations import read_coco
from smallpose.io.finding import Finding
from smallpose.io.validation import check_keypoints_outside
from smallpose.system.files import hash_file, resolve_inside
from smallpose.system.packages import require_packages
from smallpose.system.progress import show_progress

MAX_LISTED = 3  # findings of one kind, from where on they are counted instead


def check_set(folder: Path, workers: int) -> tuple[list[Finding], str]:
    """Check every file of a built data set; return the findings and what was checked.

    Raises: InputError when the folder is no built data set; RefusedError when a name, a link or a
        recorded path leads elsewhere than to folders that the user allowed.
    """
    manifest = read_manifest(folder)
    image_folder = open_image_folder(folder / "images")
    findings = _check_manifest(folder / "manifest.json", manifest)
    files = [(resolve_inside(folder, name), record) for name, record in manifest["files"].items()]
    num_absent = 0
    for name, record in manifest["pictures"].items():
        if "sha256" not in record:
            continue
        path = image_folder.resolve_path(name)
        if path.exists() or path.is_symlink():
            files.append((path, record))
        elif "path" not in record:
            num_absent += 1
        elif "frame" in record or "orientation" in record:  # they are in the set alone
            files.append((path, record))
        else:
            recorded = Path(record["path"])
            image_folder.check_recorded_path(folder, recorded)
            files.append((recorded, record))
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(_check_hash, files, chunksize=16)
        findings += [f for f in show_progress(results, "hashes", total=len(files)) if f]
    if num_absent:
        what = (
            f"{format_count(num_absent, 'image is', 'images are')} not included, as in every "
            "release; see index.json"
        )
        findings.append(Finding(what, is_fault=False))
    return findings, f"{format_count(len(files) + 1, 'file')} with a hash"


def _check_manifest(path: Path, manifest: Mapping[str, Any]) -> list[Finding]:
    """Compare the manifest with the hash in it, which older sets do not have."""
    is_sound = is_unchanged(path.read_bytes(), manifest)
    if is_sound is None:
        what = f"{path} has no hash of itself, as in sets of older versions: build the set again"
        return [Finding(what, is_fault=False)]
    if not is_sound:
        return [Finding(f"{path} has changed since the data set was built", is_fault=True)]
    return []


def _check_hash(item: tuple[Path, dict[str, Any]]) -> Finding | None:
    path, record = item
    if not path.is_file():
        return Finding(f"{path} is missing", is_fault=True)
    if hash_file(path) != record["sha256"]:
        return Finding(f"{path} has changed since the data set was built", is_fault=True)
    return None


def check_images(people: Instances, folder: Path) -> list[Finding]:
    """Find images of a COCO file that are missing, unreadable, of another size, or turned by EXIF.

    Where the file does not declare the sizes, keypoints outside the images are found, too.
    """
    require_packages("reading images", "PIL")
    images = people.images
    missing = []
    refused: list[SmallposeError] = []
    headers: dict[int, ImageHeader] = {}
    image_folder = open_image_folder(folder)
    for row, name in enumerate(images.file_names):
        try:
            path = image_folder.resolve_path(name)
            if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name too long)
                missing.append(name)
                continue
            headers[row] = read_header(path)
        except SmallposeError as error:
            refused.append(error)
    findings = _group_errors(refused, len(images))
    if missing:
        what = (
            f"{format_share(len(missing), len(images), 'image is', 'images are')} missing (first: "
            f"{missing[0]})"
        )
        remedy = suggest_image_folder(folder, images.file_names, otherwise="")
        what += f"; {remedy}" if remedy else ""
        findings.append(Finding(what, is_fault=True))
    return findings + _check_grids(people, headers)


def check_split_names(files: Sequence[Path]) -> list[Finding]:
    """Find images, by file name, that several annotation files have, such as train and test."""
    names = [set(read_coco(path).images.file_names) for path in files]
    shared = sorted(set.intersection(*names)) if len(names) > 1 else []
    if not shared:
        return []
    what = (
        f"{format_count(len(shared), 'image is', 'images are')} in both "
        f"{' and '.join(path.name for path in files)} (first: {shared[0]})"
    )
    return [Finding(what, is_fault=True)]


def _group_errors(errors: Sequence[SmallposeError], num_images: int) -> list[Finding]:
    """Return a fault for each error, and one for all of a kind that is frequent."""
    kinds: dict[tuple[str, str], list[SmallposeError]] = {}
    for error in errors:
        kinds.setdefault((error.what, error.remedy), []).append(error)
    lines: list[str] = []
    for (what, remedy), group in kinds.items():
        if len(group) <= MAX_LISTED:
            lines += [str(error) for error in group]
            continue
        first = f"(first: {group[0].where})"
        lines.append(
            f"{len(group):,} of {format_count(num_images, 'image')}: {what} {first}; {remedy}"
        )
    return [Finding(line, is_fault=True) for line in lines]


def _group_other_sizes(other_sizes: Sequence[str], num_images: int) -> list[Finding]:
    """Return a fault for each image of another size than declared, and one for many of them."""
    if len(other_sizes) <= MAX_LISTED:
        return [Finding(what, is_fault=True) for what in other_sizes]
    what = (
        f"{format_share(len(other_sizes), num_images, 'image has', 'images have')} another size "
        f"than the file declares (first: {other_sizes[0]})"
    )
    return [Finding(what, is_fault=True)]


def _check_grids(people: Instances, headers: Mapping[int, ImageHeader]) -> list[Finding]:
    """Compare the size and the orientation of images with what their labels assume."""
    images = people.images
    declared = list(zip(images.width.tolist(), images.height.tolist(), strict=True))
    grids = infer_label_grids(people, {r: h for r, h in headers.items() if h.orientation != 1})
    other_sizes = []
    for row, header in headers.items():
        differs = 0 not in declared[row] and declared[row] != header.stored_wh
        if differs and grids.get(row) != "shown":
            stored, wanted = _format_size(header.stored_wh), _format_size(declared[row])
            name = images.file_names[row]
            other_sizes.append(f"{name} is {stored}, but the file declares {wanted}")
    findings = _group_other_sizes(other_sizes, len(images))
    shown = [row for row, grid in grids.items() if grid == "shown"]
    if shown:
        header = headers[shown[0]]
        what = (
            f"{format_count(len(shown), 'image is', 'images are')} turned by EXIF for viewers, and "
            f"their labels refer to the turned image (first: {images.file_names[shown[0]]}, stored "
            f"{_format_size(header.stored_wh)}, shown {_format_size(header.shown_wh)}); build the "
            "set with --exif apply, which turns such images"
        )
        findings.append(Finding(what, is_fault=True))
    others = [row for row, grid in grids.items() if grid != "shown"]
    if others:
        what = (
            f"{format_count(len(others), 'image has', 'images have')} an EXIF orientation, "
            "which is ignored: their labels must refer to the stored pixels (first: "
            f"{images.file_names[others[0]]})"
        )
        findings.append(Finding(what, is_fault=False))
    unknown = [row for row in headers if 0 in declared[row] and row not in shown]
    return findings + _check_unknown_sizes(people, {row: headers[row] for row in unknown})


def _check_unknown_sizes(people: Instances, headers: Mapping[int, ImageHeader]) -> list[Finding]:
    """Find keypoints outside of images whose size the file does not declare."""
    width, height = np.zeros((2, len(people.images)), dtype=np.int64)
    for row, header in headers.items():
        width[row], height[row] = header.stored_wh
    sized = replace(people, images=replace(people.images, width=width, height=height))
    return check_keypoints_outside(sized)


def _format_size(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]} × {size_wh[1]}"
