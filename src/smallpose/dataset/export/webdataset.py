"""WebDataset shards: tar files in which a picture and its labels follow each other.

Annotation records go in as they stand in the set, so whatever they hold comes along.
"""

import io
import tarfile
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Raw

from smallpose.core.errors import InputError
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, read_image_bytes
from smallpose.system.files import read_bytes, write_atomically_with
from smallpose.system.json_decode import decode_json, read_json

IMAGES_PER_SHARD = 1000  # images; a few hundred megabytes of photographs
_USAGE = """```python
import webdataset as wds

train = wds.WebDataset("train-{000000..LAST}.tar").decode("rgb").to_tuple("jpg;png", "json")
```

A sample's JSON holds the records `image` and `annotations` as COCO has them; `categories.json`
names the joints. `shards.json` says how many samples each shard holds."""


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
    """Fill `out` with `train-000000.tar` … and `test-000000.tar` …; the same set, the same bytes.

    Args:
        pictures: "copy", or "none" for shards of labels alone.
    """
    if image_mode == "link":
        raise InputError("--images link", "tar files cannot hold links", "use copy or none")
    written = ExportResult("WebDataset shards", usage=_USAGE)
    counts: dict[str, int] = {}
    for split in built.parts:
        path = built.folder / "annotations" / f"{split}.json"
        file = decode_json(path, read_bytes(path), _File)
        of_image: dict[int, list[Raw]] = {}
        for record in file.annotations:
            of_image.setdefault(
                msgspec.json.decode(record, type=_ImageReference).image_id, []
            ).append(record)
        for start in range(0, len(file.images), IMAGES_PER_SHARD):
            part = file.images[start : start + IMAGES_PER_SHARD]
            name = f"{split}-{start // IMAGES_PER_SHARD:06d}.tar"
            with tarfile.open(out / name, "w", format=tarfile.USTAR_FORMAT) as shard:
                for record in part:
                    _add_sample(shard, built, record, of_image, image_mode, written)
            counts[name] = len(part)
        written.images += len(file.images)
        written.people += len(file.annotations)
        (out / "categories.json").write_bytes(bytes(file.categories) + b"\n")
    (out / "shards.json").write_bytes(msgspec.json.format(msgspec.json.encode(counts)) + b"\n")
    return written


def _add_sample(
    shard: tarfile.TarFile,
    built: BuiltSet,
    record: Raw,
    of_image: dict[int, list[Raw]],
    pictures: str,
    written: ExportResult,
) -> None:
    image = msgspec.json.decode(record, type=_Image)
    key = f"{image.id:09d}"  # WebDataset cuts a name at its first dot, so file names will not do
    if pictures == "copy":
        data = read_image_bytes(built, image.file_name)
        if data is None:
            written.missing += 1
        else:
            ending = Path(image.file_name).suffix.lower().lstrip(".") or "jpg"
            _add_file(shard, f"{key}.{ending}", data)
    sample = _Sample(record, of_image.get(image.id, []))
    _add_file(shard, f"{key}.json", msgspec.json.encode(sample))


def _add_file(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    # A TarInfo starts without owner and time: the shards do not say who made them when.
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    shard.addfile(info, io.BytesIO(data))


def convert_to_coco(folder: Path, split: str, path: Path) -> None:
    """Write the labels of one split's shards as a COCO file, record by record as they stand.

    Raises: InputError when a shard that `shards.json` names is missing, cut off or short.
    """
    images: list[Raw] = []
    annotations: list[Raw] = []
    counts = read_json(folder / "shards.json", dict[str, int])
    for name in sorted(n for n in counts if n.startswith(f"{split}-")):
        before = len(images)
        try:
            with tarfile.open(folder / name) as shard:
                for member in shard:
                    file = shard.extractfile(member) if member.name.endswith(".json") else None
                    if file is not None:
                        sample = decode_json(
                            f"{folder / name}, {member.name}", file.read(), _Sample
                        )
                        images.append(sample.image)
                        annotations += sample.annotations
        except (OSError, tarfile.TarError) as error:
            raise InputError(
                str(folder / name), f"cannot be read ({error})", "export again"
            ) from None
        if len(images) - before != counts[name]:
            what = f"holds {len(images) - before} samples instead of {counts[name]}"
            raise InputError(str(folder / name), what, "export again")
    whole = _File(images, annotations, Raw((folder / "categories.json").read_bytes().strip()))

    def fill(file: IO[bytes]) -> None:
        file.write(msgspec.json.encode(whole) + b"\n")

    write_atomically_with(path, fill)
