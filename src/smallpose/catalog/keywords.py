"""Words that a command takes in place of a path: keywords of options, and names of methods.

One rule holds for all of them: the word wins, and a file or folder of that name is reached with
its folder before it, as in ./mmpose.
"""

from collections.abc import Callable
from pathlib import Path

from smallpose.system.progress import print_status

PUBLISHED_WEIGHTS = "mmpose"  # of --weights: the checkpoint that MMPose publishes


def report_shadowed_path(keyword: str, flag: str, meaning: str = "keyword") -> None:
    """Print that a file or folder with the name of a keyword is not the one that is read."""
    if not Path(keyword).exists():
        return
    kind = "folder" if Path(keyword).is_dir() else "file"
    print_status(
        f"{flag} {keyword} is the {meaning}, not the {kind} of that name here; write ./{keyword} "
        f"for the {kind}"
    )


def make_path_parser(keyword: str, flag: str) -> Callable[[str], Path]:
    """Return a parser of an option's paths that keeps ./keyword apart from the keyword.

    The path of the keyword is the keyword itself; that of a file of its name is absolute.
    """

    def parse_path(text: str) -> Path:
        if text == keyword:
            report_shadowed_path(keyword, flag)
            return Path(text)
        return Path(text).absolute() if str(Path(text)) == keyword else Path(text)

    return parse_path
