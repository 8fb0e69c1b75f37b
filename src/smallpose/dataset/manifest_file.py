"""The bytes of `manifest.json`, which contain a hash of themselves.

The hash is that of the file with 64 zeros in its place, so no other file is needed to notice that
the manifest was changed.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

HASH_KEY = "manifest_sha256"
_BLANK = "0" * 64
_HASH = re.compile(rb'"manifest_sha256": "([0-9a-f]{64})"\n}\n\Z')


def format_manifest(manifest: dict[str, Any]) -> bytes:
    """Format the manifest, and set its hash in the bytes and in `manifest`."""
    manifest.pop(HASH_KEY, None)  # it is the last key
    manifest[HASH_KEY] = _BLANK
    text = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    digest = hashlib.sha256(text).hexdigest()
    manifest[HASH_KEY] = digest
    return text[: -len(_BLANK) - 4] + digest.encode() + b'"\n}\n'


def is_unchanged(text: bytes, manifest: Mapping[str, Any]) -> bool | None:
    """Return whether the manifest's bytes have the hash in them; None if there is no hash.

    Args:
        text: the bytes of the file.
        manifest: its content.
    """
    if HASH_KEY not in manifest:
        return None
    match = _HASH.search(text)
    if match is None:
        return False
    blank = text[: match.start(1)] + _BLANK.encode() + text[match.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode() == match[1]
