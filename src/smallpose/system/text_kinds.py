"""Recognise text of other kinds where JSON is due, and name the command that reads it."""

import re
from pathlib import Path

_MAX_START = 4096
_YOLO_KEYS = re.compile(rb"^(train|val|names|nc|kpt_shape)\s*:", re.MULTILINE)
_NUMBERS = re.compile(rb"[-+0-9.eE\s]+")
_BUILD = "make a set of its folder and pass that: smallpose build SET --source own={folder}"


def describe_text(path: Path | str, data: bytes) -> tuple[str, str] | None:
    """Return what a text is that is no JSON, and the remedy; None where it may be broken JSON.

    Args:
        path: of the file, whose suffix counts and whose folder the remedy names.
        data: its content, or the beginning.
    """
    text = data[:_MAX_START].lstrip()
    if text[:1] in (b"{", b"[") or b"\0" in text:  # JSON, or no text at all
        return None
    path = Path(path)
    suffix = path.suffix.lower()
    build = _BUILD.format(folder=path.parent)
    if suffix in (".yaml", ".yml"):
        if len(set(_YOLO_KEYS.findall(text))) >= 2:
            return "the description of a YOLO data set", build
        return "YAML", "give the JSON file"
    if b"<annotations" in text and text.startswith(b"<"):
        return "XML of CVAT", build
    first_line = text.partition(b"\n")[0]
    if suffix in (".csv", ".tsv") or first_line.count(b",") >= 2:
        remedy = "give the JSON file (a table of attributes belongs to evaluate --slices)"
        return "a table (CSV)", remedy
    if len(first_line.split()) >= 5 and _NUMBERS.fullmatch(first_line):
        return (
            "the YOLO labels of one image",
            f"results: give the folder of all of them, {path.parent}; labels: give the set that "
            "has data.yaml to build: smallpose build SET --source own=FOLDER",
        )
    return None
