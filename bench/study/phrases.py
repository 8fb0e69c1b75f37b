"""Phrases of which the sentences of `docs/which-model.md` are made."""

from collections.abc import Iterable, Sequence

from study.lookup import Content, Ends

SENSOR_WORDS = {"clean": "on clean images", "camera": "through the camera model"}
MAX_NAMES = 4  # of models that cannot be told apart


def name_people(one: Content) -> str:
    """Name a set of people in words."""
    return f"{one['people']:,} people of {one['title']}"


def join_words(words: Iterable[str], last: str = "and") -> str:
    """Join words, as in `a, b and c`."""
    texts = list(words)
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def join_names(names: Sequence[str], last: str = "and") -> str:
    """Join the first names, with the number of others where they are many."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) > MAX_NAMES:
        quoted = [*quoted[: MAX_NAMES - 1], f"{len(quoted) - MAX_NAMES + 1} others"]
    return join_words(quoted, last)


def join_px(heights: Iterable[int], measured: Sequence[int]) -> str:
    """Join heights, as in `16 px`, `16 and 48 px` or, of neighbours, `16 to 32 px`.

    Args:
        measured: all heights, rising.
    """
    places = sorted(measured.index(px) for px in heights)
    first, last = places[0], places[-1]
    if len(places) > 2 and places == list(range(first, last + 1)):
        return f"{measured[first]} to {measured[last]} px"
    return f"{join_words(str(measured[place]) for place in places)} px"


def format_points(ends: Ends, sign: bool = False) -> str:
    """Format an interval of shares in points, as in `41.0 (36.2 to 47.1)`."""
    form = "+.1f" if sign else ".1f"
    texts = [None if end is None else f"{100 * end:{form}}" for end in ends]
    if texts[1] is None or texts[2] is None:
        return str(texts[0])
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def format_range(values: Sequence[float], form: str = ".1f") -> str:
    """Format the smallest and the largest value of shares in points, as in `4.1 to 10.6`."""
    low, high = f"{100 * min(values):{form}}", f"{100 * max(values):{form}}"
    return low if low == high else f"{low} to {high}"
