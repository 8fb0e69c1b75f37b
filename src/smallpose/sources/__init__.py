"""Read the published data sets as Instances: one file per format, one line in `READERS` each."""

from collections.abc import Callable
from pathlib import Path

from smallpose.sources.aic import read_aic
from smallpose.sources.coco import read_coco
from smallpose.sources.hieve import read_hieve
from smallpose.sources.mpii import read_mpii
from smallpose.sources.posetrack import read_posetrack
from smallpose.sources.source import ImageFile, Source

READERS: dict[str, Callable[[Path], Source]] = {
    "coco": read_coco,
    "mpii": read_mpii,
    "aic": read_aic,
    "hieve": read_hieve,
    "posetrack": read_posetrack,
}

__all__ = ["READERS", "ImageFile", "Source"]
