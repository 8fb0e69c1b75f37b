"""Export to Parquet for the Hugging Face hub: one row per image, its people a list of records.

`datasets.load_dataset(FOLDER)` finds `train` and `test`; DuckDB, Polars and Ray read the files as
well. Numbers keep all digits. The skeleton is in the metadata of the files. `read_parquet.py` reads
them.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.skeleton import Skeleton
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, read_image_bytes
from smallpose.system.files import write_atomically
from smallpose.system.packages import explain_import_error

IMAGES_PER_FILE = {False: 20_000, True: 500}  # without and with the image files
METADATA_KEY = b"smallpose"
_USAGE = """```python
from datasets import load_dataset
from smallpose.system.packages import explain_import_error

people = load_dataset("FOLDER")["test"][0]["people"]  # this folder, or a repository made of it
```

`keypoints` contains x, y, v of each joint in turn; there is a column `image` only if images were
exported. The names, edges and sigmas of the joints are in the metadata of the Parquet schema, under
`smallpose`."""


def export_parquet(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `data/train-00000-of-00004.parquet` … and a data set card.

    Args:
        image_mode: "copy" stores the image files in the rows, "none" leaves them out.
    Raises: InputError when pyarrow is missing.
    """
    pq = import_pyarrow("pyarrow.parquet")
    if image_mode == "link":
        raise InputError("--images link", "Parquet cannot contain links", "use copy or none")
    with_images = image_mode == "copy"
    result = ExportResult("Parquet, for Hugging Face and others", usage=_USAGE)
    (out / "data").mkdir()
    for split, people in built.parts.items():
        num_files = max(1, -(-len(people.images) // IMAGES_PER_FILE[with_images]))
        for index, part in enumerate(_split_by_images(people, IMAGES_PER_FILE[with_images])):
            table = _build_table(part, built if with_images else None, result)
            name = f"{split}-{index:05d}-of-{num_files:05d}.parquet"
            pq.write_table(table, out / "data" / name, compression="zstd", row_group_size=500)
        result.images += len(people.images)
        result.people += len(people)
    write_atomically(out / "README.md", _format_card(result))
    return result


def import_pyarrow(module: str = "pyarrow") -> Any:
    """Import pyarrow or a module of it, which is optional."""
    try:
        return import_module(module)
    except ImportError as error:
        raise explain_import_error("--to parquet", error) from None


def _split_by_images(people: Instances, images_per_part: int) -> Iterator[Instances]:
    """Split people into parts of consecutive images; an empty table is one empty part."""
    for start in range(0, max(len(people.images), 1), images_per_part):
        stop = min(start + images_per_part, len(people.images))
        yield people.take_images(np.arange(start, stop, dtype=np.intp))


def _build_table(people: Instances, image_source: BuiltSet | None, result: ExportResult) -> Any:
    """Build the Arrow table of one file.

    Args:
        image_source: the data set whose image files are stored; None for no images.
    """
    pa = import_pyarrow()
    images = people.images
    columns: dict[str, Any] = {
        "image_id": pa.array(images.ids, pa.int64()),
        "file_name": pa.array(images.file_names, pa.string()),
        "width": pa.array(images.width, pa.int64()),
        "height": pa.array(images.height, pa.int64()),
        "source": _encode_names(SOURCES, images.source.tolist()),
        "source_id": pa.array(images.source_ids, pa.string()),
        "group": pa.array(images.groups, pa.string()),
        "source_split": pa.array(images.source_splits or ("",) * len(images), pa.string()),
    }
    if image_source is not None:
        contents = [read_image_bytes(image_source, name) for name in images.file_names]
        result.missing += sum(content is None for content in contents)
        columns["image"] = pa.array(
            [
                None if content is None else {"bytes": content, "path": name}
                for name, content in zip(images.file_names, contents, strict=True)
            ],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
    person = {
        "id": pa.array(people.ids, pa.int64()),
        "bbox": _build_fixed_lists(people.boxes_xywh, 4),
        "area": pa.array(np.where(np.isnan(people.file_area), people.area, people.file_area)),
        "iscrowd": pa.array(people.iscrowd, pa.bool_()),
        "num_keypoints": pa.array(people.num_keypoints, pa.int64()),
        "keypoints": _build_fixed_lists(people.keypoints, 3 * len(people.skeleton)),
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
    metadata = _build_metadata(people, with_images=image_source is not None)
    return pa.table(columns).replace_schema_metadata(metadata)


def _encode_names(names: tuple[str, ...], codes: list[int]) -> Any:
    pa = import_pyarrow()
    return pa.array([names[code] for code in codes], pa.string())


def _build_fixed_lists(values: np.ndarray[Any, np.dtype[np.float64]], width: int) -> Any:
    pa = import_pyarrow()
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.float64()), width)


def _build_metadata(people: Instances, with_images: bool) -> dict[bytes, bytes]:
    skeleton = people.skeleton
    description: dict[str, Any] = {
        "category_id": people.category_id,
        "keypoints": list(skeleton.spelled_joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        "sigmas": skeleton.sigmas.tolist(),
    }
    metadata = {METADATA_KEY: json.dumps(description).encode()}
    if with_images:
        info = {"info": {"features": _describe_features(skeleton)}}
        metadata[b"huggingface"] = json.dumps(info).encode()
    return metadata


def _describe_features(skeleton: Skeleton) -> dict[str, Any]:
    """Describe the columns for Hugging Face's `datasets`, so that it shows the images."""

    def describe_value(dtype: str) -> dict[str, str]:
        return {"_type": "Value", "dtype": dtype}

    def describe_list(dtype: str, length: int) -> dict[str, Any]:
        return {"_type": "List", "feature": describe_value(dtype), "length": length}

    person = {
        "id": describe_value("int64"),
        "bbox": describe_list("float64", 4),
        "area": describe_value("float64"),
        "iscrowd": describe_value("bool"),
        "num_keypoints": describe_value("int64"),
        "keypoints": describe_list("float64", 3 * len(skeleton)),
        "source": describe_value("string"),
        "box_rule": describe_value("string"),
        "segmentation_area": describe_value("float64"),
    }
    return {
        "image_id": describe_value("int64"),
        "file_name": describe_value("string"),
        "width": describe_value("int64"),
        "height": describe_value("int64"),
        "source": describe_value("string"),
        "source_id": describe_value("string"),
        "group": describe_value("string"),
        "source_split": describe_value("string"),
        "image": {"_type": "Image"},
        "people": {"_type": "List", "feature": person},
    }


def _format_card(result: ExportResult) -> str:
    head = (
        "---\nlicense: other\ntask_categories:\n- keypoint-detection\nconfigs:\n"
        "- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
        "  - split: test\n    path: data/test-*\n---\n\n"
    )
    return head + result.to_readme()
