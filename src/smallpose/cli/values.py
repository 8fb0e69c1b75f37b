"""What flags of several verbs take."""

from argparse import ArgumentTypeError


def from_zero(text: str) -> int:
    """A whole number from 0 on, such as a seed."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text}: not a whole number from 0 on; try 0")
    return int(text)
