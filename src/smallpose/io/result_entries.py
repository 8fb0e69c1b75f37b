"""The entries of a result file, before they are decoded, and files that are refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Raw

from smallpose.core.errors import RefusedError


@dataclass(frozen=True)
class ResultEntries:
    """The records of a COCO result file as text.

    Args:
        raws: of the records.
        keypoint_names: of the joints; None for those of the ground truth.
        places: where each record is, for messages; None where they are one list.
        notes: what was assumed or left out, as plain sentences.
    """

    raws: list[Raw]
    keypoint_names: list[str] | None = None
    places: Sequence[str] | None = None
    notes: Sequence[str] = field(default=())

    def describe(self, path: Path | str, index: int) -> str:
        """Return where an entry is, for messages."""
        return f"{path}, entry[{index}]" if self.places is None else self.places[index]


def refuse_pickle(path: Path | str, data: bytes) -> None:
    """Raise RefusedError for a pickle, whatever its name, and for what `torch.save` wrote."""
    is_pickle = data[:1] == b"\x80" and data[1:2] <= b"\x05"
    is_torch = data[:2] == b"PK" and b"/data.pkl" in data[:4096]
    if is_pickle or is_torch:
        raise RefusedError(
            str(path),
            "is a pickle, which runs code when it is read",
            "let MMPose write JSON (CocoMetric with outfile_prefix), Detectron2 its "
            "coco_instances_results.json; json.dump writes lists of tensors after .tolist()",
        )
