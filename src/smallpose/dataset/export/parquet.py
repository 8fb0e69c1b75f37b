"""Parquet as the Hugging Face hub likes it: a row an image, its people as a list of records.

`datasets.load_dataset(FOLDER)` finds `train` and `test` by itself; so do DuckDB, Polars and Ray.
Numbers keep all their digits. What a skeleton is stands in the files' metadata.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import (
    SOURCES,
    Instances,
    concat_instances,
    make_images,
    make_instances,
)
from smallpose.core.skeleton import Skeleton, resolve_skeleton
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, read_image_bytes
from smallpose.system.files import write_atomically

IMAGES_PER_FILE = {False: 20_000, True: 500}  # images in a file, without and with their pictures
_METADATA_KEY = b"smallpose"
_USAGE = """```python
from datasets import load_dataset

people = load_dataset("FOLDER")["test"][0]["people"]  # this folder, or a repository made of it
```

`keypoints` holds x, y, v of each joint in turn; `image` is there only if pictures were exported.
The joints' names, edges and sigmas stand in the Parquet schema's metadata under `smallpose`."""


def export_parquet(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `data/train-00000-of-00004.parquet` … and a data set card.

    Args:
        pictures: "copy" puts the picture files into the rows, "none" leaves them out.
    Raises: InputError when pyarrow is missing.
    """
    pq = _import_pyarrow("pyarrow.parquet")
    if image_mode == "link":
        raise InputError("--images link", "Parquet cannot hold links", "use copy or none")
    written = ExportResult("Parquet, for Hugging Face and others", usage=_USAGE)
    (out / "data").mkdir()
    for split, people in built.parts.items():
        total = max(1, -(-len(people.images) // IMAGES_PER_FILE[image_mode == "copy"]))
        for number, part in enumerate(_split_by_images(people, image_mode == "copy")):
            table = _build_table(part, built if image_mode == "copy" else None, written)
            name = f"{split}-{number:05d}-of-{total:05d}.parquet"
            pq.write_table(table, out / "data" / name, compression="zstd", row_group_size=500)
        written.images += len(people.images)
        written.people += len(people)
    write_atomically(out / "README.md", _format_card(written))
    return written


def _import_pyarrow(part: str = "pyarrow") -> Any:
    """The optional package, looked up by name because it ships no types."""
    try:
        return import_module(part)
    except ImportError:
        raise InputError(
            "--to parquet", "pyarrow is not installed", "pip install '.[parquet]' in your clone"
        ) from None


def _split_by_images(people: Instances, with_pictures: bool) -> Iterator[Instances]:
    """Runs of images with all their people; one empty part for an empty table."""
    step = IMAGES_PER_FILE[with_pictures]
    for start in range(0, max(len(people.images), 1), step):
        stop = min(start + step, len(people.images))
        yield people.take_images(np.arange(start, stop, dtype=np.intp))


def _build_table(people: Instances, pictures: BuiltSet | None, written: ExportResult) -> Any:
    pa = _import_pyarrow()

    images, k3 = people.images, 3 * len(people.skeleton)
    columns: dict[str, Any] = {
        "image_id": pa.array(images.ids, pa.int64()),
        "file_name": pa.array(images.file_names, pa.string()),
        "width": pa.array(images.width, pa.int64()),
        "height": pa.array(images.height, pa.int64()),
        "source": _encode_names(SOURCES, images.source.tolist()),
        "source_id": pa.array(images.source_ids, pa.string()),
        "group": pa.array(images.groups, pa.string()),
    }
    if pictures is not None:
        files = [read_image_bytes(pictures, name) for name in images.file_names]
        written.missing += sum(f is None for f in files)
        columns["image"] = pa.array(
            [
                None if data is None else {"bytes": data, "path": name}
                for name, data in zip(images.file_names, files, strict=True)
            ],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
    person = {
        "id": pa.array(people.ids, pa.int64()),
        "bbox": _build_fixed_lists(people.boxes_xywh, 4),
        "area": pa.array(np.where(np.isnan(people.file_area), people.area, people.file_area)),
        "iscrowd": pa.array(people.iscrowd, pa.bool_()),
        "num_keypoints": pa.array(people.num_keypoints, pa.int64()),
        "keypoints": _build_fixed_lists(people.keypoints, k3),
        "source": _encode_names(SOURCES, people.source.tolist()),
        "box_rule": _encode_names(BOX_RULES, people.box_rule.tolist()),
        "segmentation_area": pa.array(
            people.segmentation_area, pa.float64(), mask=np.isnan(people.segmentation_area)
        ),
    }
    records = pa.StructArray.from_arrays(list(person.values()), names=list(person))
    ends = np.cumsum(np.bincount(people.image_rows, minlength=len(images)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    columns["people"] = pa.ListArray.from_arrays(offsets, records)
    table = pa.table(columns)
    return table.replace_schema_metadata(_build_metadata(people, pictures is not None))


def _encode_names(known: tuple[str, ...], codes: list[int]) -> Any:
    pa = _import_pyarrow()

    return pa.array([known[c] for c in codes], pa.string())


def _build_fixed_lists(values: np.ndarray[Any, np.dtype[np.float64]], width: int) -> Any:
    pa = _import_pyarrow()

    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.float64()), width)


def _build_metadata(people: Instances, with_pictures: bool) -> dict[bytes, bytes]:
    skeleton = people.skeleton
    own: dict[str, Any] = {
        "category_id": people.category_id,
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        "sigmas": skeleton.sigmas.tolist(),
    }
    return {_METADATA_KEY: json.dumps(own).encode()} | (
        {b"huggingface": json.dumps({"info": {"features": _describe_features(skeleton)}}).encode()}
        if with_pictures
        else {}
    )


def _describe_features(skeleton: Skeleton) -> dict[str, Any]:
    """The columns as Hugging Face's `datasets` describes them, so that it shows the pictures."""

    def value(kind: str) -> dict[str, str]:
        return {"_type": "Value", "dtype": kind}

    def several(kind: str, length: int) -> dict[str, Any]:
        return {"_type": "List", "feature": value(kind), "length": length}

    person = {
        "id": value("int64"),
        "bbox": several("float64", 4),
        "area": value("float64"),
        "iscrowd": value("bool"),
        "num_keypoints": value("int64"),
        "keypoints": several("float64", 3 * len(skeleton)),
        "source": value("string"),
        "box_rule": value("string"),
        "segmentation_area": value("float64"),
    }
    image = {n: value("int64") for n in ("image_id", "width", "height")}
    image |= {n: value("string") for n in ("file_name", "source", "source_id", "group")}
    order = ("image_id", "file_name", "width", "height", "source", "source_id", "group")
    return {n: image[n] for n in order} | {
        "image": {"_type": "Image"},
        "people": {"_type": "List", "feature": person},
    }


def _format_card(written: ExportResult) -> str:
    head = (
        "---\nlicense: other\ntask_categories:\n- keypoint-detection\nconfigs:\n"
        "- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
        "  - split: test\n    path: data/test-*\n---\n\n"
    )
    return head + written.to_readme()


def read_parquet(folder: Path, split: str) -> Instances:
    """One split of an exported folder as `Instances`, equal to the set's table.

    Raises: InputError when pyarrow or the files are missing, or they are somebody else's.
    """
    files = sorted((folder / "data").glob(f"{split}-*.parquet"))
    if not files:
        raise InputError(f"{folder}/data", f"holds no {split}-*.parquet", "name an exported folder")
    return read_shards(files)


def read_shards(files: Sequence[Path]) -> Instances:
    """All people of some shards, in their order.

    Raises: InputError when pyarrow is missing, or a file is somebody else's.
    """
    pq = _import_pyarrow("pyarrow.parquet")
    parts = []
    for path in files:
        own = _parse_metadata(path, pq.read_schema(path).metadata)
        names = [n for n in pq.read_schema(path).names if n != "image"]
        people = convert_rows(pq.read_table(path, columns=names), _build_skeleton(own))
        parts.append(replace(people, category_id=own["category_id"]))
    return parts[0] if len(parts) == 1 else _join_parts(parts)


def read_skeleton(path: Path) -> Skeleton:
    """The joints of a Parquet file that `export` wrote, or that holds the same metadata.

    Raises: InputError when it is no Parquet file or says nothing of joints.
    """
    pq = _import_pyarrow("pyarrow.parquet")
    try:
        metadata = pq.read_schema(path).metadata
    except (OSError, ValueError) as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else "is no Parquet file"
        raise InputError(str(path), what, "name shards that export wrote") from None
    return _build_skeleton(_parse_metadata(path, metadata))


def _parse_metadata(path: Path, metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    if not metadata or _METADATA_KEY not in metadata:
        raise InputError(
            str(path), "has no metadata `smallpose`", "write it with smallpose export --to parquet"
        )
    own: dict[str, Any] = json.loads(metadata[_METADATA_KEY])
    return own


def _build_skeleton(own: Mapping[str, Any]) -> Skeleton:
    return resolve_skeleton(own["keypoints"], [(a - 1, b - 1) for a, b in own["skeleton"]])


def convert_rows(rows: Any, skeleton: Skeleton) -> Instances:
    """Rows of images, as an Arrow table or batch of any engine, as `Instances`.

    Columns that are not there are unknown: counting needs only `source` and `people`.
    """
    pa, pc = _import_pyarrow(), _import_pyarrow("pyarrow.compute")
    table = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows

    def column(name: str) -> Any:
        chunks = table[name]
        return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)

    def words(name: str) -> list[str] | None:
        return column(name).to_pylist() if name in table.column_names else None

    def numbers(name: str) -> Any:
        return column(name).to_numpy(zero_copy_only=False) if name in table.column_names else None

    def codes(values: Any, known: tuple[str, ...]) -> Any:
        found = pc.index_in(values.cast(pa.string()), pa.array(known, pa.string()))
        return found.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int8)

    m = len(table)
    images = make_images(
        np.arange(m) if numbers("image_id") is None else numbers("image_id"),
        words("file_name") or ("",) * m,
        numbers("width"),
        numbers("height"),
        codes(column("source"), SOURCES),
        words("source_id"),
        words("group"),
    )
    people = column("people")
    records = people.flatten()
    ends = np.diff(people.offsets.to_numpy())

    def field(name: str) -> Any:
        return records.field(name)

    def flat(name: str, width: int) -> Any:
        return field(name).flatten().to_numpy(zero_copy_only=False).reshape(-1, width)

    def one(name: str) -> Any:
        return field(name).to_numpy(zero_copy_only=False)

    return make_instances(
        skeleton,
        images,
        np.repeat(np.arange(m), ends),
        flat("bbox", 4),
        flat("keypoints", 3 * len(skeleton)).reshape(-1, len(skeleton), 3),
        ids=one("id"),
        num_keypoints=one("num_keypoints"),
        iscrowd=one("iscrowd"),
        file_area=one("area"),
        source=codes(field("source"), SOURCES),
        box_rule=codes(field("box_rule"), BOX_RULES),
        segmentation_area=one("segmentation_area").astype(np.float64),
    )


def _join_parts(parts: list[Instances]) -> Instances:
    """The parts as one, with the ids they came with."""
    whole = concat_instances(parts, parts[0].skeleton)
    images = replace(whole.images, ids=np.concatenate([p.images.ids for p in parts]))
    return replace(
        whole,
        images=images,
        ids=np.concatenate([p.ids for p in parts]),
        num_keypoints=np.concatenate([p.num_keypoints for p in parts]),
        category_id=parts[0].category_id,
    )
