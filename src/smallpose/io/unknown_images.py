"""Results of images that the ground truth does not have: refused, or left out and counted.

Refusing is the default, because results of other images are most often results of another data set.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.image_lookup import (
    ImageId,
    ImageLookup,
    describe_example,
    describe_unknown_image,
)
from smallpose.io.predicted_images import list_predicted_images

UnknownImages = Literal["refuse", "drop"]
UNKNOWN_IMAGES_WORDS = ("refuse", "drop")
UNKNOWN_IMAGES_REMEDY = (
    "correct the entry, or leave out all results of images that the ground truth does not have: "
    "--unknown-images drop"
)
_MAX_NAMES = 3  # in the sentence on what was left out


class ResultImages:
    """Finds the images of results, and counts the results of others where they are left out.

    Args:
        images: of the ground truth.
        unknown_images: "drop" to leave out results of other images. Then a file name that is given
            decides alone: the ids of a file on more images are often numbers of its own.
        goes_by_names: it decides alone in any case.
    """

    def __init__(
        self,
        images: Images,
        unknown_images: UnknownImages = "refuse",
        *,
        goes_by_names: bool = False,
    ) -> None:
        self.images = images
        self.is_dropping = unknown_images == "drop"
        self.lookup = ImageLookup(images, goes_by_names=self.is_dropping or goes_by_names)
        self.num_left_out: Counter[ImageId] = Counter()  # results by the name of their image
        self.known_ids: set[int] = set()  # of images that have results

    def find_id(self, image_id: ImageId | None, file_name: str | None, where: str) -> int | None:
        """Return the id in `images` of a result's image; None where the result is left out.

        Args: as of `ImageLookup.find_id_if_known`.
        Raises: InputError where no image fits and such results are refused, or several fit.
        """
        known = self.lookup.find_id_if_known(image_id, file_name, where)
        if known is None:
            name = file_name or image_id  # 0 is an id, too
            self.leave_out("" if name is None else name, where)
        else:
            self.known_ids.add(known)
        return known

    def leave_out(self, name: ImageId, where: str, num_results: int = 1) -> None:
        """Count results as left out.

        Args:
            name: of their image, or its id.

        Raises: InputError where such results are refused.
        """
        if not self.is_dropping:
            what = describe_unknown_image(name, self.images)
            raise InputError(where, what, UNKNOWN_IMAGES_REMEDY)
        self.num_left_out[name] += num_results

    def describe(self, path: Path | str, num_kept: int) -> tuple[str, ...]:
        """Return the sentences on what was left out; none where nothing was.

        Args:
            path: of the results.
            num_kept: how many results are left.

        Raises: InputError where all were left out.
        """
        return describe_left_out(path, self.images, self.known_ids, self.num_left_out, num_kept)


def describe_left_out(
    path: Path | str,
    truth_images: Images,
    known_ids: Collection[int],
    num_left_out: Mapping[ImageId, int],
    num_kept: int,
) -> tuple[str, ...]:
    """Return the sentences on results that were left out, by their image; as `describe`.

    Args:
        known_ids: of images that have results.
    """
    num_results = sum(num_left_out.values())
    if not num_results:
        return ()
    left_out = [name for name, count in num_left_out.items() if count]
    names = [str(name) for name in left_out]
    # Imported here, because most results have no unknown images and should be read fast.
    from smallpose.io.frame_groups import FRAMES_NAME

    is_video = Path(path).with_name(FRAMES_NAME).is_file()
    by_id = "image_id " if all(isinstance(name, int) for name in left_out) else ""
    listed = by_id + ", ".join(names[:_MAX_NAMES])
    if not num_kept:
        raise InputError(
            str(path),
            f"all {format_count(num_results, 'result is', 'results are')} of images that are not "
            "in "
            f"the truth ({listed}"
            + (", …)" if len(names) > _MAX_NAMES else ")")
            + describe_example(truth_images, names[0]),
            _describe_way_out(truth_images, names, is_video),
        )
    if len(names) > _MAX_NAMES:
        listed += f" and {len(names) - _MAX_NAMES:,} more"
    results = format_count(num_results, "result")
    images = format_count(len(names), "image")
    verb = "is" if num_results == 1 else "are"
    from smallpose.io.frame_numbering import describe_frame_numbers

    return (
        f"{results} of {images} that the labels do not have {verb} left out: {listed}",
        *describe_frame_numbers(
            truth_images,
            known_ids,
            [*num_left_out, *list_predicted_images(path)],
            is_video=is_video,
        ),
    )


def _describe_way_out(truth_images: Images, names: list[str], is_video: bool) -> str:
    """Say what to do where all results are of images that the labels do not have.

    Args:
        names: of the images of the results.
        is_video: the results are known to be of a video.
    """
    of_labels = {_get_last_part(name) for name in truth_images.file_names}
    if any(_get_last_part(name) in of_labels for name in names):
        return (
            "names differ in their folders: write the same folders into file_name of both, or "
            "predict with --data LABELS.json, or a folder that is called as in the labels"
        )
    # Imported here, because most results have no unknown images and should be read fast.
    from smallpose.io.frame_numbering import (
        are_evenly_numbered,
        describe_other_frames,
        find_frames_of_same_numbers,
    )

    frames = find_frames_of_same_numbers(truth_images.file_names, names)
    is_video = is_video or are_evenly_numbered(truth_images.file_names)
    if frames is not None and not is_video:
        return (
            f"where these are the same images, call them alike: file_name {frames.result!r} in "
            f"place of {frames.label!r} in the labels; or predict the labelled images: smallpose "
            "predict METHOD --data LABELS.json --images DIR"
        )
    if frames is not None:
        return (
            f"if these are frames of one video, call them alike: file_name {frames.result!r} in "
            f"place of {frames.label!r} in the labels, as long as the number is that of the frame "
            "in the video in both, from 0 on (ffmpeg numbers from 1, and with fps=1 one frame of "
            "each second); or predict the labelled images: smallpose predict METHOD "
            "--data LABELS.json --images DIR"
        )
    other = describe_other_frames(truth_images.file_names, names) if is_video else ""
    if other:
        return other
    return (
        "give the labels of these images, or results that name them by file_name as the labels do"
    )


def _get_last_part(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
