"""Say, in the page's first lines, which of their numbers a note puts in doubt."""

from collections.abc import Iterable, Mapping, Sequence

from smallpose.core.counts import choose_verb
from smallpose.evaluation.analysis.half_detected import has_doubt, lacks_images
from smallpose.evaluation.analysis.verdict import describe_pair_doubt
from smallpose.evaluation.comparability import MIXED_BOXES
from smallpose.evaluation.notes import NO_MATCH, UNLABELLED
from smallpose.io.frame_groups import TOO_NARROW
from smallpose.io.peer_files import UNCOUNTED
from smallpose.report.inputs.different_sigmas import NO_COMPARISON

MAX_SHOWN = 8  # notes on the terminal that put no number in doubt
IN_DOUBT = "in doubt, see the notes"
_MARKS = (NO_MATCH, TOO_NARROW, MIXED_BOXES, NO_COMPARISON, UNLABELLED, UNCOUNTED)


def is_doubt(note: str) -> bool:
    """Return whether a note puts numbers or verdicts in doubt."""
    return has_doubt([note]) or lacks_images([note]) or any(mark in note for mark in _MARKS)


def describe_ap_doubt(notes: Iterable[str]) -> str:
    """Say that labels may be missing, or too many are ignored; "" where no note says so."""
    notes = list(notes)
    sentences = []
    if any(UNLABELLED in note for note in notes):
        sentences.append("Images without a label may not have been labelled (see the notes).")
    if any(UNCOUNTED in note for note in notes):
        sentences.append("AP is too high: false positives are ignored (see the notes).")
    return " ".join(sentences)


def describe_interval_doubt(notes: Iterable[str]) -> str:
    """Say that intervals may be too narrow; "" where no note says so."""
    if not any(TOO_NARROW in note for note in notes):
        return ""
    return "If the images are frames of a video, the intervals here are too narrow."


def describe_lead_doubt(notes: Mapping[str, Sequence[str]], page_notes: Sequence[str]) -> str:
    """Say why the lead may say little about the models, as `compare` does; "" without a doubt.

    Args:
        notes: of the best run and of its rival, by their labels.
        page_notes: of all results together.
    """
    clause = describe_pair_doubt(notes)
    sentences = [f"{clause[0].upper()}{clause[1:]}."] if clause else []
    if any(MIXED_BOXES in note for note in page_notes):
        sentences.append("A part of the difference is the boxes (see the notes).")
    if any(NO_COMPARISON in note for note in page_notes):
        sentences.append("OKS sigmas differ, so the numbers cannot be compared (see the notes).")
    return " ".join(sentences)


def describe_doubts_of_others(notes: Mapping[str, Sequence[str]]) -> str:
    """Say which of the runs that the lead does not compare have numbers in doubt.

    Args:
        notes: of these runs, by their labels.
    """
    wrong = [label for label in notes if has_doubt(notes[label])]
    rest = {label: notes[label] for label in notes if label not in wrong}
    unmatched = [label for label in rest if any(NO_MATCH in note for note in rest[label])]
    without = [label for label in rest if lacks_images(rest[label])]
    sentences = []
    if wrong:
        sentences.append(f"The numbers of {_join(wrong)} say nothing about the models")
    if unmatched:
        verb = choose_verb(len(unmatched), "have")
        sentences.append(f"{_join(unmatched)} {verb} no detection that fits anybody")
    if without:
        sentences.append(f"Many images have no results of {_join(without)}")
    return " ".join(f"{sentence} (see the notes)." for sentence in sentences)


def _join(labels: Sequence[str]) -> str:
    *first, last = labels
    return f"{', '.join(first)} and {last}" if first else last


def choose_shown_notes(notes: Sequence[str]) -> list[str]:
    """Choose the notes for the terminal: those that put numbers in doubt, then some others."""
    doubts = [note for note in notes if is_doubt(note)]
    others = [note for note in notes if note not in doubts]
    shown = [*doubts, *others[:MAX_SHOWN]]
    if len(others) > MAX_SHOWN:
        shown.append(f"the page has {len(others) - MAX_SHOWN:,} more")
    return shown
