"""Export to WebDataset shards: tar files in which an image is followed by its labels.

Annotation records are copied without changes, so they keep fields that this version does not know.
"""

import io
import tarfile
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Raw

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, read_image_bytes
from smallpose.system.files import read_bytes, write_atomically_with
from smallpose.system.json_decode import decode_json, read_json

IMAGES_PER_SHARD = 1000  # a few hundred megabytes of photographs
_USAGE = """```python
import webdataset as wds

train = wds.WebDataset("train-{000000..LAST}.tar").decode("rgb").to_tuple("jpg;png", "json")
```

The JSON of a sample contains the records `image` and `annotations` in COCO format;
`categories.json` names the joints. `shards.json` lists the number of samples in each shard."""


class _File(msgspec.Struct):
    images: list[Raw]
    annotations: list[Raw]
    categories: Raw


class _Image(msgspec.Struct):
    id: int
    file_name: str


class _ImageReference(msgspec.Struct):
    image_id: int


class _Sample(msgspec.Struct):
    image: Raw
    annotations: list[Raw]


def export_webdataset(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `train-000000.tar` … and `test-000000.tar` …; the bytes are reproducible.

    Args:
        image_mode: "copy", or "none" for shards without images.
    """
    if image_mode == "link":
        raise InputError("--images link", "tar files cannot contain links", "use copy or none")
    result = ExportResult("WebDataset shards", usage=_USAGE)
    counts: dict[str, int] = {}
    for split in built.parts:
        path = built.folder / "annotations" / f"{split}.json"
        file = decode_json(path, read_bytes(path), _File)
        annotations: dict[int, list[Raw]] = {}
        for record in file.annotations:
            image_id = msgspec.json.decode(record, type=_ImageReference).image_id
            annotations.setdefault(image_id, []).append(record)
        for start in range(0, len(file.images), IMAGES_PER_SHARD):
            records = file.images[start : start + IMAGES_PER_SHARD]
            name = f"{split}-{start // IMAGES_PER_SHARD:06d}.tar"
            with tarfile.open(out / name, "w", format=tarfile.USTAR_FORMAT) as shard:
                for record in records:
                    image = msgspec.json.decode(record, type=_Image)
                    # WebDataset cuts names at the first dot, so file names cannot be used.
                    key = f"{image.id:09d}"
                    if image_mode == "copy":
                        _add_image(shard, built, key, image.file_name, result)
                    sample = _Sample(record, annotations.get(image.id, []))
                    _add_file(shard, f"{key}.json", msgspec.json.encode(sample))
            counts[name] = len(records)
        result.images += len(file.images)
        result.people += len(file.annotations)
        (out / "categories.json").write_bytes(bytes(file.categories) + b"\n")
    (out / "shards.json").write_bytes(msgspec.json.format(msgspec.json.encode(counts)) + b"\n")
    return result


def _add_image(
    shard: tarfile.TarFile, built: BuiltSet, key: str, file_name: str, result: ExportResult
) -> None:
    """Add an image file to the shard, or count it as missing."""
    data = read_image_bytes(built, file_name)
    if data is None:
        result.missing += 1
        return
    suffix = Path(file_name).suffix.lower().lstrip(".") or "jpg"
    _add_file(shard, f"{key}.{suffix}", data)


def _add_file(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    # A new TarInfo has no owner and no time, so the shards do not depend on who makes them when.
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    shard.addfile(info, io.BytesIO(data))


def convert_to_coco(folder: Path, split: str, path: Path) -> None:
    """Write the labels of one split's shards as a COCO file; records do not change.

    Raises: InputError when a shard in `shards.json` is missing, truncated or incomplete.
    """
    images: list[Raw] = []
    annotations: list[Raw] = []
    counts = read_json(folder / "shards.json", dict[str, int])
    for name in sorted(n for n in counts if n.startswith(f"{split}-")):
        num_before = len(images)
        try:
            with tarfile.open(folder / name) as shard:
                for member in shard:
                    file = shard.extractfile(member) if member.name.endswith(".json") else None
                    if file is not None:
                        where = f"{folder / name}, {member.name}"
                        sample = decode_json(where, file.read(), _Sample)
                        images.append(sample.image)
                        annotations += sample.annotations
        except (OSError, tarfile.TarError) as error:
            raise InputError(
                str(folder / name), f"cannot be read ({error})", "export the data set again"
            ) from None
        num_samples = len(images) - num_before
        if num_samples != counts[name]:
            raise InputError(
                str(folder / name),
                f"contains {format_count(num_samples, 'sample')} instead of {counts[name]}",
                "export the data set again",
            )
    categories = Raw((folder / "categories.json").read_bytes().strip())
    coco = _File(images, annotations, categories)

    def write_content(file: IO[bytes]) -> None:
        file.write(msgspec.json.encode(coco) + b"\n")

    write_atomically_with(path, write_content)
