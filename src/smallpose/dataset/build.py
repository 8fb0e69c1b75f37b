"""Five sources become one data set: read, look for pictures, unify, split, select, write.

The set is made in a folder beside `out` and put in place with one rename, so a build that dies
leaves nothing that looks like a data set; the next one goes on where it stopped.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose._version import __version__
from smallpose.core.boxes import clip_boxes
from smallpose.core.errors import InputError, RunError
from smallpose.core.files import path_inside, sha256, write_whole
from smallpose.core.progress import say, track
from smallpose.dataset.card import data_card
from smallpose.dataset.derive import derive_joints, refuse_underivable
from smallpose.dataset.leaks import FILE as LEAKS_FILE
from smallpose.dataset.leaks import HOW, Search, search_and_mend
from smallpose.dataset.pictures import existing, extract_frames, picture_sizes, place
from smallpose.dataset.select import Selection, select_images
from smallpose.dataset.split import SPLITS, assign_splits
from smallpose.dataset.workplace import Workplace, put_in_place, refuse_if_taken, workplace
from smallpose.sources import READERS
from smallpose.sources.source import Picture, Source
from smallpose.stats.counts import table1
from smallpose.table.coco_json import write_coco
from smallpose.table.instances import SOURCES, Instances, concat


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a set is built; the command line's flags of the same names."""

    seed: int = 0
    split: str = "grouped"  # or "paper"
    images: str = "link"  # or "copy", "none"
    missing_images: str = "refuse"  # or "drop", "keep"
    jobs: int = 1
    overwrite: bool = False
    leaks: str = "report"  # or "move", "off"
    derive: tuple[str, ...] = ()  # joints made from others where a source lacks them


@dataclass(frozen=True)
class _Read:
    """All sources together: people in the 21 joints, and what stands beside each image."""

    people: Instances
    pictures: list[Picture]
    there: NDArray[np.bool_]
    official: list[str]


def build_dataset(roots: Mapping[str, Path], out: Path, options: Options) -> dict[str, Any]:
    """Make the data set of contracts in `out`; the same roots and seed give the same bytes.

    Args:
        roots: source name to its folder.
        out: a folder that does not exist yet or is empty.
    Returns: the manifest, as written to `out/manifest.json`.
    Raises: InputError for a source at fault, RefusedError for a path that leaves its root,
        RunError for a full disk; nothing is left behind then.
    """
    if not roots:
        raise InputError("build", "no source is given", "give at least one, such as --coco DIR")
    refuse_underivable(options.derive)
    if options.leaks not in HOW:
        raise InputError(f"--leaks {options.leaks}", "no such way", f"choose {', '.join(HOW)}")
    refuse_if_taken(out, options.overwrite)
    key = json.dumps([__version__, asdict(options), {n: str(r) for n, r in roots.items()}])
    try:
        with workplace(out, key) as place:
            sources = [_read(name, roots[name]) for name in READERS if name in roots]
            manifest = _build_in(place, sources, options)
            put_in_place(place, out)
    except OSError as error:
        raise RunError(str(out), f"{error.strerror or error}", "nothing was left behind") from None
    return manifest


def _build_in(place: Workplace, sources: Sequence[Source], options: Options) -> dict[str, Any]:
    work = place.set
    with_pictures = [_with_pictures(s, place, options) for s in sources]
    found = _together(with_pictures)
    people, notes = _unified(found.people)
    rng = np.random.default_rng(options.seed)
    sides = assign_splits(people.images, found.official, options.split, rng)
    chosen = _select(people, found, sides, rng)
    chosen, leaks = _look_for_leaks(people, found, chosen, work / "images", options)
    parts = _numbered(people, chosen)
    table = table1(parts["train"], parts["test"])
    derived = _write_annotations(parts, work / "annotations", options.derive)
    pictures = _place_pictures(people, found, chosen, work / "images", options)
    _drop_unchosen_frames(work / "images", pictures)
    manifest = _manifest(sources, parts, chosen, options, notes)
    manifest["derived"] = derived
    manifest["leaks"] = {"how": "off"} if leaks is None else leaks.summary(options.leaks)
    for source in with_pictures:
        record = manifest["sources"][source.name]
        record["images_missing"] = record["images_read"] - len(source.pictures)
        record["link_roots"] = _link_roots(source)
    manifest["files"] = _hashes(work, ["annotations/train.json", "annotations/test.json"])
    if leaks is not None:
        text = msgspec.json.format(msgspec.json.encode(leaks.to_json())) + b"\n"
        write_whole(work / LEAKS_FILE, text)
        manifest["files"] |= _hashes(work, [LEAKS_FILE])
    manifest["pictures"] = pictures
    write_whole(work / "README.md", data_card(manifest, table.to_markdown()))
    manifest["files"] |= _hashes(work, ["README.md"])
    write_whole(work / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def _read(name: str, root: Path) -> Source:
    if not root.is_dir():
        raise InputError(f"--{name} {root}", "no such folder", f"name the folder that holds {name}")
    source = READERS[name](root)
    say(
        f"{name}: {len(source.people.images):,} images, "
        f"{int(source.people.counted.sum()):,} people with keypoints in {source.root}"
    )
    for missing in source.missing:
        say(f"{name}: not there: {missing}")
    for note in source.people.notes:
        say(f"{name}: {note}")
    return source


def _with_pictures(source: Source, place: Workplace, options: Options) -> Source:
    """The source with sizes for every image whose picture is there; others dropped if asked."""
    images = source.people.images
    there = np.array(existing(source.pictures), dtype=bool)
    frames = [r for r, p in enumerate(source.pictures) if p.frame is not None and there[r]]
    sizes = extract_frames(source, frames, place, options.jobs)
    there[[r for r in frames if r not in sizes]] = False
    if not there.all() and options.missing_images == "refuse":
        gone = [images.file_names[r] for r in np.flatnonzero(~there)[:3]]
        raise InputError(
            f"--{source.name} {source.root}",
            f"{int((~there).sum()):,} of {len(there):,} pictures are missing "
            f"(first: {', '.join(gone)})",
            "fetch them, or use --missing-images drop or keep",
        )
    headers = [r for r in np.flatnonzero(there).tolist() if source.pictures[r].frame is None]
    paths = [source.pictures[r].path for r in headers]
    sizes |= dict(zip(headers, picture_sizes(paths, options.jobs), strict=True))
    width, height = images.width.copy(), images.height.copy()
    for row, size in sizes.items():
        said = (int(width[row]), int(height[row]))
        if 0 not in said and said != size:
            raise InputError(
                f"--{source.name} {source.root}, {images.file_names[row]}",
                f"the picture is {size[0]} × {size[1]}, its annotation says {said[0]} × {said[1]}",
                "use the picture that was annotated",
            )
        width[row], height[row] = size
    people = replace(source.people, images=replace(images, width=width, height=height))
    if options.missing_images != "drop" or there.all():
        return replace(source, people=people)
    rows = np.flatnonzero(there)
    say(f"{source.name}: {int((~there).sum()):,} of {len(there):,} pictures are missing; left out")
    return replace(
        source,
        people=people.take_images(rows),
        pictures=tuple(source.pictures[r] for r in rows),
        splits=tuple(source.splits[r] for r in rows),
    )


def _together(sources: Sequence[Source]) -> _Read:
    pictures = [p for s in sources for p in s.pictures]
    return _Read(
        concat([s.people for s in sources]),
        pictures,
        np.array(existing(pictures), dtype=bool),
        [split for s in sources for split in s.splits],
    )


def _unified(people: Instances) -> tuple[Instances, list[str]]:
    """Boxes cut at the image's edge; a box without area becomes a region to ignore."""
    width = people.images.width[people.image_rows].astype(np.float64)
    height = people.images.height[people.image_rows].astype(np.float64)
    boxes = np.where(_has_area(people.boxes_xywh)[:, None], people.boxes_xywh, 0.0)
    boxes = clip_boxes(boxes, width, height)
    flat = ~_has_area(boxes)
    lost = flat & people.counted
    notes = []
    if lost.any():
        first = int(np.argmax(lost))
        name = people.images.file_names[people.image_rows[first]]
        notes.append(
            f"{int(lost.sum()):,} people whose box has no area inside the image became regions to "
            f"ignore (first: in {name})"
        )
        say(notes[0])
    keypoints = np.where(lost[:, None, None], 0.0, people.keypoints)
    return (
        replace(
            people,
            boxes_xywh=boxes,
            keypoints=keypoints,
            num_keypoints=np.where(lost, 0, people.num_keypoints),
            iscrowd=people.iscrowd | lost,
            file_area=np.full(len(people), np.nan),
        ),
        notes,
    )


def _has_area(boxes_xywh: NDArray[np.float64]) -> NDArray[np.bool_]:
    sides = boxes_xywh[:, 2:]
    return np.asarray((np.isfinite(boxes_xywh).all(axis=1)) & (sides > 0).all(axis=1))


def _select(
    people: Instances, found: _Read, sides: Sequence[str], rng: np.random.Generator
) -> dict[str, Selection]:
    side = np.array(sides)
    chosen = {}
    for split in SPLITS:
        chosen[split] = select_images(people, np.flatnonzero(side == split), split, rng)
        if chosen[split].note:
            say(chosen[split].note)
    return chosen


def _look_for_leaks(
    people: Instances,
    found: _Read,
    chosen: dict[str, Selection],
    frames: Path,
    options: Options,
) -> tuple[dict[str, Selection], Search | None]:
    """The selection, mended if asked, and what was found; None where nobody looked."""
    if options.leaks == "off":
        return chosen, None
    rows = np.concatenate([s.rows for s in chosen.values()]).tolist()
    paths = {}
    for row in (r for r in rows if found.there[r]):
        picture = found.pictures[row]
        frame = path_inside(frames, people.images.file_names[row])
        path = picture.path if picture.frame is None else frame
        if path.is_file():
            paths[row] = path
    # A generator of its own: whether anybody looks for leaks changes nothing else.
    rng = np.random.default_rng([options.seed, 1])
    return search_and_mend(
        *(people, chosen, found.official, paths),
        move=options.leaks == "move",
        rng=rng,
        jobs=options.jobs,
    )


def _numbered(people: Instances, chosen: Mapping[str, Selection]) -> dict[str, Instances]:
    """Each split's table, images by source and name, ids from 1 on over both."""
    parts: dict[str, Instances] = {}
    image_id = person_id = 1
    for split, selection in chosen.items():
        images = people.images
        order = sorted(
            selection.rows.tolist(), key=lambda r: (images.source[r], images.file_names[r])
        )
        part = people.take_images(np.array(order, dtype=np.intp))
        ids = np.arange(image_id, image_id + len(order))
        parts[split] = replace(
            part,
            images=replace(part.images, ids=ids),
            ids=np.arange(person_id, person_id + len(part)),
        )
        image_id, person_id = image_id + len(order), person_id + len(part)
    return parts


def _write_annotations(
    parts: Mapping[str, Instances], folder: Path, joints: Sequence[str]
) -> dict[str, int]:
    """Write each split; how many keypoints of each of `joints` were made up on the way.

    `parts` stay as labelled, so nothing that counts them meets a derived keypoint.
    """
    made = dict.fromkeys(joints, 0)
    for split, part in parts.items():
        more, derived = derive_joints(part, joints)
        write_coco(more, folder / f"{split}.json", derived)
        for joint in joints:
            made[joint] += int(derived[:, part.skeleton.joints.index(joint)].sum())
    return made


def _place_pictures(
    people: Instances,
    found: _Read,
    chosen: Mapping[str, Selection],
    folder: Path,
    options: Options,
) -> dict[str, dict[str, Any]]:
    """File name to where the picture came from and its hash; the picture itself put in place."""
    rows = np.sort(np.concatenate([s.rows for s in chosen.values()]))
    pictures = {}
    for row in track(rows.tolist(), f"pictures ({options.images})"):
        name, picture = people.images.file_names[row], found.pictures[row]
        target = path_inside(folder, name)
        record: dict[str, Any] = {"path": str(picture.path)}
        if picture.frame is not None:
            record["frame"] = picture.frame
        pictures[name] = record
        if not found.there[row]:
            continue
        if picture.frame is None and options.images != "none":
            place(options.images, picture.path, target)
        stored = target if target.exists() else picture.path
        if picture.frame is None or target.exists():
            record |= {"bytes": stored.stat().st_size, "sha256": sha256(stored)}
    return pictures


def _drop_unchosen_frames(folder: Path, pictures: Mapping[str, object]) -> None:
    """Frames were taken from every sampled image, since sizes decide who is chosen."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in pictures:
            path.unlink()


def _manifest(
    sources: Sequence[Source],
    parts: Mapping[str, Instances],
    chosen: Mapping[str, Selection],
    options: Options,
    notes: list[str],
) -> dict[str, Any]:
    return {
        "smallpose": __version__,
        # Worlds made by `smallpose synth` hold the exact answers beside the five layouts.
        "synthetic": all(_is_synthetic(s.root) for s in sources),
        "seed": options.seed,
        "split": options.split,
        "images": options.images,
        "missing_images": options.missing_images,
        "notes": notes,
        "sources": {s.name: _source_record(s, parts) for s in sources},
        "selection": {
            split: {
                "images": len(s.rows),
                "with_small": s.with_small,
                "drawn": len(s.rows) - s.with_small,
                "pool": s.pool,
                "small_medium_large": list(s.mix),
                "note": s.note,
            }
            for split, s in chosen.items()
        },
    }


def _is_synthetic(root: Path) -> bool:
    return any((folder / "exact.json").is_file() for folder in root.resolve().parents[:2])


def _source_record(source: Source, parts: Mapping[str, Instances]) -> dict[str, Any]:
    code = SOURCES.index(source.name)
    return {
        "root": str(source.root.resolve()),
        "images_read": len(source.people.images),
        "people_read": int(source.people.counted.sum()),
        "images": sum(int((p.images.source == code).sum()) for p in parts.values()),
        "people": sum(int(((p.source == code) & p.counted).sum()) for p in parts.values()),
        "missing": list(source.missing),
        "notes": list(source.people.notes),
    }


def _link_roots(source: Source) -> list[str]:
    """The folders that links to this source's pictures lead to; folders may be links themselves."""
    root = os.path.realpath(source.root)
    folders = {os.path.realpath(f) for f in {p.path.parent for p in source.pictures}}
    return [root, *sorted(f for f in folders if not f.startswith(root + os.sep))]


def _hashes(work: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {n: {"bytes": (work / n).stat().st_size, "sha256": sha256(work / n)} for n in names}
