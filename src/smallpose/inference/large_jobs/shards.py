"""Prediction in shards: so many pictures at a time, each shard a file that is whole or not there.

A job that was stopped goes on with the shards that lack, and whoever works through them, this
process or many (`cluster.py`), calls the same function. A shard is JSON Lines: first what there is
to say of it, then one line for each person as COCO's results have them; put end to end, shards are
the file that one process would have written.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.images import refuse_unreadable
from smallpose.inference.boxes import found_boxes
from smallpose.inference.large_jobs.work_list import Asked
from smallpose.inference.options import Options
from smallpose.inference.predict import find
from smallpose.inference.predict_files import Finder, sizes_of, whole_pictures
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import result_records
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import WholeImageMethod
from smallpose.system.files import read_bytes, write_whole, write_whole_with
from smallpose.system.progress import say, track

JOB = "job.json"


class Told(msgspec.Struct):
    """First line of a shard's file.

    Args:
        shard: its number, from 0.
        unreadable: what was wrong with pictures that could not be read.
        sizes_wh: of its pictures, where nobody had said them; 0 of the unreadable.
    """

    shard: int
    unreadable: list[str] = []
    sizes_wh: list[tuple[int, int]] = []


class Worker:
    """Looks at shards, one after another, and writes their files.

    Args:
        method: a network of its own.
        asked: what to look at.
        folder: where shards go.
        finder: who says where people are, for a top-down method without boxes.
    """

    def __init__(
        self,
        method: PoseMethod,
        asked: Asked,
        folder: Path,
        options: Options,
        finder: Finder | None = None,
    ) -> None:
        self.method, self.asked, self.finder = method, asked, finder
        self.folder = folder.absolute()
        self.most_bad = options.most_bad
        # The whole job counts its unreadable pictures; a shard of few is not stopped by one.
        self.options = replace(options, most_bad=1.0)

    def on(self, device: str) -> "Worker":
        """With its networks there; on a GPU where there is one without a word."""
        self.method.on(device)
        if self.finder is not None:
            self.finder.method.on(device)
        return self

    def work(self, shard: int) -> Told:
        """Look at a shard's pictures and write its file."""
        asked, method = self.asked, self.method
        people = make_instances(
            method.skeleton,
            asked.images(shard),
            [],
            np.zeros((0, 4)),
            [],
            category_id=asked.category_id,
        )
        told = Told(shard)
        boxes = asked.boxes_of(shard)
        if asked.pictures is None:
            told.sizes_wh, wrong = sizes_of(people.images.file_names)
            told.unreadable += [] if isinstance(method, WholeImageMethod) else wrong
        if self.finder is not None:
            by, how = self.finder
            everybody = find(by, people, None, asked.read, replace(how, most_bad=1.0))
            boxes = found_boxes(everybody, people.images, by.box_margin)
            told.unreadable = _reasons(everybody)
        elif boxes is None and not isinstance(method, WholeImageMethod):
            boxes = whole_pictures(told.sizes_wh)
        found = find(method, people, boxes, asked.read, self.options)
        told.unreadable += _reasons(found)
        records = result_records(found, asked.category_id)
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        write_whole(file_of(self.folder, shard), msgspec.json.encode(told) + b"\n" + lines)
        return told


def file_of(folder: Path, shard: int) -> Path:
    """Where a shard is kept."""
    return folder / f"found-{shard:06d}.jsonl"


def work_through(
    worker: Worker,
    run: Callable[[Sequence[int]], Iterable[Told]] | None = None,
    part: tuple[int, int] = (0, 1),
    label: str = "",
) -> list[Told]:
    """All shards that are not there yet; what is to say of each that is there then, in order.

    Args:
        run: shards to what they told, in any order; this process without.
        part: of how many jobs that share the shards this is which, from 0.
        label: of a progress bar over the shards.

    Raises: InputError when too many pictures cannot be read, or the folder holds another job.
    """
    folder, shards = worker.folder, worker.asked.shards
    _same_job(worker)
    told: dict[int, Told] = {}
    _look_in(folder, shards, told)
    lack = [n for n in range(part[0], shards, part[1]) if n not in told]
    if told:
        say(f"{folder}: {len(told):,} of {shards:,} shards are there already")
    wrong = [why for one in told.values() for why in one.unreadable]
    _refuse_many(worker, wrong)
    for one in track((run or partial(map, worker.work))(lack), label, len(lack)):
        told[one.shard] = one
        for why in one.unreadable:
            say(f"not predicted: {why}")
        wrong += one.unreadable
        _refuse_many(worker, wrong)
    # Jobs that share the shards have gone on meanwhile; whoever ends last finds all of them.
    others = _look_in(folder, shards, told)
    _refuse_many(worker, wrong + [why for one in others for why in one.unreadable])
    return [told[number] for number in sorted(told)]


def _look_in(folder: Path, shards: int, told: dict[int, Told]) -> list[Told]:
    """Add to `told` what the shards that are there say of themselves; those that were new."""
    new = []
    for number in range(shards):
        if number not in told and file_of(folder, number).exists():
            with file_of(folder, number).open("rb") as lines:
                told[number] = msgspec.json.decode(next(lines), type=Told)
            new.append(told[number])
    return new


def _refuse_many(worker: Worker, wrong: list[str]) -> None:
    where, images = str(worker.folder), worker.asked.looked_at
    last = f"; the last: {wrong[-1]}" if wrong else ""
    refuse_unreadable(where, len(wrong), images, worker.most_bad, last)


def _same_job(worker: Worker) -> None:
    """Write down what the folder's shards are of; raises InputError when they are of another."""
    asked, method = worker.asked, worker.method
    boxes = asked.boxes
    arrays = [asked.image_ids, asked.letters, asked.ends]
    if boxes is not None:
        arrays += [boxes.image_rows, boxes.boxes_xywh, boxes.scores]
    options = asdict(worker.options)
    job: dict[str, Any] = {
        "method": method.name,
        "weights": _hash_of(method),
        "joints": list(method.skeleton.joints),
        "images": len(asked.image_ids),
        "per_shard": asked.per_shard,
        "pictures and boxes": _hash(arrays),
        "options": {name: options[name] for name in options if name != "batch_size"},
        "boxes from": _hash_of(worker.finder.method) if worker.finder else "",
    }
    path = worker.folder / JOB
    if not path.exists():
        write_whole(path, json.dumps(job, indent=1) + "\n")
        return
    before = msgspec.json.decode(read_bytes(path), type=dict[str, Any])
    for name, value in job.items():
        if before.get(name) != value:
            raise InputError(
                str(worker.folder),
                f"holds shards of another job, whose {name} differ",
                "name another folder with --shards, or remove this one",
            )


def _hash(arrays: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _hash_of(method: PoseMethod) -> str:
    return _hash(weight.cpu().numpy() for weight in method.state_dict().values())


def merge(folder: Path, shards: int, out: Path) -> tuple[int, int]:
    """The shards end to end as one COCO result file; people in it, and images with somebody.

    A line at a time: no more than one is held in memory.
    """
    people, images = 0, 0

    def fill(file: IO[bytes]) -> None:
        nonlocal people, images
        before = b"["
        last: object = None
        for shard in range(shards):
            with file_of(folder, shard).open("rb") as lines:
                next(lines)
                for line in lines:
                    file.write(before + line.rstrip())
                    before, people = b",", people + 1
                    image = line.split(b",", 1)[0]
                    images, last = images + (image != last), image
        file.write(b"[]" if before == b"[" else b"]")

    write_whole_with(out, fill)
    return people, images


def write_sizes(asked: Asked, told: Sequence[Told], skeleton: Skeleton, path: Path) -> None:
    """A COCO file without people that says which bare picture has which number."""
    parts = [asked.images(one.shard) for one in told]
    names = [name for part in parts for name in part.file_names]
    sizes = np.array([size for one in told for size in one.sizes_wh]).reshape(-1, 2)
    images = make_images(asked.image_ids, names, *sizes.T)
    write_coco(make_instances(skeleton, images, [], np.zeros((0, 4)), []), path)


def _reasons(found: Predictions) -> list[str]:
    return [note.removeprefix("not predicted: ") for note in found.notes]
