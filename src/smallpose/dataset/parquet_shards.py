"""Count and select people in Parquet shards of any size, one batch of images at a time.

A row is an image with its people, as `smallpose export --to parquet` writes it, so a batch never
cuts an image. A backend only reads batches; the functions that look at people are the same as for
a file in memory. `polars` streams on one machine, `ray` uses many, and `arrow` is the plain loop
that tests compare both with.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.concat_instances import concat_instances
from smallpose.core.errors import InputError, RunError
from smallpose.core.skeleton import Skeleton
from smallpose.dataset.builder.select_images import (
    Selection,
    count_people_by_size,
    select_from_counts,
)
from smallpose.dataset.export.read_parquet import convert_rows, read_skeleton
from smallpose.sources.locate import natural_sort_key
from smallpose.stats.dataset_counts import DatasetCounts, Partials, count_partials, merge_partials
from smallpose.system.child_process import run_in_child
from smallpose.system.packages import explain_import_error
from smallpose.system.progress import print_status

IMAGES_PER_BATCH = 2_000  # about 15 MB of keypoints in crowded images
_COLUMNS = ("image_id", "source", "people")

# A function of one batch of rows.
Kernel = Callable[[Any], dict[str, NDArray[np.int64]]]


def count_shards(files: Sequence[Path], backend: str = "") -> DatasetCounts:
    """Count what `stats` counts, over the shards of one data set.

    Args:
        backend: "polars", "ray" or "arrow"; by default Polars if it is installed, else Arrow.
    Raises: InputError for a file without our metadata, or a backend that is not installed.
    """
    skeleton = _read_common_skeleton(files)
    empty: Partials = {}
    parts = _map_batches(
        backend, files, partial(_count_dataset_batch, skeleton, _name_files(files))
    )
    total = reduce(merge_partials, parts, empty)
    return DatasetCounts(total or count_partials(concat_instances([], skeleton)))


def select_shards(
    files: Sequence[Path], out: Path, split: str, seed: int = 0, backend: str = ""
) -> Selection:
    """Write the images that `build` would select to shards of the same names in `out`.

    These are all images with a small person, and a random share of the others (paper, Sec. 9.1).
    Only three counts per image are kept in memory.

    Args:
        out: a folder that does not exist yet.
        split: "train" or "test"; the selection approaches the paper's mix of sizes of this split.
        backend: as in `count_shards`.
    Raises: InputError for a file without our metadata, RunError for a full disk.
    """
    if out.exists():
        raise InputError(str(out), "the folder exists already", "choose another folder")
    names = [f.name for f in files]
    if len(set(names)) < len(names):
        raise InputError(
            str(files[0].parent), "two shards have the same name", "rename one of them"
        )
    skeleton = _read_common_skeleton(files)
    parts = list(
        _map_batches(backend, files, partial(_count_sizes_batch, skeleton, _name_files(files)))
    )
    if not parts:
        raise InputError(_name_files(files), "has no rows", "export the data set again")
    counts = np.concatenate([p["counts"] for p in parts])
    source = np.concatenate([p["source"] for p in parts]).astype(np.int8)
    selection = select_from_counts(counts, source, split, np.random.default_rng(seed))
    for line in (selection.describe_left_out(split), selection.note):
        if line:
            print_status(line)
    is_selected = np.zeros(len(counts), dtype=bool)
    is_selected[selection.rows] = True
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by an interrupted run
    try:
        part.mkdir(parents=True)
        _write_selected(files, is_selected, part)
        part.replace(out)
    except OSError as error:
        raise RunError(
            str(out), f"{error.strerror or error}", "free some space and run it again"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return selection


def group_shards(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Group shards by the name that they share except for their numbers, in natural order.

    `data/train-00000-of-00002.parquet` and `data/train-00001-of-00002.parquet` are `train`; the
    folder is added to the name where two folders contain shards of that name.
    """
    groups: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(dict.fromkeys(files), key=lambda p: natural_sort_key(str(p))):
        stem = re.sub(r"([-_.]?\d+)?([-_.]of[-_.]\d+)?$", "", path.name.removesuffix(".parquet"))
        groups.setdefault((str(path.parent), stem or path.parent.name), []).append(path)
    stems = [stem for _, stem in groups]
    return {
        stem if stems.count(stem) == 1 else f"{Path(folder).name}/{stem}": shards
        for (folder, stem), shards in groups.items()
    }


def _count_dataset_batch(skeleton: Skeleton, where: str, rows: Any) -> Partials:
    """Count a batch as `stats` does."""
    return count_partials(convert_rows(rows, skeleton, where))


def _count_sizes_batch(skeleton: Skeleton, where: str, rows: Any) -> dict[str, NDArray[np.int64]]:
    """Count the people of each image by size, and return its source."""
    people = convert_rows(rows, skeleton, where)
    return {
        "counts": count_people_by_size(people),
        "source": people.images.source.astype(np.int64),
    }


def _read_common_skeleton(files: Sequence[Path]) -> Skeleton:
    """Read the joints of all shards; raise InputError where they differ."""
    first, *others = [read_skeleton(path) for path in files]
    for path, skeleton in zip(files[1:], others, strict=True):
        if skeleton.joints != first.joints:
            raise InputError(
                str(path), f"its joints differ from those of {files[0]}", "process it separately"
            )
    return first


def _map_batches(backend: str, files: Sequence[Path], kernel: Kernel) -> Iterator[Partials]:
    """Apply the kernel to each batch, in the order of the files."""
    backend = backend or ("polars" if find_spec("polars") else "arrow")
    if backend not in BACKENDS:
        raise InputError(
            f"--backend {backend}", "no such backend", f"choose from {', '.join(BACKENDS)}"
        )
    with _explain_read_errors(files):
        yield from BACKENDS[backend]([str(f) for f in files], kernel)


@contextmanager
def _explain_read_errors(files: Sequence[Path | str]) -> Iterator[None]:
    """Raise InputError for what Polars, Arrow or the operating system reports."""
    try:
        yield
    except (InputError, RunError):
        raise
    except Exception as error:
        is_from_reader = type(error).__module__.split(".")[0] in ("polars", "pyarrow")
        if not (is_from_reader or isinstance(error, OSError)):
            raise
        reason = (str(error).strip().splitlines() or ["the file is damaged"])[0]
        raise InputError(
            _name_files(files), f"cannot be read ({reason[:160]})", "download or export it again"
        ) from None


def _name_files(files: Sequence[Path | str]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _map_with_arrow(files: list[str], kernel: Kernel, batch_size: int = 0) -> Iterator[Partials]:
    data = _import_optional("pyarrow.dataset").dataset(files)
    batch_size = batch_size or IMAGES_PER_BATCH
    for batch in data.to_batches(columns=list(_COLUMNS), batch_size=batch_size):
        if len(batch):
            yield kernel(batch)


def _map_with_polars(files: list[str], kernel: Kernel) -> Iterator[Partials]:
    """Read in a process of its own: on damaged sizes Polars ends the process it runs in."""
    _import_optional("polars")
    where, remedy = _name_files(files), "download or export it again, or try --backend arrow"
    yield from run_in_child(
        _collect_with_polars, files, kernel, IMAGES_PER_BATCH, where=where, remedy=remedy
    )


def _collect_with_polars(files: list[str], kernel: Kernel, batch_size: int) -> list[Partials]:
    pl = _import_optional("polars")
    with _explain_read_errors(files):
        scan = pl.scan_parquet(files, glob=False).select(_COLUMNS)
        batches = scan.collect_batches(chunk_size=batch_size, maintain_order=True)
        return [kernel(batch.to_arrow()) for batch in batches if len(batch)]


def _map_with_ray(files: list[str], kernel: Kernel) -> Iterator[Partials]:
    """Process each shard in a Ray task, on the connected cluster or on the cores of this machine.

    Tasks open the shards by path: every machine must be able to read them there, or they must
    have an address such as s3://.
    """
    ray = _import_optional("ray")
    process = ray.remote(_process_shard)
    paths = [f if "://" in f else str(Path(f).resolve()) for f in files]
    try:
        results = [process.remote(path, kernel, IMAGES_PER_BATCH) for path in paths]
        for result in results:
            yield from ray.get(result)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise RunError("Ray", reason, "read Ray's log, or use --backend polars") from None


BACKENDS: Mapping[str, Callable[[list[str], Kernel], Iterator[Partials]]] = {
    "polars": _map_with_polars,
    "ray": _map_with_ray,
    "arrow": _map_with_arrow,
}


def _process_shard(path: str, kernel: Kernel, batch_size: int) -> list[Partials]:
    """Apply the kernel to each batch of one shard."""
    return list(_map_with_arrow([path], kernel, batch_size))


def _import_optional(module: str) -> Any:
    """Import an optional package by name, which keeps mypy from requiring it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise explain_import_error("Parquet", error) from None


def _write_selected(files: Sequence[Path], is_selected: NDArray[np.bool_], out: Path) -> None:
    """Copy the selected rows of each shard, batch by batch."""
    pa = _import_optional("pyarrow")
    pq = _import_optional("pyarrow.parquet")
    start = 0
    for path in files:
        shard = pq.ParquetFile(path)
        with pq.ParquetWriter(out / path.name, shard.schema_arrow, compression="zstd") as writer:
            for batch in shard.iter_batches(batch_size=IMAGES_PER_BATCH):
                kept = batch.filter(pa.array(is_selected[start : start + len(batch)]))
                start += len(batch)
                if len(kept):
                    writer.write_batch(kept)
