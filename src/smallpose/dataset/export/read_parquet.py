"""Read the Parquet files that `parquet.py` writes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.concat_instances import concat_instances
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Images, Instances, make_images, make_instances
from smallpose.core.skeleton import Skeleton, resolve_skeleton
from smallpose.dataset.export.parquet import METADATA_KEY, import_pyarrow
from smallpose.dataset.export.parquet_schema import (
    Description,
    check_images,
    check_people,
    parse_description,
)


def read_parquet(folder: Path, split: str) -> Instances:
    """Read one split of an exported folder as `Instances`, equal to those of the data set.

    Raises: InputError when pyarrow or the files are missing, or the files lack our metadata.
    """
    files = sorted((folder / "data").glob(f"{split}-*.parquet"))
    if not files:
        raise InputError(
            f"{folder}/data",
            f"the folder has no {split}-*.parquet",
            "name a folder that smallpose export --to parquet wrote",
        )
    return read_shards(files)


def read_shards(files: Sequence[Path]) -> Instances:
    """Read all people of some shards, in their order.

    Raises: InputError when pyarrow is missing, or a file lacks our metadata.
    """
    pq = import_pyarrow("pyarrow.parquet")
    parts = []
    for path in files:
        schema = _read_schema(path)
        description = _parse_metadata(path, schema.metadata)
        names = [n for n in schema.names if n != "image"]
        try:
            rows = pq.read_table(path, columns=names)
        except (OSError, ValueError, NotImplementedError, LookupError, TypeError) as error:
            reason = (str(error).splitlines() or ["damaged"])[0][:160]
            raise InputError(
                str(path), f"cannot be read ({reason})", "download or export it again"
            ) from None
        people = convert_rows(rows, _build_skeleton(description), str(path))
        parts.append(replace(people, category_id=description.category_id))
    return parts[0] if len(parts) == 1 else _join_parts(parts)


def read_skeleton(path: Path) -> Skeleton:
    """Read the skeleton of a Parquet file that `export` wrote, or that has the same metadata.

    Raises: InputError when it is no Parquet file or lacks our metadata.
    """
    return _build_skeleton(_parse_metadata(path, _read_schema(path).metadata))


def _read_schema(path: Path) -> Any:
    pq = import_pyarrow("pyarrow.parquet")
    try:
        return pq.read_schema(path)
    except (OSError, ValueError, NotImplementedError, LookupError, TypeError) as error:
        is_missing = isinstance(error, FileNotFoundError)
        raise InputError(
            str(path),
            "no such file" if is_missing else "not a Parquet file",
            "name shards that smallpose export --to parquet wrote",
        ) from None


def convert_rows(rows: Any, skeleton: Skeleton, where: str = "Parquet") -> Instances:
    """Convert rows of images, an Arrow table or batch, to `Instances`.

    Missing columns are treated as unknown: counting needs only `source` and `people`.

    Args:
        where: names the file in errors.
    Raises: InputError for columns of another type, missing values, or lists of another length.
    """
    pa = import_pyarrow()
    table = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
    check_images(where, table)
    images = _convert_images(table)
    people = _get_column(table, "people")
    check_people(where, people, len(skeleton))
    records = people.flatten()
    num_people = np.diff(people.offsets.to_numpy())

    def get_lists(name: str, width: int) -> Any:
        values = records.field(name).flatten()
        return values.to_numpy(zero_copy_only=False).reshape(-1, width)

    def get_values(name: str) -> Any:
        return records.field(name).to_numpy(zero_copy_only=False)

    return make_instances(
        skeleton,
        images,
        image_rows=np.repeat(np.arange(len(table)), num_people),
        boxes_xywh=get_lists("bbox", 4),
        keypoints=get_lists("keypoints", 3 * len(skeleton)).reshape(-1, len(skeleton), 3),
        ids=get_values("id"),
        num_keypoints=get_values("num_keypoints"),
        iscrowd=get_values("iscrowd"),
        file_area=get_values("area"),
        source=_encode_column(records.field("source"), SOURCES),
        box_rule=_encode_column(records.field("box_rule"), BOX_RULES),
        segmentation_area=get_values("segmentation_area").astype(np.float64),
    )


def _convert_images(table: Any) -> Images:
    m = len(table)

    def get_text(name: str) -> list[str] | None:
        return _get_column(table, name).to_pylist() if name in table.column_names else None

    def get_numbers(name: str) -> Any:
        if name not in table.column_names:
            return None
        return _get_column(table, name).to_numpy(zero_copy_only=False)

    ids = get_numbers("image_id")
    splits = tuple(get_text("source_split") or ())
    images = make_images(
        ids=np.arange(m) if ids is None else ids,
        file_names=get_text("file_name") or ("",) * m,
        width=get_numbers("width"),
        height=get_numbers("height"),
        source=_encode_column(_get_column(table, "source"), SOURCES),
        source_ids=get_text("source_id"),
        groups=get_text("group"),
    )
    return replace(images, source_splits=splits) if any(splits) else images


def _get_column(table: Any, name: str) -> Any:
    chunks = table[name]
    return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)


def _encode_column(values: Any, names: tuple[str, ...]) -> NDArray[np.int8]:
    """Return the index of each value in `names`; 0 (unknown) for other values."""
    pa, pc = import_pyarrow(), import_pyarrow("pyarrow.compute")
    codes = pc.index_in(values.cast(pa.string()), pa.array(names, pa.string()))
    return np.asarray(codes.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int8))


def _parse_metadata(path: Path, metadata: Mapping[bytes, bytes] | None) -> Description:
    if not metadata or METADATA_KEY not in metadata:
        raise InputError(
            str(path),
            "the file has no metadata `smallpose`",
            "write it with smallpose export --to parquet",
        )
    return parse_description(str(path), metadata[METADATA_KEY])


def _build_skeleton(description: Description) -> Skeleton:
    edges = [(a - 1, b - 1) for a, b in description.skeleton]
    return resolve_skeleton(description.keypoints, edges)


def _join_parts(parts: list[Instances]) -> Instances:
    """Join the parts into one table that keeps their ids."""
    people = concat_instances(parts, parts[0].skeleton)
    images = replace(people.images, ids=np.concatenate([p.images.ids for p in parts]))
    return replace(
        people,
        images=images,
        ids=np.concatenate([p.ids for p in parts]),
        num_keypoints=np.concatenate([p.num_keypoints for p in parts]),
        category_id=parts[0].category_id,
    )
