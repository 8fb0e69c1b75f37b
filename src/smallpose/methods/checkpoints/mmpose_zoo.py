"""MMPose's published weights: find them in the user's caches, or download them.

Their file names contain the first eight digits of their SHA-256, which is checked before a file is
read. Nothing but these files is ever downloaded.
"""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from smallpose.core.errors import InputError, RefusedError
from smallpose.methods.base import MethodCard
from smallpose.system.cache import get_cache_folder, get_user_cache
from smallpose.system.files import hash_file, write_atomically_with
from smallpose.system.progress import print_status

SERVER = "https://download.openmmlab.com/mmpose"
TIMEOUT_S = 20.0
_PRETRAINED_ON_AIC = "simcc-coco_pt-aic-coco_"
_TRAINED_ON_COCO = re.compile(r"_coco[-_]\d")  # and not coco-wholebody, or several sets


def get_url(card: MethodCard) -> str:
    """Return the URL of a method's published weights; "" where none are published."""
    return f"{SERVER}/{card.checkpoint_folder}/{card.checkpoint}" if card.checkpoint else ""


def list_training_sets(card: MethodCard) -> list[str]:
    """List the sets of poses that a method's published weights were trained on.

    Names of MMPose's files contain the set. Backbones, or for RTMO detectors, were pre-trained on
    ImageNet or COCO train2017, those of RTMPose on poses of COCO and AI Challenger.

    Returns: [] where there are no weights, or the name of their file does not tell.
    """
    if _PRETRAINED_ON_AIC in card.checkpoint:
        return ["COCO train2017", "AI Challenger train"]
    return ["COCO train2017"] if _TRAINED_ON_COCO.search(card.checkpoint) else []


def parse_hash(checkpoint: str) -> str:
    """Return the first eight digits of the SHA-256 in the name of one of MMPose's files."""
    return checkpoint.split("_")[-2].split("-")[-1]


def list_cache_folders() -> Iterator[Path]:
    """Yield the folders of caches: ours first, to which downloads go, then PyTorch's and MIM's."""
    home = get_user_cache()
    yield get_cache_folder("checkpoints")
    yield Path(os.environ.get("TORCH_HOME") or home / "torch") / "hub" / "checkpoints"
    yield home / "mim"


def find_checkpoint(name: str, card: MethodCard, method: str) -> Path:
    """Return the published weights of a method, from a cache or else from the network.

    Args:
        name: "mmpose", or the name of the file.

    Raises: InputError when there are none, or they are in no cache and cannot be downloaded;
        RefusedError when the file has another SHA-256.
    """
    if name in card.other_checkpoints:
        card = replace(card, checkpoint=name, checkpoint_hash=parse_hash(name))
    if not card.checkpoint:
        raise InputError(f"--weights {name}", f"no published weights of {method}", "pass a file")
    for folder in list_cache_folders():
        path = folder / card.checkpoint
        if path.is_file():
            _check_hash(path, card)
            return path
    path = next(list_cache_folders()) / card.checkpoint
    _download_file(get_url(card), path, card)
    return path


def _download_file(url: str, path: Path, card: MethodCard) -> None:
    print_status(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            path.parent.mkdir(parents=True, exist_ok=True)

            def copy(out: IO[bytes]) -> None:
                while block := response.read(1 << 20):
                    out.write(block)

            write_atomically_with(path, copy)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise InputError(
            card.checkpoint,
            f"is in no cache and cannot be downloaded ({reason})",
            f"download {url} on a machine with a network and copy it to {path.parent}; without "
            "a network, --weights takes the folder of a run: 'smallpose demo' trains one, and "
            "'smallpose train' others",
        ) from None
    try:
        _check_hash(path, card)
    except RefusedError:
        path.unlink()
        raise


def _check_hash(path: Path, card: MethodCard) -> None:
    digest = hash_file(path)
    if not digest.startswith(card.checkpoint_hash):
        raise RefusedError(
            str(path),
            f"its SHA-256 begins with {digest[:8]} instead of {card.checkpoint_hash}",
            "remove it and download it again",
        )
