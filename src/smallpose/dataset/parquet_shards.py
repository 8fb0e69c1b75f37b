"""Parquet of any size, one batch of images at a time: counted and selected through an engine.

Rows are images with their people, as `smallpose export --to parquet` writes them, so no image is
cut by a batch. An engine only carries batches: the functions that look at people are those that
look at a file in memory. `polars` streams on one machine, `ray` spreads over many, `arrow` is the
plain loop that both are held equal to.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, reduce
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RunError
from smallpose.core.skeleton import Skeleton
from smallpose.dataset.builder.select_images import Selection, people_by_size, select_counted
from smallpose.dataset.export.parquet import people_of_rows, skeleton_of
from smallpose.sources.locate import natural
from smallpose.stats.dataset_counts import Partials, Tally, merge, tally
from smallpose.system.progress import say

COLUMNS = ("image_id", "source", "people")
IMAGES = 2_000  # in a batch; some 15 MB of keypoints in crowded images

Kernel = Callable[[Any], dict[str, NDArray[np.int64]]]


def tally_shards(files: Sequence[Path], engine: str = "") -> Tally:
    """What `stats` counts, over shards of one data set.

    Args:
        engine: "polars", "ray" or "arrow"; without, Polars where it is installed.
    Raises: InputError for a file that is no such Parquet, or an engine that is not installed.
    """
    skeleton = _one_skeleton(files)
    empty: Partials = {}
    parts = _run(engine, files, partial(_tally_rows, skeleton))
    whole = reduce(merge, parts, empty)
    return Tally(whole if whole else tally(_nobody(skeleton)))


def select_shards(
    files: Sequence[Path], out: Path, split: str, seed: int = 0, engine: str = ""
) -> Selection:
    """The images that `build` would take of these, as shards of the same names in `out`.

    Every image with a small person, and a random share of the rest (paper, Sec. 9.1). Only three
    counts an image are held in memory.

    Args:
        split: "train" or "test", whose mix of the paper is the target.
        out: a folder that does not exist yet.
    Raises: InputError for a file that is no such Parquet, RunError for a full disk.
    """
    if out.exists():
        raise InputError(str(out), "exists already", "choose another folder")
    names = [f.name for f in files]
    if len(set(names)) < len(names):
        raise InputError(str(files[0].parent), "two shards have one name", "rename one of them")
    skeleton = _one_skeleton(files)
    parts = list(_run(engine, files, partial(_count_rows, skeleton)))
    counts = np.concatenate([p["counts"] for p in parts])
    source = np.concatenate([p["source"] for p in parts]).astype(np.int8)
    selection = select_counted(counts, source, split, np.random.default_rng(seed))
    if selection.note:
        say(selection.note)
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[selection.rows] = True
    work = out.with_name(f".{out.name}.part")
    shutil.rmtree(work, ignore_errors=True)  # of one that was killed
    try:
        work.mkdir(parents=True)
        _write_chosen(files, chosen, work)
        work.replace(out)
    except OSError as error:
        raise RunError(str(out), f"{error.strerror or error}", "make room and try again") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return selection


def shard_sets(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Shards by the name they share without their numbers, in natural order.

    `data/train-00000-of-00002.parquet` and `data/train-00001-of-00002.parquet` are `train`; the
    folder comes before the name where two folders hold one.
    """
    by_place: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(dict.fromkeys(files), key=lambda p: natural(str(p))):
        stem = re.sub(r"([-_.]?\d+)?([-_.]of[-_.]\d+)?$", "", path.name.removesuffix(".parquet"))
        by_place.setdefault((str(path.parent), stem or path.parent.name), []).append(path)
    stems = [stem for _, stem in by_place]
    return {
        stem if stems.count(stem) == 1 else f"{Path(folder).name}/{stem}": found
        for (folder, stem), found in by_place.items()
    }


def _tally_rows(skeleton: Skeleton, rows: Any) -> Partials:
    """Kernel: a batch of rows to partial sums."""
    return tally(people_of_rows(rows, skeleton))


def _count_rows(skeleton: Skeleton, rows: Any) -> dict[str, NDArray[np.int64]]:
    """Kernel: a batch of rows to each image's people by size, and its source."""
    people = people_of_rows(rows, skeleton)
    return {
        "counts": people_by_size(people),
        "source": people.images.source.astype(np.int64),
    }


def _nobody(skeleton: Skeleton) -> Any:
    from smallpose.core.instances import concat

    return concat([], skeleton)


def _one_skeleton(files: Sequence[Path]) -> Skeleton:
    """The joints that all files have."""
    found = [skeleton_of(path) for path in files]
    for path, skeleton in zip(files, found, strict=True):
        if skeleton.joints != found[0].joints:
            raise InputError(str(path), f"has other joints than {files[0]}", "count it on its own")
    return found[0]


def _run(engine: str, files: Sequence[Path], kernel: Kernel) -> Iterator[Partials]:
    """The kernel's result of each batch, in the files' order."""
    engine = engine or ("polars" if find_spec("polars") else "arrow")
    if engine not in ENGINES:
        raise InputError(
            f"--engine {engine}", "no such engine", f"choose from {', '.join(ENGINES)}"
        )
    try:
        yield from ENGINES[engine]([str(f) for f in files], kernel)
    except (InputError, RunError):
        raise
    except Exception as error:
        theirs = type(error).__module__.split(".")[0] in ("polars", "pyarrow")
        if not (theirs or isinstance(error, OSError)):
            raise
        what = (str(error).strip().splitlines() or ["it is damaged"])[0]
        where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        raise InputError(where, f"cannot be read ({what[:160]})", "fetch it again") from None


def _with_arrow(files: list[str], kernel: Kernel, images: int = 0) -> Iterator[Partials]:
    data = _engine("pyarrow.dataset", "parquet").dataset(files)
    for batch in data.to_batches(columns=list(COLUMNS), batch_size=images or IMAGES):
        if len(batch):
            yield kernel(batch)


def _with_polars(files: list[str], kernel: Kernel) -> Iterator[Partials]:
    pl = _engine("polars", "polars")
    scan = pl.scan_parquet(files, glob=False).select(COLUMNS)
    for batch in scan.collect_batches(chunk_size=IMAGES, maintain_order=True):
        if len(batch):
            yield kernel(batch.to_arrow())


def _with_ray(files: list[str], kernel: Kernel) -> Iterator[Partials]:
    """On the cluster that Ray is connected to, else on this machine's cores; a shard is a task.

    Tasks open the shards by their own path: every machine must see them there, or they must have an
    address such as s3://.
    """
    ray = _engine("ray", "ray")
    data = import_module("ray.data")
    data.DataContext.get_current().execution_options.preserve_order = True
    absolute = [f if "://" in f else str(Path(f).resolve()) for f in files]
    shards = data.from_items([{"file": f} for f in absolute], override_num_blocks=len(files))
    try:
        for row in shards.map(partial(_packed, kernel, IMAGES)).iter_rows():
            yield from _unpacked(row["parts"])
    except ray.exceptions.RayError as error:
        what = str(error).strip().splitlines()[-1]
        raise RunError("Ray", what, "see its log, or use --engine polars") from None


ENGINES: Mapping[str, Callable[[list[str], Kernel], Iterator[Partials]]] = {
    "polars": _with_polars,
    "ray": _with_ray,
    "arrow": _with_arrow,
}


def _engine(module: str, extra: str) -> Any:
    """An optional package, looked up by name because an engine need not be there."""
    try:
        return import_module(module)
    except ImportError:
        name = module.split(".")[0]
        raise InputError(
            "Parquet", f"{name} is not installed", f"pip install 'smallpose[{extra}]'"
        ) from None


def _packed(kernel: Kernel, images: int, row: Mapping[str, str]) -> dict[str, bytes]:
    """A task: the kernel's results over one shard as bytes; arrays of many shapes make no table."""
    parts = [
        {name: (values.shape, values.tobytes()) for name, values in part.items()}
        for part in _with_arrow([row["file"]], kernel, images)
    ]
    return {"parts": msgspec.msgpack.encode(parts)}


def _unpacked(data: bytes) -> list[Partials]:
    parts = msgspec.msgpack.decode(data, type=list[dict[str, tuple[tuple[int, ...], bytes]]])
    return [
        {n: np.frombuffer(flat, dtype=np.int64).reshape(shape) for n, (shape, flat) in p.items()}
        for p in parts
    ]


def _write_chosen(files: Sequence[Path], chosen: NDArray[np.bool_], out: Path) -> None:
    """Each shard without the rows that were not chosen, batch by batch."""
    pa, pq = _engine("pyarrow", "parquet"), _engine("pyarrow.parquet", "parquet")
    start = 0
    for path in files:
        shard = pq.ParquetFile(path)
        with pq.ParquetWriter(out / path.name, shard.schema_arrow, compression="zstd") as writer:
            for batch in shard.iter_batches(batch_size=IMAGES):
                kept = batch.filter(pa.array(chosen[start : start + len(batch)]))
                start += len(batch)
                if len(kept):
                    writer.write_batch(kept)
