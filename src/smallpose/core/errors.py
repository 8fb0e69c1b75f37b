"""What went wrong, in one line: where, what, and how to mend it.

Every error a user can cause or meet is one of these three; the command line prints the line and
leaves with the error's exit code. Anything else that is raised is a defect of ours.
"""


class SmallposeError(Exception):
    """The base of the three; never raised itself.

    Args:
        where: the file, record or option at fault, as precisely as it is known.
        what: what is wrong there.
        mend: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, where: str, what: str, mend: str) -> None:
        self.where, self.what, self.mend = where, what, mend
        # File names and foreign messages may carry line breaks; the promise is one line.
        super().__init__(" ".join(f"{where}: {what}; {mend}".split()))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.where, self.what, self.mend)


class InputError(SmallposeError):
    """The input or the call is at fault."""

    exit_code = 2


class RefusedError(SmallposeError):
    """Refused for safety: a path that leaves its root, a file that would run code."""

    exit_code = 3


class RunError(SmallposeError):
    """The run failed although the call was sound: a full disk, a loss that exploded."""

    exit_code = 4
