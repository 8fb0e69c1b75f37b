"""The folder of downloaded files, which are kept between calls."""

import os
from pathlib import Path


def get_user_cache() -> Path:
    """Return the folder of the user's caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def get_cache_folder(kind: str) -> Path:
    """Return our folder of one kind of file, such as "checkpoints"; it need not exist.

    The environment variable SMALLPOSE_CACHE replaces the user's cache.
    """
    root = os.environ.get("SMALLPOSE_CACHE") or get_user_cache() / "smallpose"
    return Path(root) / kind
