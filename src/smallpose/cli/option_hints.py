"""Say what an option that a verb has not may have meant."""

import argparse
import difflib
from collections.abc import Sequence

# Names that people give to one thing; a verb has at most one of them, or takes it without a name.
_LABELS = ("--data", "--truth", "--labels", "--gt", "--ground-truth", "--annotations", "--ann")
_RESULTS = ("--predictions", "--results", "--preds", "--pred", "--dt", "--detections")
_SYNONYMS = (_LABELS, _RESULTS)
_FILE_OF = {
    _LABELS: ("TRUTH.json", "is given without it, as the first file"),
    _RESULTS: ("PREDICTIONS.json", "is given without it, after TRUTH.json"),
}
_MIN_SIMILARITY = 0.75


def suggest_option(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> str:
    """Return what to type instead of the first unknown option; "" where nothing is like it.

    Args:
        unknown: the words that the parser did not recognize.
    """
    options = [word.partition("=")[0] for word in unknown if word.startswith("--")]
    for option in options:
        known = [name for action in parser._actions for name in action.option_strings]
        synonym = _find_synonym(parser, option, known)
        if synonym:
            return synonym
        near = difflib.get_close_matches(option, known, n=1, cutoff=_MIN_SIMILARITY)
        if near:
            return f"did you mean '{near[0]}'?"
    return ""


def describe_missing_options(parser: argparse.ArgumentParser, missing: Sequence[str]) -> str:
    """Return what to add for options that are required, with what they are; "" without any."""
    additions = []
    for action in parser._actions:
        if not any(name in missing for name in action.option_strings):
            continue
        sentence = (
            str(action.help).replace("%%", "%").partition(". ")[0].partition("; ")[0].rstrip(".")
        )
        value = f" {action.metavar}" if action.metavar else ""
        is_word = sentence[1:2].islower()  # and no abbreviation, such as COCO
        described = sentence[:1].lower() + sentence[1:] if is_word else sentence
        additions.append(f"{action.option_strings[-1]}{value} ({described})")
    return f"add {', '.join(additions)}" if additions else ""


def _find_synonym(parser: argparse.ArgumentParser, option: str, known: Sequence[str]) -> str:
    """Return the verb's own name for what an option means elsewhere."""
    for names in _SYNONYMS:
        if option not in names:
            continue
        own = [name for name in names if name in known]
        if own:
            return f"did you mean '{own[0]}'?"
        file, place = _FILE_OF[names]
        for action in parser._actions:
            if not action.option_strings and file in str(action.metavar):
                return f"leave {option} out: {file} {place}"
    return ""
