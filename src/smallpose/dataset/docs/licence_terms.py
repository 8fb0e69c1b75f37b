"""The sources' terms of use: shown once, accepted by name, remembered in a file of the user's.

Pictures stay the sources' own, so a build that only links to the user's copies goes on after it has
shown the terms; one that copies pictures wants them accepted. This is no legal advice, and what is
summed up here is what the publishers' pages said when it was written.
"""

import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.errors import InputError, SmallposeError
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status


@dataclass(frozen=True)
class LicenceTerms:
    """Of one source: what it is called, what its terms come to, and where they stand."""

    title: str
    summary: str
    page: str


TERMS = {
    "coco": LicenceTerms(
        "COCO keypoints 2017",
        "annotations CC BY 4.0; pictures under their Flickr terms",
        "cocodataset.org/#termsofuse",
    ),
    "mpii": LicenceTerms(
        "MPII Human Pose",
        "research use, not commercial: the pictures are frames of others' videos",
        "human-pose.mpi-inf.mpg.de",
    ),
    "aic": LicenceTerms(
        "AI Challenger 2017",
        "the challenge's terms, research use; the pictures belong to news sites",
        "github.com/AIChallenger/AI_Challenger_2017",
    ),
    "hieve": LicenceTerms(
        "HiEve (HIE20)",
        "research use after registration; faces are blurred and stay so",
        "humaninevents.org",
    ),
    "posetrack": LicenceTerms("PoseTrack18", "non-commercial research", "posetrack.net"),
}


def get_terms(source: str) -> LicenceTerms:
    """A published source's terms, or what can be said of a user's own."""
    return TERMS.get(source, LicenceTerms(source, "your own source: its owner's terms", "–"))


def get_answers_file() -> Path:
    """Where acceptance is remembered: below XDG_CONFIG_HOME, else ~/.config."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(home) / "smallpose" / "terms.json"


def confirm_terms(
    sources: Sequence[str],
    accept: Collection[str],
    *,
    copying: bool,
    ask: Callable[[str], str] | None,
) -> None:
    """Show what has not been accepted yet, and have it accepted where that is needed.

    Args:
        sources: names of the sources a build reads.
        accept: names given with `--accept`.
        copying: whether pictures are to be copied.
        ask: puts a question to somebody at a terminal; None when nobody is there.
    Raises: InputError for an unknown name, or when the terms must be accepted and are not.
    """
    for name in accept:
        if name not in TERMS:
            raise InputError(
                f"--accept {name}", "no such source", f"sources are {', '.join(TERMS)}"
            )
    accepted, shown = _read_answers()
    new = set(accept) - accepted
    accepted |= new
    open_ = [name for name in sources if name not in accepted]
    fresh = [name for name in open_ if name not in shown or copying or ask]
    if fresh:
        print_status("Pictures and labels stay under their publishers' terms:")
    for name in fresh:
        terms = TERMS[name]
        print_status(f"  {name:<10}{terms.title}: {terms.summary} ({terms.page})")
    if open_ and ask is not None:
        words = ask(f"Accept them? Type the names ({','.join(open_)}), 'all', or nothing: ")
        said = set(words.replace(",", " ").split())
        now = set(open_) if "all" in said else said & set(open_)
        new |= now
        accepted |= now
        open_ = [name for name in open_ if name not in accepted]
    if new or set(fresh) - shown:
        _write_answers(accepted, shown | set(fresh))
    if open_ and (copying or ask is not None):
        what = "copying pictures needs" if copying else "nobody accepted"
        raise InputError(
            "build",
            f"{what} the terms of {', '.join(open_)}",
            f"read them, then use --accept {','.join(open_)}",
        )
    if fresh:
        print_status(
            f"Going on, since nothing is copied; --accept {','.join(open_)} says you accept them."
        )


def _read_answers() -> tuple[set[str], set[str]]:
    """Whose terms were accepted, and whose were shown; none where the file cannot be read."""
    try:
        found = json.loads(get_answers_file().read_text())
        return set(found["accepted"]) & set(TERMS), set(found["shown"]) & set(TERMS)
    except (OSError, ValueError, KeyError, TypeError):
        return set(), set()


def _write_answers(accepted: Collection[str], shown: Collection[str]) -> None:
    record = {"accepted": sorted(accepted), "shown": sorted(shown)}
    try:
        write_atomically(get_answers_file(), json.dumps(record, indent=1) + "\n")
    except SmallposeError:
        print_status(
            f"{get_answers_file()} cannot be written, so the terms will be shown again next time"
        )
