"""Let the remedy of an error name only options that the command has.

Readers serve several verbs, and what helps in one of them may be an option that another lacks.
"""

import re
from collections.abc import Collection

from smallpose.core.errors import SmallposeError

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_CLAUSE_END = re.compile(r"(; |, or )")


def keep_own_advice(
    error: SmallposeError, own: Collection[str], of_verbs: dict[str, Collection[str]]
) -> None:
    """Leave out the clauses of a remedy that name an option of other verbs alone.

    A clause that names such a verb, too, says what to type there, and stays.

    Args:
        own: options of the command.
        of_verbs: options of each verb.
    """
    parts = _CLAUSE_END.split(error.remedy)
    clauses = parts[::2]
    is_kept = [not list_foreign_options(clause, own, of_verbs) for clause in clauses]
    if all(is_kept) or not any(is_kept):
        return
    ends = ["", *parts[1::2]]  # what stands before each clause
    kept = [(end, clause) for end, clause, keep in zip(ends, clauses, is_kept, strict=True) if keep]
    error.reword(lambda text: text if text != error.remedy else _join(kept))


def _join(kept: list[tuple[str, str]]) -> str:
    return kept[0][1] + "".join(end + clause for end, clause in kept[1:])


def list_foreign_options(
    clause: str, own: Collection[str], of_verbs: dict[str, Collection[str]]
) -> list[str]:
    """List the options in a clause that neither the command has nor a verb that the clause names.

    Options that no verb has are those of other programs, such as pip.
    """
    named = [options for verb, options in of_verbs.items() if re.search(rf"\b{verb}\b", clause)]
    return [
        option
        for option in _OPTION.findall(clause)
        if option not in own
        and not any(option in options for options in named)
        and any(option in options for options in of_verbs.values())
    ]
