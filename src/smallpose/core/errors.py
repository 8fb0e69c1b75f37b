"""Define the errors that users can cause or meet.

Each is one line with three parts: where, what, remedy. The command line prints the line and exits
with the error's exit code. Any other exception is a bug of ours.
"""

from collections.abc import Callable


class SmallposeError(Exception):
    """The base of the three errors; never raised itself.

    Args:
        where: the file, record or option that is wrong, as precisely as it is known.
        what: what is wrong there.
        remedy: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(_join_parts(where, what, remedy))
        self.where = where
        self.what = what
        self.remedy = remedy

    def reword(self, rewrite: Callable[[str], str]) -> None:
        """Replace each of the three parts by what `rewrite` returns for it."""
        self.where = rewrite(self.where)
        self.what = rewrite(self.what)
        self.remedy = rewrite(self.remedy)
        self.args = (_join_parts(self.where, self.what, self.remedy),)

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.where, self.what, self.remedy)


class InputError(SmallposeError):
    """The input or the call is wrong."""

    exit_code = 2


class RefusedError(SmallposeError):
    """The input is refused for safety, such as a path that leaves its root or a file with code."""

    exit_code = 3


class RunError(SmallposeError):
    """The run failed although the call was correct, such as on a full disk."""

    exit_code = 4


def _join_parts(where: str, what: str, remedy: str) -> str:
    # File names and other programs' messages may contain line breaks; the error is one line.
    return " ".join(f"{where}: {what}; {remedy}".split())
