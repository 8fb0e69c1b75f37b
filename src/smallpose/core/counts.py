"""Write counts with the words that agree with them."""


def format_count(count: int, singular: str, plural: str = "") -> str:
    """Write a count with the word or words that agree with it.

    Args:
        plural: by default the singular with an s.

    >>> format_count(1, "image"), format_count(1200, "image"), format_count(2, "person", "people")
    ('1 image', '1,200 images', '2 people')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
