"""Write counts with the words that agree with them."""

_SINGULAR_NOUNS = {"people": "person", "boxes": "box"}
_SINGULAR_VERBS = {"are": "is", "have": "has", "were": "was", "do": "does", "lie": "lies"}


def format_count(count: int, singular: str, plural: str = "") -> str:
    """Write a count with the word or words that agree with it.

    Args:
        plural: by default the singular with an s.

    >>> format_count(1, "image"), format_count(1200, "image"), format_count(2, "person", "people")
    ('1 image', '1,200 images', '2 people')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def format_share(count: int, total: int, singular: str, plural: str) -> str:
    """Write how many of how many, with a noun that agrees with the total and a verb with the count.

    Args:
        singular, plural: a noun, with words before it or none, and a verb.

    >>> format_share(1, 5, "image is", "images are"), format_share(2, 5, "image is", "images are")
    ('1 of 5 images is', '2 of 5 images are')
    >>> format_share(1, 1, "person has", "people have")
    '1 of 1 person has'
    """
    noun = (singular if total == 1 else plural).rpartition(" ")[0]
    verb = (singular if count == 1 else plural).rpartition(" ")[2]
    return f"{count:,} of {total:,} {noun} {verb}"


def choose_verb(count: int, plural: str) -> str:
    """Return the verb of a count: its plural, or its singular for one.

    >>> choose_verb(1, "have"), choose_verb(2, "have")
    ('has', 'have')
    """
    return _SINGULAR_VERBS[plural] if count == 1 else plural


def format_part(part: int, total: int, place: str, verb: str) -> str:
    """Write how many of the people of a place do what, as the beginning of a clause.

    Args:
        place: words behind the people, such as "below it".
        verb: in the plural.

    >>> format_part(30, 60, "below it", "have"), format_part(1, 3, "below it", "have")
    ('of the 60 people below it, 30 have', 'of the 3 people below it, 1 has')
    >>> format_part(1, 1, "below it", "have")
    'the one person below it has'
    """
    if part == total == 1:
        return f"the one person {place} {choose_verb(part, verb)}"
    people = format_count(total, "person", "people")
    return f"of the {people} {place}, {part:,} {choose_verb(part, verb)}"


def format_phrase(count: int, plural: str) -> str:
    """Write a count with a phrase about several things, which is put into the singular for one.

    Args:
        plural: its first plural noun and the first verb after that are changed for one.

    >>> format_phrase(2, "people in frames left out"), format_phrase(1, "people in frames left out")
    ('2 people in frames left out', '1 person in frames left out')
    >>> format_phrase(1, "labelled boxes of people are empty")
    '1 labelled box of people is empty'
    """
    words = plural.split(" ")
    if count != 1:
        return f"{count:,} {plural}"
    nouns = [i for i, word in enumerate(words) if word in _SINGULAR_NOUNS or word.endswith("s")]
    first = nouns[0]
    words[first] = _SINGULAR_NOUNS.get(words[first], words[first].removesuffix("s"))
    verbs = [i for i, word in enumerate(words) if i > first and word in _SINGULAR_VERBS]
    for verb in verbs[:1]:
        words[verb] = _SINGULAR_VERBS[words[verb]]
    return f"{count:,} {' '.join(words)}"
