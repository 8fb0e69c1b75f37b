"""Notes of predictions about images that were left out."""

from collections.abc import Iterable

from smallpose.core.predictions import Predictions

_UNREADABLE = "not predicted: "


def describe_unreadable(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return a note for each image that could not be read."""
    return tuple(f"{_UNREADABLE}{reason}" for reason in reasons)


def list_unreadable(predictions: Predictions) -> list[str]:
    """Return why images could not be read."""
    notes = [note for note in predictions.notes if note.startswith(_UNREADABLE)]
    return [note.removeprefix(_UNREADABLE) for note in notes]


def list_other_notes(predictions: Predictions) -> list[str]:
    """Return the notes that are not about images that could not be read."""
    return [note for note in predictions.notes if not note.startswith(_UNREADABLE)]
