"""Parquet as the Hugging Face hub likes it: a row an image, its people as a list of records.

`datasets.load_dataset(FOLDER)` finds `train` and `test` by itself; so do DuckDB, Polars and Ray.
Numbers keep all their digits. What a skeleton is stands in the files' metadata.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.files import write_whole
from smallpose.core.skeleton import Skeleton, named_skeleton
from smallpose.dataset.export.written import Written, read_picture_bytes
from smallpose.dataset.opened import BuiltSet
from smallpose.table.instances import SOURCES, Instances, concat, make_images, make_instances

PER_FILE = {False: 20_000, True: 500}  # images in a file, without and with their pictures
_KEY = b"smallpose"
_USAGE = """```python
from datasets import load_dataset

people = load_dataset("FOLDER")["test"][0]["people"]  # this folder, or a repository made of it
```

`keypoints` holds x, y, v of each joint in turn; `image` is there only if pictures were exported.
The joints' names, edges and sigmas stand in the Parquet schema's metadata under `smallpose`."""


def export_parquet(built: BuiltSet, out: Path, pictures: str) -> Written:
    """Fill `out` with `data/train-00000-of-00004.parquet` … and a data set card.

    Args:
        pictures: "copy" puts the picture files into the rows, "none" leaves them out.
    Raises: InputError when pyarrow is missing.
    """
    pq = _pyarrow("pyarrow.parquet")
    if pictures == "link":
        raise InputError("--images link", "Parquet cannot hold links", "use copy or none")
    written = Written("Parquet, for Hugging Face and others", usage=_USAGE)
    (out / "data").mkdir()
    for split, people in built.parts.items():
        total = max(1, -(-len(people.images) // PER_FILE[pictures == "copy"]))
        for number, part in enumerate(_parts(people, pictures == "copy")):
            table = _table(part, built if pictures == "copy" else None, written)
            name = f"{split}-{number:05d}-of-{total:05d}.parquet"
            pq.write_table(table, out / "data" / name, compression="zstd", row_group_size=500)
        written.images += len(people.images)
        written.people += len(people)
    write_whole(out / "README.md", _card(written))
    return written


def _pyarrow(part: str = "pyarrow") -> Any:
    """The optional package, looked up by name because it ships no types."""
    try:
        return import_module(part)
    except ImportError:
        raise InputError(
            "--to parquet", "pyarrow is not installed", "pip install 'smallpose[parquet]'"
        ) from None


def _parts(people: Instances, with_pictures: bool) -> Iterator[Instances]:
    """Runs of images with all their people; one empty part for an empty table."""
    step = PER_FILE[with_pictures]
    for start in range(0, max(len(people.images), 1), step):
        stop = min(start + step, len(people.images))
        yield people.take_images(np.arange(start, stop, dtype=np.intp))


def _table(people: Instances, pictures: BuiltSet | None, written: Written) -> Any:
    pa = _pyarrow()

    images, k3 = people.images, 3 * len(people.skeleton)
    columns: dict[str, Any] = {
        "image_id": pa.array(images.ids, pa.int64()),
        "file_name": pa.array(images.file_names, pa.string()),
        "width": pa.array(images.width, pa.int64()),
        "height": pa.array(images.height, pa.int64()),
        "source": _words(SOURCES, images.source.tolist()),
        "source_id": pa.array(images.source_ids, pa.string()),
        "group": pa.array(images.groups, pa.string()),
    }
    if pictures is not None:
        files = [read_picture_bytes(pictures, name) for name in images.file_names]
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
        "bbox": _fixed(people.boxes_xywh, 4),
        "area": pa.array(np.where(np.isnan(people.file_area), people.area, people.file_area)),
        "iscrowd": pa.array(people.iscrowd, pa.bool_()),
        "num_keypoints": pa.array(people.num_keypoints, pa.int64()),
        "keypoints": _fixed(people.keypoints, k3),
        "source": _words(SOURCES, people.source.tolist()),
        "box_rule": _words(BOX_RULES, people.box_rule.tolist()),
        "segmentation_area": pa.array(
            people.segmentation_area, pa.float64(), mask=np.isnan(people.segmentation_area)
        ),
    }
    records = pa.StructArray.from_arrays(list(person.values()), names=list(person))
    ends = np.cumsum(np.bincount(people.image_rows, minlength=len(images)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    columns["people"] = pa.ListArray.from_arrays(offsets, records)
    table = pa.table(columns)
    return table.replace_schema_metadata(_metadata(people, pictures is not None))


def _words(known: tuple[str, ...], codes: list[int]) -> Any:
    pa = _pyarrow()

    return pa.array([known[c] for c in codes], pa.string())


def _fixed(values: np.ndarray[Any, np.dtype[np.float64]], width: int) -> Any:
    pa = _pyarrow()

    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.float64()), width)


def _metadata(people: Instances, with_pictures: bool) -> dict[bytes, bytes]:
    skeleton = people.skeleton
    own: dict[str, Any] = {
        "category_id": people.category_id,
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        "sigmas": skeleton.sigmas.tolist(),
    }
    return {_KEY: json.dumps(own).encode()} | (
        {b"huggingface": json.dumps({"info": {"features": _features(skeleton)}}).encode()}
        if with_pictures
        else {}
    )


def _features(skeleton: Skeleton) -> dict[str, Any]:
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


def _card(written: Written) -> str:
    head = (
        "---\nlicense: other\ntask_categories:\n- keypoint-detection\nconfigs:\n"
        "- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
        "  - split: test\n    path: data/test-*\n---\n\n"
    )
    return head + written.readme()


def read_parquet(folder: Path, split: str) -> Instances:
    """One split of an exported folder as `Instances`, equal to the set's table.

    Raises: InputError when pyarrow or the files are missing, or they are somebody else's.
    """
    pq = _pyarrow("pyarrow.parquet")
    files = sorted((folder / "data").glob(f"{split}-*.parquet"))
    if not files:
        raise InputError(f"{folder}/data", f"holds no {split}-*.parquet", "name an exported folder")
    parts, skeleton, category = [], None, 1
    for path in files:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        if _KEY not in metadata:
            raise InputError(str(path), "was not exported by smallpose", "name an exported folder")
        own = json.loads(metadata[_KEY])
        category = own["category_id"]
        edges = [(a - 1, b - 1) for a, b in own["skeleton"]]
        skeleton = named_skeleton(own["keypoints"], edges)
        parts.append(_instances(table, skeleton, category))
    return parts[0] if len(parts) == 1 else _joined(parts)


def _instances(table: Any, skeleton: Skeleton, category: int) -> Instances:
    def column(name: str) -> Any:
        return table[name].combine_chunks()

    images = make_images(
        column("image_id").to_numpy(),
        column("file_name").to_pylist(),
        column("width").to_numpy(),
        column("height").to_numpy(),
        [SOURCES.index(s) for s in column("source").to_pylist()],
        column("source_id").to_pylist(),
        column("group").to_pylist(),
    )
    people = column("people")
    records = people.flatten()
    rows = np.repeat(np.arange(len(images)), np.diff(people.offsets.to_numpy()))

    def field(name: str) -> Any:
        return records.field(name)

    def numbers(name: str) -> Any:
        return field(name).to_numpy(zero_copy_only=False)

    def flat(name: str) -> Any:
        return field(name).flatten().to_numpy()

    return make_instances(
        skeleton,
        images,
        rows,
        flat("bbox").reshape(-1, 4),
        flat("keypoints").reshape(-1, len(skeleton), 3),
        ids=numbers("id"),
        num_keypoints=numbers("num_keypoints"),
        iscrowd=numbers("iscrowd"),
        file_area=numbers("area"),
        source=[SOURCES.index(s) for s in field("source").to_pylist()],
        box_rule=[BOX_RULES.index(s) for s in field("box_rule").to_pylist()],
        segmentation_area=numbers("segmentation_area"),
        category_id=category,
    )


def _joined(parts: list[Instances]) -> Instances:
    """The parts as one, with the ids they came with."""
    whole = concat(parts, parts[0].skeleton)
    images = replace(whole.images, ids=np.concatenate([p.images.ids for p in parts]))
    return replace(
        whole,
        images=images,
        ids=np.concatenate([p.ids for p in parts]),
        num_keypoints=np.concatenate([p.num_keypoints for p in parts]),
        category_id=parts[0].category_id,
    )
