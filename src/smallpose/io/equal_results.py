"""Tell that the two forms in which Ultralytics writes the results of a run have the same ones."""

from collections import Counter
from pathlib import Path

import msgspec

from smallpose.system.files import read_bytes


class _Result(msgspec.Struct):
    image_id: int | str
    file_name: str | None = None


def have_equal_results(labels: Path, results: Path) -> bool:
    """Return whether a folder of text files and a file of results have as many in each image.

    Args:
        labels: the folder `labels`, with a line for each detection.
        results: `predictions.json`, whose `image_id` is the name of the image, or its number.
    """
    try:
        records = msgspec.json.decode(read_bytes(results), type=list[_Result])
        lines = {file.stem: _count_lines(file) for file in labels.glob("*.txt")}
    except (OSError, ValueError, msgspec.MsgspecError):
        return False
    in_results = Counter(_name_image(record) for record in records)
    in_labels = Counter[str]()
    for stem, count in lines.items():
        in_labels[_drop_zeros(stem)] += count
    return bool(in_results) and in_results == +in_labels


def _count_lines(file: Path) -> int:
    return sum(bool(line.strip()) for line in file.read_text().splitlines())


def _name_image(record: _Result) -> str:
    name = record.file_name or str(record.image_id)
    return _drop_zeros(Path(name).stem if record.file_name else name)


def _drop_zeros(stem: str) -> str:
    """Return a name as Ultralytics numbers it: without leading zeros where it is a number."""
    return str(int(stem)) if stem.isdecimal() and stem.isascii() else stem
