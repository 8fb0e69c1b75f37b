"""Pictures in, Predictions out, for methods that find people by themselves.

Pictures that are fitted to the same size go through the network together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import Picture, one_thread
from smallpose.inference.options import Options
from smallpose.inference.prefetch import read_ahead
from smallpose.inference.tiles import find_in_tiles
from smallpose.methods.full_image import Found, WholeImageMethod, gather, once_each
from smallpose.methods.person_score import SCORE_RULES

BATCH = 8  # pictures through the network at a time
WAITING = 4  # batches of pictures that are held to be sorted by size


def find_everybody(
    method: WholeImageMethod,
    people: Instances,
    read: Callable[[str], Picture],
    options: Options | None = None,
    label: str = "",
) -> Predictions:
    """All people of all images, image by image in their order, with the boxes they were found in.

    Args:
        people: names the images; nothing of its people is looked at.
        read: file name to picture.
        label: of a progress bar over the images; none without.

    Raises: InputError when too many pictures are unreadable, or one is not of the size the
        annotations say.
    """
    options = options or Options()
    one_thread()
    flip = method.default_flip_test if options.flip_test is None else options.flip_test
    batch_size = options.batch_size or BATCH
    unreadable: list[str] = []
    found: list[Found] = []
    rows: list[int] = []
    waiting: list[Picture] = []

    def look() -> None:
        if options.tile:
            overlap = options.tile // 4 if options.tile_overlap is None else options.tile_overlap
            how = flip, batch_size, options.tile, overlap
            found.extend(find_in_tiles(method, picture, *how) for picture in waiting)
        else:
            found.extend(method.find_in(waiting, flip, batch_size))
        waiting.clear()

    with _as_asked(method, options):
        all_rows = range(len(people.images))
        how = options.most_bad, unreadable, label
        for row, picture in read_ahead(people, all_rows, read, *how):
            rows.append(row)
            waiting.append(picture)
            if len(waiting) == WAITING * batch_size:
                look()
        look()
    ids = people.images.ids[np.array(rows, dtype=np.intp)].tolist()
    all_found = gather(method.skeleton, found, ids)
    if options.score_rule:
        rule = SCORE_RULES[options.score_rule]
        scores = rule(all_found.scores, all_found.keypoint_scores)
        all_found = replace(all_found, scores=scores)
    above = method.nms_above if options.nms_above is None else options.nms_above
    notes = tuple(f"not predicted: {why}" for why in unreadable)
    return replace(once_each(all_found, above), notes=notes)


@contextmanager
def _as_asked(method: WholeImageMethod, options: Options) -> Iterator[None]:
    """The method in eval mode and with the caps that were asked for; as it was afterwards."""
    was_training = method.training
    before = {name: getattr(method, name) for name in ("most", "score_above", "rescore")}
    method.most = options.most if options.most is not None else method.most
    if options.score_above is not None:
        method.score_above = options.score_above
    method.rescore = method.rescore and options.rescore
    if was_training:
        method.eval()
    try:
        yield
    finally:
        if was_training:
            method.train()
        for name, value in before.items():
            setattr(method, name, value)
