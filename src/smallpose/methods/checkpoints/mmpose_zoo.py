"""MMPose's published weights by name: where they lie, and what is in the user's caches.

Their file names carry the first eight digits of their SHA-256, which is checked before a byte of
them is looked at. Nothing but these files is ever fetched.
"""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from smallpose.core.errors import InputError, RefusedError
from smallpose.methods.base import MethodCard
from smallpose.system.files import hash_file, write_atomically_with
from smallpose.system.progress import print_status

SERVER = "https://download.openmmlab.com/mmpose"
MMPOSE = "mmpose"  # what a user writes instead of a path
WAIT_S = 20.0


def get_url(card: MethodCard) -> str:
    """Where a method's published weights lie; "" where nobody published any."""
    return f"{SERVER}/{card.checkpoint_folder}/{card.checkpoint}" if card.checkpoint else ""


def list_cache_folders() -> Iterator[Path]:
    """Folders that may hold them: ours first, which new ones go to, then PyTorch's and MIM's."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    yield Path(os.environ.get("SMALLPOSE_CACHE") or home / "smallpose") / "checkpoints"
    yield Path(os.environ.get("TORCH_HOME") or home / "torch") / "hub" / "checkpoints"
    yield home / "mim"


def find_checkpoint(name: str, card: MethodCard, method: str) -> Path:
    """The published weights of a method, from a cache or else from the network.

    Args:
        name: "mmpose", or the file's own name.

    Raises: InputError when there are none, or they are in no cache and cannot be fetched;
        RefusedError when what lies there or came has another SHA-256.
    """
    if not card.checkpoint:
        raise InputError(
            f"--weights {name}", f"nobody published weights of {method}", "name a file"
        )
    for folder in list_cache_folders():
        path = folder / card.checkpoint
        if path.is_file():
            _check(path, card)
            return path
    path = next(list_cache_folders()) / card.checkpoint
    _fetch(get_url(card), path, card)
    return path


def _fetch(url: str, path: Path, card: MethodCard) -> None:
    print_status(f"fetching {url}")
    try:
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            path.parent.mkdir(parents=True, exist_ok=True)

            def copy(out: IO[bytes]) -> None:
                while block := answer.read(1 << 20):
                    out.write(block)

            write_atomically_with(path, copy)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise InputError(
            card.checkpoint,
            f"is in no cache and cannot be fetched ({reason})",
            f"fetch {url} where there is a network and put it into {path.parent}",
        ) from None
    try:
        _check(path, card)
    except RefusedError:
        path.unlink()
        raise


def _check(path: Path, card: MethodCard) -> None:
    found = hash_file(path)
    if not found.startswith(card.checkpoint_hash):
        raise RefusedError(
            str(path),
            f"its SHA-256 begins with {found[:8]} and not with {card.checkpoint_hash}",
            "remove it and fetch it again",
        )
