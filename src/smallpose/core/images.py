"""Images of the ground truth, one row per image, also those without people."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.argument_checks import make_column
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

_NUM_SHOWN_NAMES = 3
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]


@dataclass(frozen=True, repr=False)
class Images:
    """Images as columns, in the order of their file.

    Args:
        ids: (m,) unique numbers. Where the file has ids that are text, they are numbers of ours in
            the order of the texts.
        file_names: (m,) relative paths.
        width, height: (m,) px; 0 where unknown.
        source: (m,) indices into `SOURCES`.
        source_ids: (m,) the image's id in the source; "" where unknown.
        groups: (m,) video or sequence; "" where there is none.
        text_ids: (m,) the ids as the file has them, where any is text; else empty.
        published_crowd_index: (m,) CrowdIndex as the file has it, as CrowdPose's files do; NaN for
            images without, and empty where no image has one.
        source_splits: (m,) the split of the image in its source, such as "val"; "" where unknown,
            and empty where no image has one.
    """

    ids: Ints
    file_names: tuple[str, ...]
    width: Ints
    height: Ints
    source: Codes
    source_ids: tuple[str, ...]
    groups: tuple[str, ...]
    text_ids: tuple[int | str, ...] = ()
    published_crowd_index: tuple[float, ...] = ()
    source_splits: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return what there is in one line, as `Images(2 images: a.jpg, b.jpg)`."""
        names = ", ".join(self.file_names[:_NUM_SHOWN_NAMES])
        more = ", …" if len(self) > _NUM_SHOWN_NAMES else ""
        return f"Images({format_count(len(self), 'image')}: {names}{more})"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def file_ids(self) -> list[int | str]:
        """Return the ids as the file has them, to show and to write."""
        return list(self.text_ids) if self.text_ids else self.ids.tolist()

    @cached_property
    def file_id_of(self) -> dict[int, int | str]:
        """Return the id in the file of each id."""
        return dict(zip(self.ids.tolist(), self.file_ids, strict=True))

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Return the row of each image id."""
        return {image: row for row, image in enumerate(self.ids.tolist())}

    def take(self, rows: NDArray[np.intp]) -> "Images":
        """Return the given rows, in the given order."""
        indices = rows.tolist()
        return Images(
            ids=self.ids[rows],
            file_names=tuple(self.file_names[i] for i in indices),
            width=self.width[rows],
            height=self.height[rows],
            source=self.source[rows],
            source_ids=tuple(self.source_ids[i] for i in indices),
            groups=tuple(self.groups[i] for i in indices),
            text_ids=tuple(self.text_ids[i] for i in indices) if self.text_ids else (),
            published_crowd_index=tuple(self.published_crowd_index[i] for i in indices)
            if self.published_crowd_index
            else (),
            source_splits=tuple(self.source_splits[i] for i in indices)
            if self.source_splits
            else (),
        )


def make_images(
    ids: Sequence[int] | Ints,
    file_names: Sequence[str],
    width: Sequence[int] | Ints | None = None,
    height: Sequence[int] | Ints | None = None,
    source: int | Sequence[int] | Codes = 0,
    source_ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> Images:
    """Make `Images` from lists or arrays; what is left out is unknown.

    Raises: InputError for columns of different lengths.
    """
    if isinstance(file_names, str):
        raise InputError("make_images", "file_names are one name", "pass a list of names")
    m = len(file_names)
    zeros = np.zeros(m, dtype=np.int64)
    return Images(
        ids=make_column("ids", ids, np.int64, (m,)),
        file_names=tuple(file_names),
        width=zeros if width is None else make_column("width", width, np.int64, (m,)),
        height=zeros if height is None else make_column("height", height, np.int64, (m,)),
        source=np.broadcast_to(np.asarray(source, dtype=np.int8), m).copy(),
        source_ids=("",) * m if source_ids is None else tuple(source_ids),
        groups=("",) * m if groups is None else tuple(groups),
    )
