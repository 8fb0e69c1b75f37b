"""What puts the numbers of an evaluation in doubt, and the words for it beside each of them.

A note tells a doubt with its evidence. Every verdict, interval and height that it concerns repeats
it in a few words, by the list here: a command that prints one of them needs no list of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smallpose.evaluation.analysis.cut_scores import LOWER_AP
from smallpose.evaluation.analysis.missing_images import AS_IF_UNPREDICTED
from smallpose.evaluation.comparability import LABEL_BOXES, MIXED_BOXES
from smallpose.evaluation.notes import NO_MATCH, UNLABELLED
from smallpose.io.equal_scores import EQUAL_SCORES
from smallpose.io.frame_groups import TOO_NARROW
from smallpose.io.label_faults import UNCOUNTED, UNSETTLED
from smallpose.io.mismatch import REPEATED
from smallpose.io.predicted_images import NO_HEIGHT
from smallpose.io.trained_images import TRAINED_ON

DIFFERENT_SIGMAS = "so their numbers cannot be compared"  # in the note of a report
IN_DOUBT = "in doubt, see the notes"  # beside a verdict of a report's table


@dataclass(frozen=True)
class Doubt:
    """A kind of doubt.

    Args:
        mark: text that is in its notes, and in no others.
        clause: of a verdict; `{names}` are the results that have the note.
    """

    mark: str
    clause: str


WRITTEN_OTHERWISE = Doubt(
    UNSETTLED,
    "labels or results seem not to be written as they must be (see the notes), so this says "
    "nothing about the models",
)
MISSING_IMAGES = Doubt(
    NO_HEIGHT,
    "many images have no results of {names} (see the notes), so this may say nothing about the "
    "models",
)
UNPREDICTED_IMAGES = Doubt(
    AS_IF_UNPREDICTED,
    "images seem not to have been predicted for {names} (see the notes), so this may say nothing "
    "about the models",
)
WITHOUT_RANKING = Doubt(
    EQUAL_SCORES,
    "all scores of {names} are equal (see the notes), so this depends on the order in the file",
)
POSSIBLE_FRAMES = Doubt(
    TOO_NARROW,
    "if the images are frames of a video, the intervals are too narrow and this may be chance (see "
    "the notes)",
)
WITHOUT_LABELS = Doubt(
    UNLABELLED, "images without a label may not have been labelled (see the notes)"
)
IGNORED_FALSE_POSITIVES = Doubt(
    UNCOUNTED, "AP is too high: false positives are ignored (see the notes)"
)
REPEATED_DETECTIONS = Doubt(
    REPEATED,
    "detections are in {names} more than once and count as false positives (see the notes)",
)
TRAINED_IMAGES = Doubt(
    TRAINED_ON,
    "AP of {names} is too high for new images: training images are among these (see the notes)",
)
CUT_SCORES = Doubt(LOWER_AP, "AP of {names} may be lower for a limit on scores (see the notes)")
OTHER_BOXES = Doubt(MIXED_BOXES, f"{MIXED_BOXES} (see the notes)")
OTHER_SIGMAS = Doubt(
    DIFFERENT_SIGMAS, "OKS sigmas differ, so the numbers cannot be compared (see the notes)"
)
DOUBTS = (
    WRITTEN_OTHERWISE,
    MISSING_IMAGES,
    UNPREDICTED_IMAGES,
    WITHOUT_RANKING,
    POSSIBLE_FRAMES,
    WITHOUT_LABELS,
    IGNORED_FALSE_POSITIVES,
    REPEATED_DETECTIONS,
    TRAINED_IMAGES,
    CUT_SCORES,
    OTHER_BOXES,
    OTHER_SIGMAS,
)


def is_doubt(note: str) -> bool:
    """Return whether a note puts numbers or verdicts in doubt."""
    return NO_MATCH in note or any(doubt.mark in note for doubt in DOUBTS)


def has_mark(doubt: Doubt, notes: Iterable[str]) -> bool:
    """Return whether one of the notes tells this doubt."""
    return any(doubt.mark in note for note in notes)


def has_doubt(notes: Iterable[str]) -> bool:
    """Return whether a note says that labels or results are not written as they must be."""
    return has_mark(WRITTEN_OTHERWISE, notes)


def lacks_images(notes: Iterable[str]) -> bool:
    """Return whether a note says that many images were not predicted, or look like it."""
    return has_mark(MISSING_IMAGES, notes)


def find_doubts(
    notes: Mapping[str, Sequence[str]], shared_notes: Iterable[str] = ()
) -> dict[Doubt, str]:
    """Return the doubts of a verdict about some results, each with its clause.

    Where something is not written as it must be, that is the only one: nothing else is known then.

    Args:
        notes: of the evaluations, by the name of the result.
        shared_notes: of all of them together.
    """
    shared_notes = [*shared_notes]
    doubts = {}
    for doubt in DOUBTS:
        names = [name for name in notes if has_mark(doubt, notes[name])]
        if names or has_mark(doubt, shared_notes):
            doubts[doubt] = doubt.clause.format(names=" and ".join(names or notes))
    if WRITTEN_OTHERWISE in doubts:
        return {WRITTEN_OTHERWISE: doubts[WRITTEN_OTHERWISE]}
    return doubts


def describe_pair_doubt(
    notes: Mapping[str, Sequence[str]], shared_notes: Iterable[str] = ()
) -> str:
    """Say why a verdict may say little about the models; "" without a doubt.

    Args: as of `find_doubts`.
    """
    return "; ".join(find_doubts(notes, shared_notes).values())


def find_mixed_boxes(notes: Sequence[str], other_notes: Sequence[str]) -> list[str]:
    """Return the mark of the doubt where one of two results alone has the boxes of the labels.

    Args:
        notes, other_notes: with those of `describe_label_boxes`.
    """
    has_boxes, has_other = (
        any(LABEL_BOXES in note for note in one) for one in (notes, other_notes)
    )
    return [MIXED_BOXES] if has_boxes != has_other else []


def describe_height_doubt(notes: Iterable[str]) -> str:
    """Say beside a height that it rests on few images; "" where no note says so."""
    if not has_mark(POSSIBLE_FRAMES, notes):
        return ""
    return "if the images are frames of a video, this rests on few independent ones (see the notes)"
