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
from smallpose.dataset.builder.select_images import (
    Selection,
    count_people_by_size,
    select_from_counts,
)
from smallpose.dataset.export.parquet import convert_rows, read_skeleton
from smallpose.sources.locate import natural_sort_key
from smallpose.stats.dataset_counts import DatasetCounts, Partials, count_partials, merge_partials
from smallpose.system.progress import print_status

_COLUMNS = ("image_id", "source", "people")
IMAGES_PER_BATCH = 2_000  # in a batch; some 15 MB of keypoints in crowded images

Kernel = Callable[[Any], dict[str, NDArray[np.int64]]]


def count_shards(files: Sequence[Path], backend: str = "") -> DatasetCounts:
    """What `stats` counts, over shards of one data set.

    Args:
        engine: "polars", "ray" or "arrow"; without, Polars where it is installed.
    Raises: InputError for a file that is no such Parquet, or an engine that is not installed.
    """
    skeleton = _read_common_skeleton(files)
    empty: Partials = {}
    parts = _map_batches(backend, files, partial(_count_dataset_batch, skeleton))
    whole = reduce(merge_partials, parts, empty)
    return DatasetCounts(whole if whole else count_partials(_make_empty_table(skeleton)))


def select_shards(
    files: Sequence[Path], out: Path, split: str, seed: int = 0, backend: str = ""
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
    skeleton = _read_common_skeleton(files)
    parts = list(_map_batches(backend, files, partial(_count_sizes_batch, skeleton)))
    counts = np.concatenate([p["counts"] for p in parts])
    source = np.concatenate([p["source"] for p in parts]).astype(np.int8)
    selection = select_from_counts(counts, source, split, np.random.default_rng(seed))
    if selection.note:
        print_status(selection.note)
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[selection.rows] = True
    work = out.with_name(f".{out.name}.part")
    shutil.rmtree(work, ignore_errors=True)  # of one that was killed
    try:
        work.mkdir(parents=True)
        _write_selected(files, chosen, work)
        work.replace(out)
    except OSError as error:
        raise RunError(str(out), f"{error.strerror or error}", "make room and try again") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return selection


def group_shards(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Shards by the name they share without their numbers, in natural order.

    `data/train-00000-of-00002.parquet` and `data/train-00001-of-00002.parquet` are `train`; the
    folder comes before the name where two folders hold one.
    """
    by_place: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(dict.fromkeys(files), key=lambda p: natural_sort_key(str(p))):
        stem = re.sub(r"([-_.]?\d+)?([-_.]of[-_.]\d+)?$", "", path.name.removesuffix(".parquet"))
        by_place.setdefault((str(path.parent), stem or path.parent.name), []).append(path)
    stems = [stem for _, stem in by_place]
    return {
        stem if stems.count(stem) == 1 else f"{Path(folder).name}/{stem}": found
        for (folder, stem), found in by_place.items()
    }


def _count_dataset_batch(skeleton: Skeleton, rows: Any) -> Partials:
    """Kernel: a batch of rows to partial sums."""
    return count_partials(convert_rows(rows, skeleton))


def _count_sizes_batch(skeleton: Skeleton, rows: Any) -> dict[str, NDArray[np.int64]]:
    """Kernel: a batch of rows to each image's people by size, and its source."""
    people = convert_rows(rows, skeleton)
    return {
        "counts": count_people_by_size(people),
        "source": people.images.source.astype(np.int64),
    }


def _make_empty_table(skeleton: Skeleton) -> Any:
    from smallpose.core.instances import concat_instances

    return concat_instances([], skeleton)


def _read_common_skeleton(files: Sequence[Path]) -> Skeleton:
    """The joints that all files have."""
    found = [read_skeleton(path) for path in files]
    for path, skeleton in zip(files, found, strict=True):
        if skeleton.joints != found[0].joints:
            raise InputError(str(path), f"has other joints than {files[0]}", "count it on its own")
    return found[0]


def _map_batches(backend: str, files: Sequence[Path], kernel: Kernel) -> Iterator[Partials]:
    """The kernel's result of each batch, in the files' order."""
    backend = backend or ("polars" if find_spec("polars") else "arrow")
    if backend not in BACKENDS:
        raise InputError(
            f"--engine {backend}", "no such engine", f"choose from {', '.join(BACKENDS)}"
        )
    try:
        yield from BACKENDS[backend]([str(f) for f in files], kernel)
    except (InputError, RunError):
        raise
    except Exception as error:
        theirs = type(error).__module__.split(".")[0] in ("polars", "pyarrow")
        if not (theirs or isinstance(error, OSError)):
            raise
        what = (str(error).strip().splitlines() or ["it is damaged"])[0]
        where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        raise InputError(where, f"cannot be read ({what[:160]})", "fetch it again") from None


def _map_with_arrow(files: list[str], kernel: Kernel, images: int = 0) -> Iterator[Partials]:
    data = _import_optional("pyarrow.dataset", "parquet").dataset(files)
    for batch in data.to_batches(columns=list(_COLUMNS), batch_size=images or IMAGES_PER_BATCH):
        if len(batch):
            yield kernel(batch)


def _map_with_polars(files: list[str], kernel: Kernel) -> Iterator[Partials]:
    pl = _import_optional("polars", "polars")
    scan = pl.scan_parquet(files, glob=False).select(_COLUMNS)
    for batch in scan.collect_batches(chunk_size=IMAGES_PER_BATCH, maintain_order=True):
        if len(batch):
            yield kernel(batch.to_arrow())


def _map_with_ray(files: list[str], kernel: Kernel) -> Iterator[Partials]:
    """On the cluster that Ray is connected to, else on this machine's cores; a shard is a task.

    Tasks open the shards by their own path: every machine must see them there, or they must have an
    address such as s3://.
    """
    ray = _import_optional("ray", "ray")
    data = import_module("ray.data")
    data.DataContext.get_current().execution_options.preserve_order = True
    absolute = [f if "://" in f else str(Path(f).resolve()) for f in files]
    shards = data.from_items([{"file": f} for f in absolute], override_num_blocks=len(files))
    try:
        for row in shards.map(partial(_process_shard, kernel, IMAGES_PER_BATCH)).iter_rows():
            yield from _decode_parts(row["parts"])
    except ray.exceptions.RayError as error:
        what = str(error).strip().splitlines()[-1]
        raise RunError("Ray", what, "see its log, or use --engine polars") from None


BACKENDS: Mapping[str, Callable[[list[str], Kernel], Iterator[Partials]]] = {
    "polars": _map_with_polars,
    "ray": _map_with_ray,
    "arrow": _map_with_arrow,
}


def _import_optional(module: str, extra: str) -> Any:
    """An optional package, looked up by name because an engine need not be there."""
    try:
        return import_module(module)
    except ImportError:
        name = module.split(".")[0]
        raise InputError(
            "Parquet", f"{name} is not installed", f"pip install 'smallpose[{extra}]'"
        ) from None


def _process_shard(kernel: Kernel, images: int, row: Mapping[str, str]) -> dict[str, bytes]:
    """A task: the kernel's results over one shard as bytes; arrays of many shapes make no table."""
    parts = [
        {name: (values.shape, values.tobytes()) for name, values in part.items()}
        for part in _map_with_arrow([row["file"]], kernel, images)
    ]
    return {"parts": msgspec.msgpack.encode(parts)}


def _decode_parts(data: bytes) -> list[Partials]:
    parts = msgspec.msgpack.decode(data, type=list[dict[str, tuple[tuple[int, ...], bytes]]])
    return [
        {n: np.frombuffer(flat, dtype=np.int64).reshape(shape) for n, (shape, flat) in p.items()}
        for p in parts
    ]


def _write_selected(files: Sequence[Path], chosen: NDArray[np.bool_], out: Path) -> None:
    """Each shard without the rows that were not chosen, batch by batch."""
    pa, pq = _import_optional("pyarrow", "parquet"), _import_optional("pyarrow.parquet", "parquet")
    start = 0
    for path in files:
        shard = pq.ParquetFile(path)
        with pq.ParquetWriter(out / path.name, shard.schema_arrow, compression="zstd") as writer:
            for batch in shard.iter_batches(batch_size=IMAGES_PER_BATCH):
                kept = batch.filter(pa.array(chosen[start : start + len(batch)]))
                start += len(batch)
                if len(kept):
                    writer.write_batch(kept)
