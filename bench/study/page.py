"""Write the parts of `docs/which-model.md` that come from the study, and its figure."""

import json
import re
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.system.files import write_atomically
from study.advice import write_advice
from study.lookup import Content
from study.tables import write_second_table, write_table
from study.words import write_answer, write_limits, write_verdicts

PAGE = "which-model.md"
_PART = "<!-- study: {name} -->\n(.*?)<!-- end -->"


def build_parts(content: Content) -> dict[str, str]:
    """Build each part of the page by its name."""
    return {
        "answer": write_answer(content),
        "table": write_table(content),
        "coco": write_second_table(content),
        "verdicts": write_verdicts(content),
        "advice": write_advice(content),
        "limits": write_limits(content),
    }


def replace_parts(page: str, parts: dict[str, str]) -> str:
    """Replace the parts between their marks; raises InputError where a mark is missing."""
    for name, text in parts.items():
        pattern = re.compile(_PART.format(name=name), re.DOTALL)
        if not pattern.search(page):
            raise InputError(PAGE, f"has no part '{name}'", f"add <!-- study: {name} --> to it")
        block = f"<!-- study: {name} -->\n\n{text}\n\n<!-- end -->"
        page = pattern.sub(lambda _, block=block: block, page)
    return page


def write_page(path: Path) -> None:
    """Write page and figure beside the JSON file of the numbers."""
    from study.figure import write_figure

    content = json.loads(path.read_text())
    page = path.parent / PAGE
    write_atomically(page, replace_parts(page.read_text(), build_parts(content)))
    write_figure(content, path.parent)
