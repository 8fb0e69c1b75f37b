"""Read what a labelling tool exports: CVAT's XML or zip, Label Studio's JSON, or COCO's."""

import io
import zipfile
from pathlib import Path
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.corrections import coco_form, cvat_form, label_studio_form
from smallpose.dataset.corrections.people import CorrectedPerson, Id
from smallpose.system.files import MIN_UNPACKED_LIMIT, read_bytes

_ZIP = b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"


def read_corrected(path: Path) -> list[CorrectedPerson]:
    """Read the people of an export; its content tells the form.

    Raises: InputError for other forms, and where a record is broken.
    """
    data, form = _read_form(path)
    people: list[CorrectedPerson] = form.decode_people(path, data)
    return people


def list_corrected_images(path: Path) -> list[Id]:
    """List the images of an export, also those without people, but none that was skipped."""
    data, form = _read_form(path)
    images: list[Id] = form.list_images(path, data)
    return images


def _read_form(path: Path) -> tuple[bytes, Any]:
    """Return the content, and the module of its form."""
    data = read_bytes(path)
    if data[:4] == _ZIP:
        data = _unzip_labels(path, data)
    begin = data.removeprefix(_BOM).lstrip()[:1]
    if begin == b"<":
        return data, cvat_form
    return data, label_studio_form if begin == b"[" else coco_form


def _unzip_labels(path: Path, data: bytes) -> bytes:
    """Return the only file of labels in a zip: annotations.xml or a JSON file."""
    remedy = "unpack it and give the file with the labels"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            labels = [one for one in archive.infolist() if one.filename.endswith((".xml", ".json"))]
            if len(labels) != 1:
                what = f"a zip with {format_count(len(labels), 'file')} of labels"
                raise InputError(str(path), what, remedy)
            if labels[0].file_size > MIN_UNPACKED_LIMIT:
                what = (
                    f"{labels[0].filename} unpacks to {format_count(labels[0].file_size, 'byte')}"
                )
                raise InputError(str(path), what, remedy)
            return archive.read(labels[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        raise InputError(str(path), "a zip that cannot be read", remedy) from None
