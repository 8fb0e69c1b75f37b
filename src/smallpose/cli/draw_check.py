"""Check that what `predict --draw` names can hold the drawings: a folder, or the file of one."""

from collections.abc import Sequence
from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.image_formats import (
    DRAWN_IMAGE_SUFFIXES,
    DRAWN_VIDEO_FORMATS,
    is_image_name,
    is_video_name,
)

# Of images and figures, in formats that are neither read nor written here.
_OTHER_SUFFIXES = (".avif", ".eps", ".heic", ".heif", ".jp2", ".jxl", ".pdf", ".svg")


def check_drawing(draw: Path | None, num_images: int, videos: Sequence[Path] = ()) -> None:
    """Refuse the name of one image or video where several are drawn, or one of the other kind.

    Args:
        draw: what `--draw` names; None for nothing.
        num_images: that are drawn, beside the videos.

    Raises: InputError, also for endings in which no drawing is written.
    """
    if draw is None or draw.is_dir():
        return
    is_image = is_image_name(draw) or draw.suffix.lower() in _OTHER_SUFFIXES
    if not (is_image or is_video_name(draw)):
        return
    is_video = is_video_name(draw)
    kind = "video" if is_video else "image"
    num_files = num_images + len(videos)
    if num_files > 1:
        what = f"is one {kind}, and {format_count(num_files, 'file is', 'files are')} drawn"
        raise InputError(f"--draw {draw}", what, f"name a folder: {_name_folder(draw)}")
    if bool(videos) != is_video:
        given = f"{videos[0]} is a video" if videos else "an image is drawn"
        what = f"is the name of {'a video' if is_video else 'an image'}, and {given}"
        remedy = f"name it {draw.with_suffix('.mp4' if videos else '.jpg')}"
        raise InputError(f"--draw {draw}", what, remedy)
    suffixes = tuple(DRAWN_VIDEO_FORMATS) if is_video else DRAWN_IMAGE_SUFFIXES
    if draw.suffix.lower() not in suffixes:
        what = f"no {kind} of this ending is written, only {', '.join(suffixes)}"
        remedy = f"name it {draw.with_suffix('.mp4' if is_video else '.png')}"
        raise InputError(f"--draw {draw}", what, remedy)


def _name_folder(path: Path) -> Path:
    folder = path.with_suffix("")
    return folder.with_name("drawn") if folder.is_file() else folder
