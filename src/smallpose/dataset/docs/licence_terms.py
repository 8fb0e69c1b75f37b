"""Show the terms of use of the sources once, and record which ones the user accepts.

Images remain the sources' own. A build that only links to the user's copies continues after the
terms were shown; one that copies images requires that they are accepted. This is no legal advice.
The summaries below are from the publishers' pages at the time of writing.
"""

import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.errors import InputError, RefusedError, SmallposeError
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status


@dataclass(frozen=True)
class LicenceTerms:
    """The terms of use of a source: its title, a summary, and the page that states them."""

    title: str
    summary: str
    page: str


TERMS = {
    "coco": LicenceTerms(
        "COCO keypoints 2017",
        "annotations CC BY 4.0; images under their Flickr terms",
        "cocodataset.org/#termsofuse",
    ),
    "mpii": LicenceTerms(
        "MPII Human Pose",
        "non-commercial research; the images are frames of videos by others",
        "human-pose.mpi-inf.mpg.de",
    ),
    "aic": LicenceTerms(
        "AI Challenger 2017",
        "terms of the challenge, research use; the images belong to news sites",
        "github.com/AIChallenger/AI_Challenger_2017",
    ),
    "hieve": LicenceTerms(
        "HiEve (HIE20)",
        "research use after registration; faces are blurred and must remain so",
        "humaninevents.org",
    ),
    "posetrack": LicenceTerms("PoseTrack18", "non-commercial research", "posetrack.net"),
}


def get_terms(source: str) -> LicenceTerms:
    """Return the terms of a published source, or a placeholder for a custom source."""
    return TERMS.get(source, LicenceTerms(source, "custom source: the terms of its owner", "–"))


def get_answers_file() -> Path:
    """Return the file that records acceptance, below XDG_CONFIG_HOME or ~/.config."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(home) / "smallpose" / "terms.json"


def confirm_terms(
    sources: Sequence[str],
    accept: Collection[str],
    *,
    copying: bool,
    ask: Callable[[str], str] | None,
) -> None:
    """Show the terms that are not accepted yet, and ask for acceptance where it is required.

    Args:
        sources: names of the sources that a build reads.
        accept: names passed to `--accept`.
        copying: whether images will be copied.
        ask: asks the user a question at a terminal; None without a terminal.
    Raises: InputError for an unknown name, RefusedError when terms must be accepted and are not.
    """
    for name in accept:
        if name not in TERMS:
            raise InputError(
                f"--accept {name}", "no such source", f"choose from {', '.join(TERMS)}"
            )
    accepted, shown = _read_answers()
    newly_accepted = set(accept) - accepted
    accepted |= newly_accepted
    open_names = [name for name in sources if name not in accepted]
    to_show = [name for name in open_names if name not in shown or copying or ask]
    if to_show:
        print_status("Images and labels remain under the terms of their publishers:")
    for name in to_show:
        terms = TERMS[name]
        print_status(f"  {name:<10}{terms.title}: {terms.summary} ({terms.page})")
    if open_names and ask is not None:
        answered = _ask_for_acceptance(open_names, ask)
        newly_accepted |= answered
        accepted |= answered
        open_names = [name for name in open_names if name not in accepted]
    if newly_accepted or set(to_show) - shown:
        _write_answers(accepted, shown | set(to_show))
    if open_names and (copying or ask is not None):
        what = f"the terms of {', '.join(open_names)} are not accepted"
        if copying:
            what = f"copying images requires accepting the terms of {', '.join(open_names)}"
        raise RefusedError("build", what, f"read them, then use --accept {','.join(open_names)}")
    if to_show:
        print_status(
            "Continuing, because no image is copied. Use --accept "
            f"{','.join(open_names)} to accept these terms."
        )


def _ask_for_acceptance(names: Sequence[str], ask: Callable[[str], str]) -> set[str]:
    """Ask which terms the user accepts; return the names."""
    answer = ask(f"Accept these terms? Type the names ({','.join(names)}), 'all', or nothing: ")
    words = set(answer.replace(",", " ").split())
    return set(names) if "all" in words else words & set(names)


def _read_answers() -> tuple[set[str], set[str]]:
    """Read which terms were accepted and which were shown; none if the file cannot be read."""
    try:
        answers = json.loads(get_answers_file().read_text())
        return set(answers["accepted"]) & set(TERMS), set(answers["shown"]) & set(TERMS)
    except (OSError, ValueError, KeyError, TypeError):
        return set(), set()


def _write_answers(accepted: Collection[str], shown: Collection[str]) -> None:
    record = {"accepted": sorted(accepted), "shown": sorted(shown)}
    try:
        write_atomically(get_answers_file(), json.dumps(record, indent=1) + "\n")
    except SmallposeError:
        print_status(f"{get_answers_file()} cannot be written, so the terms will be shown again")
