"""Decode the XML of others without the declarations that can grow without bound."""

from pathlib import Path
from xml.etree import ElementTree

from smallpose.core.errors import InputError, RefusedError


def parse_xml(path: Path, data: bytes) -> ElementTree.Element:
    """Return the root element of an XML text in UTF-8; `path` names the file in errors.

    Raises: RefusedError for a DOCTYPE or an entity, InputError for broken XML.
    """
    # Decoded here, so that no declared encoding can hide a DOCTYPE.
    text = data.removeprefix(b"\xef\xbb\xbf").strip().decode("utf-8", "replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise RefusedError(
            str(path),
            "XML with a <!DOCTYPE or <!ENTITY, which can grow without bound",
            "remove it; label files do not need it",
        )
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(
            str(path), f"broken XML ({error})", "download or write the file again"
        ) from None
