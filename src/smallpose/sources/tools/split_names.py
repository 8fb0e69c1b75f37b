"""Tell the split from the names of annotation files and folders."""

import re
from pathlib import Path

# Words in a file name. `constraint.json` is not a training file, and `trainval.json` is neither.
SPLITS = {"train": "train", "val": "test", "valid": "test", "validation": "test", "test": "test"}


def find_split_word(name: str) -> str:
    """Return the word of a name that is a split, such as `val` in val2017; "" for none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((word for word in words if word in SPLITS), "")


def find_own_split(root: Path, path: str) -> str:
    """Return the source's own name of the split of a file; "" where it has none.

    The name of the file decides, then those of the folders from the inside out. The root's own name
    counts where it is a split and nothing else, as when one folder of an export is given.

    Args:
        path: of the annotation file, relative to `root`.
    """
    *folders, name = path.split("/")
    words = (find_split_word(part) for part in (name.split(".")[0], *reversed(folders)))
    word = next(filter(None, words), "")
    own = root.absolute().name.lower()
    return word or (own if own in SPLITS else "")
