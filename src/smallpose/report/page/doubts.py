"""Say, in the page's first lines, which of their numbers a note puts in doubt."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from smallpose.core.counts import choose_verb
from smallpose.evaluation.doubts import (
    IGNORED_FALSE_POSITIVES,
    POSSIBLE_FRAMES,
    REPEATED_DETECTIONS,
    TRAINED_IMAGES,
    WITHOUT_LABELS,
    WITHOUT_RANKING,
    Doubt,
    find_doubts,
    has_doubt,
    has_mark,
    is_doubt,
    lacks_images,
)
from smallpose.evaluation.notes import NO_MATCH

MAX_SHOWN = 8  # notes on the terminal that put no number in doubt
_OF_AP = (
    WITHOUT_LABELS,
    IGNORED_FALSE_POSITIVES,
    REPEATED_DETECTIONS,
    TRAINED_IMAGES,
    WITHOUT_RANKING,
)
_TOLD = (WITHOUT_LABELS, IGNORED_FALSE_POSITIVES, POSSIBLE_FRAMES)  # which name no results


def describe_ap_doubt(label: str, notes: Iterable[str]) -> str:
    """Say what puts the AP of a run in doubt; "" where no note does."""
    notes = list(notes)
    doubts = find_doubts({label: notes})
    return " ".join(_to_sentence(doubts[doubt]) for doubt in _OF_AP if doubt in doubts)


def describe_interval_doubt(notes: Iterable[str]) -> str:
    """Say that intervals may be too narrow; "" where no note says so."""
    if not has_mark(POSSIBLE_FRAMES, notes):
        return ""
    return "If the images are frames of a video, the intervals here are too narrow."


def list_told_doubts(notes: Sequence[str]) -> list[Doubt]:
    """List the doubts of a run that stand beside its AP and its height already."""
    return [doubt for doubt in _TOLD if has_mark(doubt, notes)]


def describe_lead_doubt(
    notes: Mapping[str, Sequence[str]],
    page_notes: Sequence[str],
    told: Collection[Doubt] = (),
) -> str:
    """Say why the lead may say little about the models, as `compare` does; "" without a doubt.

    Args:
        notes: of the best run and of its rival, by their labels.
        page_notes: of all results together.
        told: doubts that need not be told again.
    """
    doubts = find_doubts(notes, page_notes)
    return " ".join(_to_sentence(doubts[doubt]) for doubt in doubts if doubt not in told)


def _to_sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def describe_doubts_of_others(notes: Mapping[str, Sequence[str]]) -> str:
    """Say which of the runs that the lead does not compare have numbers in doubt.

    Args:
        notes: of these runs, by their labels.
    """
    wrong = [label for label in notes if has_doubt(notes[label])]
    rest = {label: notes[label] for label in notes if label not in wrong}
    unmatched = [label for label in rest if any(NO_MATCH in note for note in rest[label])]
    without = [label for label in rest if lacks_images(rest[label])]
    repeated = [label for label in rest if has_mark(REPEATED_DETECTIONS, rest[label])]
    unranked = [label for label in rest if has_mark(WITHOUT_RANKING, rest[label])]
    trained = [label for label in rest if has_mark(TRAINED_IMAGES, rest[label])]
    sentences = []
    if wrong:
        sentences.append(f"The numbers of {_join(wrong)} say nothing about the models")
    if unmatched:
        verb = choose_verb(len(unmatched), "have")
        sentences.append(f"{_join(unmatched)} {verb} no detection that fits anybody")
    if without:
        sentences.append(f"Many images have no results of {_join(without)}")
    if repeated:
        sentences.append(f"Detections are in {_join(repeated)} more than once")
    if trained:
        sentences.append(
            f"{_join(trained)} {choose_verb(len(trained), 'have')} trained on test images"
        )
    if unranked:
        sentences.append(f"All scores of {_join(unranked)} are equal")
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
