"""Pictures in, Predictions out, for methods that find people by themselves.

Pictures that are fitted to the same size go through the network together.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.progress import track
from smallpose.inference.nms import oks_nms
from smallpose.inference.top_down import take
from smallpose.methods.whole import Found, WholeImageMethod, gather
from smallpose.samples.crops import check_size
from smallpose.samples.images import Picture, one_thread
from smallpose.table.instances import Instances
from smallpose.table.predictions import Predictions

WAITING = 4  # batches of pictures that are held to be sorted by size


def find_everybody(
    method: WholeImageMethod,
    people: Instances,
    read: Callable[[str], Picture],
    *,
    flip_test: bool | None = None,
    nms_above: float | None = None,
    batch_size: int = 8,
    most_bad: float = 0.001,
    label: str = "",
) -> Predictions:
    """All people of all images, image by image in their order, with the boxes they were found in.

    Args:
        people: names the images; nothing of its people is looked at.
        read: file name to picture.
        flip_test: average with the mirrored picture; the method's own habit without.
        nms_above: people of one image nearer than this OKS are one; the method's own without.
        batch_size: pictures through the network at a time.
        most_bad: share of the images that may be unreadable.
        label: of a progress bar over the images; none without.

    Raises: InputError when too many pictures are unreadable, or one is not of the size the
        annotations say.
    """
    one_thread()
    was_training = method.training
    method.eval()
    flip = method.default_flip_test if flip_test is None else flip_test
    unreadable: list[str] = []
    found: list[Found] = []
    rows: list[int] = []
    waiting: list[Picture] = []

    def look() -> None:
        found.extend(method.find_in(waiting, flip, batch_size))
        waiting.clear()

    for row, picture in _pictures(people, read, unreadable, most_bad, label):
        rows.append(row)
        waiting.append(picture)
        if len(waiting) == WAITING * batch_size:
            look()
    look()
    method.train(was_training)
    ids = people.images.ids[np.array(rows, dtype=np.intp)].tolist()
    all_found = gather(method.skeleton, found, ids)
    above = method.nms_above if nms_above is None else nms_above
    notes = tuple(f"not predicted: {why}" for why in unreadable)
    return replace(once_each(all_found, above), notes=notes)


def _pictures(
    people: Instances,
    read: Callable[[str], Picture],
    unreadable: list[str],
    most_bad: float,
    label: str,
) -> Iterator[tuple[int, Picture]]:
    """Rows of the images and their pictures; why one could not be read goes to `unreadable`."""
    names = list(enumerate(people.images.file_names))
    for row, name in track(names, label) if label else names:
        try:
            picture = read(name)
        except InputError as error:
            unreadable.append(str(error))
            if len(unreadable) > most_bad * len(names):
                raise InputError(
                    error.where,
                    f"{error.what}: {len(unreadable)} of {len(names):,} pictures cannot be read, "
                    f"more than {most_bad:.1%}",
                    "mend or remove them, or allow more with --max-bad",
                ) from None
            continue
        check_size(picture, people, row, name)
        yield row, picture


def once_each(found: Predictions, above: float) -> Predictions:
    """Predictions without people found twice; the area of a pose is its extent's."""
    if above >= 1 or not len(found):
        return found
    low, high = found.keypoints[..., :2].min(axis=1), found.keypoints[..., :2].max(axis=1)
    area = (high - low).prod(axis=1)
    by_image = np.argsort(found.image_ids, kind="stable")
    first = np.flatnonzero(np.diff(found.image_ids[by_image], prepend=np.nan))
    kept = []
    for here in np.split(by_image, first[1:]):
        best = oks_nms(
            *(found.keypoints[here], found.scores[here], area[here]),
            *(found.skeleton.sigmas, above),
        )
        kept.append(here[np.sort(best)])
    return take(found, np.sort(np.concatenate(kept)))
