"""Counts agree with their nouns, in all messages of the source: no "1 images"."""

import ast
import re
from pathlib import Path

import pytest

import smallpose
from smallpose.core.counts import (
    choose_verb,
    format_count,
    format_part,
    format_phrase,
    format_share,
)

ROOT = Path(smallpose.__file__).parent

# A value, then up to two words before a plural, as in "{n} image files" or "{n:,} people".
PLURAL = re.compile(r"^ ((?:[a-z][a-z-]* ){0,2}?)([a-z]{3,}s|people)\b(?![-'’])")
NO_ADJECTIVE = re.compile(
    r"\b(and|are|as|at|between|by|does|for|from|has|have|in|is|its?|lacks|needs|not?|of|on|or|"
    r"takes|that|the|to|under|was|whose|with|without)\b"
)
# What looks like a plural and is a verb: "{name} takes".
VERB = re.compile(
    r"belongs|brings|comes|contains|detects|differs|does|exists|fails|has|its?|joins|keeps|lacks|"
    r"leads|minus|needs|packs|reaches|returns|runs|takes|this|unpacks|was"
)
# Values that are words or constants above 1, by file and expression.
ALLOWED = {
    ("cli/features.py", "args.size"): "small, medium or large",
    ("dataset/docs/croissant.py", "len(SMALLPOSE)"): "21",
    ("dataset/docs/data_card.py", "joints"): "a text",
    ("evaluation/measures/definition.py", "NUM_POINTS[kind]"): "2 or 3",
    ("inference/predict_files.py", "method.name"): "a name",
    ("io/yolo_results.py", "joints"): "a text",
    ("report/claims/printed_numbers.py", "num_images"): "the paper's",
    ("report/claims/printed_numbers.py", "size"): "small, medium or large",
    ("report/explanations/density_columns.py", "density"): "sparse, moderate or dense",
    ("report/explanations/detection_limit.py", "_COUNTS[-1]"): "a constant",
    ("report/explanations/detection_limit.py", "count"): "constants",
    ("report/images/contact_sheet.py", "k"): "the joints of published sets",
    ("report/page/curves.py", "size"): "small, medium or large",
    ("report/tables/paper_tables.py", "' and '.join((f'{n:,}' for n in classes))"): "several",
    ("report/tables/paper_tables.py", "limits"): "a text",
    ("stats/scene_entropy.py", "kind"): "a suffix",
    ("system/image_limits.py", "height"): "width × height",
}
CONSTANT = re.compile(r"_?[A-Z][A-Z_]+")


def list_counts(source: str) -> list[tuple[str, str]]:
    """Return (expression, words after it) of each value that a plural follows in an f-string."""
    counts = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            spec = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
            match = PLURAL.match(str(text.value))
            if match is None or spec not in ("", ",") or value.conversion != -1:
                continue
            if NO_ADJECTIVE.search(match[1]) or VERB.fullmatch(match[2]):
                continue
            counts.append((ast.unparse(value.value), match[0]))
    return counts


def find_disagreeing(file: Path) -> list[str]:
    name = file.relative_to(ROOT).as_posix()
    return [
        f"{name}: {{{expression}}}{words}: use core/counts.py"
        for expression, words in list_counts(file.read_text())
        if not expression.startswith(("format_count(", "format_share(", "format_phrase("))
        and not CONSTANT.fullmatch(expression)
        and (name, expression) not in ALLOWED
    ]


def test_every_count_in_the_source_agrees_with_its_noun():
    problems = [line for file in sorted(ROOT.rglob("*.py")) for line in find_disagreeing(file)]
    assert not problems, "\n".join(problems)


def test_no_plural_is_made_by_hand():
    by_hand = re.compile(r"""\{["']s?["'] if [^{}]*? else ["']s?["']\}""")
    problems = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in sorted(ROOT.rglob("*.py"))
        for match in by_hand.finditer(file.read_text())
        # A mean number of epochs is no count.
        if file.name != "paper_tables.py"
    ]
    assert not problems, "\n".join(problems)


def test_what_is_allowed_exists():
    for name, expression in ALLOWED:
        found = [one for one, _ in list_counts((ROOT / name).read_text())]
        assert expression in found, f"{name}: {expression} is no longer needed"


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ('f"{n} images"', True),
        ('f"{len(rows):,} small people are left"', True),
        ('f"{a} of {b:,} image files"', True),
        ("f\"{format_count(n, 'image')} images\"", True),
        ('f"{n} of the images"', False),
        ('f"{name} takes images"', False),
        ('f"{share:.0%} images"', False),
        ('f"{name!r} images"', False),
    ],
)
def test_the_search_finds_what_it_is_for(source, is_found):
    assert bool(list_counts(source)) == is_found


def test_nouns_and_verbs_agree():
    assert format_count(1, "image has", "images have") == "1 image has"
    assert format_count(1000, "box", "boxes") == "1,000 boxes"
    assert format_share(1, 1000, "image is", "images are") == "1 of 1,000 images is"
    assert (
        format_share(0, 1, "labelled box has", "labelled boxes have") == "0 of 1 labelled box have"
    )
    assert format_phrase(1, "videos were decoded because their frames are numbered") == (
        "1 video was decoded because their frames are numbered"
    )
    assert format_phrase(3, "labelled joints of people") == "3 labelled joints of people"
    assert format_phrase(1, "labelled joints of people") == "1 labelled joint of people"


def test_no_bare_count_is_followed_by_a_plural_verb():
    """As in "{n:,} have"; `choose_verb` and `format_part` are for such clauses."""
    by_hand = re.compile(
        r"(?<! of )\{(?:num_\w+|len\([^{}]*\)|[\w.]*\.num_\w+)(?::,)?\} (?:are|have|were|lie)\b"
    )
    # The counts there are above 1 by a check before, or of joints of a skeleton.
    allowed = {"cli/train.py", "evaluation/comparability.py"}
    problems = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in sorted(ROOT.rglob("*.py"))
        for match in by_hand.finditer(file.read_text())
        if file.relative_to(ROOT).as_posix() not in allowed
    ]
    assert not problems, "\n".join(problems)


def test_parts_and_verbs_agree():
    assert choose_verb(1, "were") == "was" and choose_verb(0, "were") == "were"
    assert format_part(2, 3, "below it", "have") == "of the 3 people below it, 2 have"
    assert format_part(1, 1, "below it", "have") == "the one person below it has"
    assert format_part(0, 1, "below it", "have") == "of the 1 person below it, 0 have"
