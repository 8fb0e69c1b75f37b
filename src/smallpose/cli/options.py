"""How options are declared, so that all help texts read alike, and how their values are parsed."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

# What `smallpose demo` writes; the examples in help texts use it, so that they work when pasted.
DEMO_SET = "runs/demo/set"
DEMO_TRUTH = f"{DEMO_SET}/annotations/test.json"

# argparse has no public name for what a parser and its groups have in common.
OptionGroup = argparse._ActionsContainer


def add_option(
    group: OptionGroup,
    *names: str,
    help: str,
    default: Any = None,
    default_text: str = "",
    type: Callable[[str], Any] | None = None,
    choices: Sequence[str] = (),
    metavar: str = "",
    **settings: Any,
) -> None:
    """Add an option with a metavar and a help sentence that ends with its default.

    Args:
        group: the parser or one of its groups.
        help: one sentence with its full stop.
        default_text: the default in words, where a user would not write the value itself.
        choices: the values allowed; they are the metavar, too.
        settings: passed on to `add_argument`.
    """
    if not settings.get("required"):
        help = f"{help.removesuffix('.')} (default: {default_text or default})."
    if choices:
        settings["choices"] = choices
    group.add_argument(
        *names,
        help=help.replace("%", "%%"),
        default=default,
        type=type,
        metavar=metavar or "|".join(choices),
        **settings,
    )


def add_switch(group: OptionGroup, *names: str, help: str, **settings: Any) -> None:
    """Add an option without a value, which is off unless it is given."""
    help = f"{help.removesuffix('.')} (default: off)."
    group.add_argument(*names, action="store_true", help=help.replace("%", "%%"), **settings)


def add_seed(group: OptionGroup, purpose: str) -> None:
    """Add `--seed`; `purpose` completes the sentence "Random seed of …"."""
    text = f"Random seed of {purpose}."
    add_option(group, "--seed", type=parse_non_negative, default=0, metavar="N", help=text)


def add_json(group: OptionGroup, contents: str) -> None:
    """Add `--json`; `contents` completes the sentence "Write … as JSON"."""
    text = f"Write {contents} as JSON to this file, or to stdout if it is '-'."
    add_option(group, "--json", metavar="FILE", default_text="not written", help=text)


def parse_non_negative(text: str) -> int:
    """Parse an integer of 0 or more, such as a seed."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: is not an integer of 0 or more; try 0")
    return int(text)


def parse_names(text: str) -> tuple[str, ...]:
    """Split a list with commas between its names."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
