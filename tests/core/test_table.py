"""Every format of a table has the same cells, escapes what it must, and keeps intervals."""

import csv
import io

import pytest

from smallpose.core.interval import Interval
from smallpose.core.table import Column, Table, build_text_table, wrap_text

COLUMNS = (Column("name"), Column("AP_S", "points", "small people"), Column("people", "count"))
ROWS = (("a|b", Interval(60.0, 58.25, 62.0), 1234), ("c", 43.2, None))
TABLE = Table(name="t", title="A < B", columns=COLUMNS, rows=ROWS, note="A note.")
WITH_FOOT = Table(name="t", title="", columns=COLUMNS, rows=ROWS, foot=("all", None, 1234))


def test_markdown_has_title_alignment_and_note():
    assert TABLE.to_markdown().splitlines() == [
        "**A < B**",
        "",
        "| name | AP_S | people |",
        "| --- | ---: | ---: |",
        "| a\\|b | 60.0 (58.2–62.0) | 1,234 |",
        "| c | 43.2 | – |",
        "",
        "A note.",
    ]


def test_csv_has_plain_numbers_and_columns_for_the_ends():
    assert list(csv.reader(io.StringIO(TABLE.to_csv()))) == [
        ["name", "AP_S", "AP_S_low", "AP_S_high", "people"],
        ["a|b", "60", "58.25", "62", "1234"],
        ["c", "43.2", "", "", ""],
    ]


def test_latex_escapes_special_characters_and_has_small_intervals():
    table = Table("t", "t", (Column("AP_S"), Column("x", "points")), (("50 % & $_{}", ROWS[0][1]),))
    text = table.to_latex()
    assert r"AP\_S & x \\" in text
    assert r"50 \% \& \$\_\{\} & 60.0 {\scriptsize (58.2--62.0)} \\" in text


def test_html_escapes_text_and_has_sortable_values():
    table = Table("t", "a < b", COLUMNS[:2], (("<script>", ROWS[0][1]),), muted_rows=frozenset([0]))
    text = table.to_html()
    assert "<script>" not in text
    assert "a &lt; b" in text
    assert 'data-value="60">60.0 <small>58.2–62.0</small>' in text
    assert '<th scope="col" class="n" title="small people">AP<sub>S</sub></th>' in text
    assert '<tr class="quiet">' in text


def test_terminal_text_aligns_words_left_and_numbers_right():
    assert TABLE.to_text().splitlines() == [
        "A < B",
        "name              AP_S  people",
        "──────────────────────────────",
        "a|b   60.0 (58.2–62.0)   1,234",
        "c                 43.2       –",
        "──────────────────────────────",
    ]


def test_a_foot_is_below_a_rule_in_text_and_latex_and_a_row_elsewhere():
    assert WITH_FOOT.to_text().splitlines()[-1] == "all                  –   1,234"
    assert WITH_FOOT.to_markdown().endswith("| all | – | 1,234 |\n")
    assert "\\midrule\nall & -- & 1,234 \\\\\n\\bottomrule" in WITH_FOOT.to_latex()
    assert WITH_FOOT.to_csv().endswith("all,,,,1234\n")


def test_sentences_are_below_their_row_and_long_cells_are_wrapped():
    columns = (Column("claim"), Column("text", width=8), Column("because"))
    table = Table("t", "Claims", columns, (("C1", "one two three", "many words here"),), "Note.")
    assert table.to_long_text(14).splitlines() == [
        "Claims",
        "claim  text",
        "C1     one two",
        "       three",
        "    many words",
        "    here",
        "",
        "Note.",
    ]


@pytest.mark.parametrize(
    ("kind", "cell", "readable", "plain"),
    [
        ("points", 0.06, "0.1", "0.06"),
        ("number", 2.0, "2.00", "2"),
        ("count", 12345, "12,345", "12345"),
        ("exact", 1 / 3, "0.3333333333333333", "0.3333333333333333"),
        ("points", float("nan"), "–", ""),
        ("points", Interval(-1.0, -2.0, 0.5), "-1.0 (-2.0 to 0.5)", "-1"),
        ("points", Interval(1.0), "1.0", "1"),
    ],
)
def test_each_kind_of_column_has_its_format(kind, cell, readable, plain):
    column = Column("x", kind)
    assert column.format(cell) == readable
    assert column.format_plain(cell) == plain


def test_a_wide_table_wraps_its_headings_then_continues_in_blocks_that_repeat_the_labels():
    heads = ("run", *(f"metric number {i}" for i in range(12)))
    columns = tuple(Column(h, "number" if i else "text") for i, h in enumerate(heads))
    rows = tuple((f"run {r}", *(r + i / 4 for i in range(12))) for r in range(3))
    text = Table("t", "title", columns, rows).to_text()
    assert max(map(len, text.splitlines())) <= 80
    blocks = text.split("\n\n")
    assert len(blocks) == 2
    assert all(block.count("run 1") == 1 for block in blocks)
    cells = [cell for row in rows for cell in row[1:]]
    assert sorted(float(x) for x in text.split() if "." in x) == sorted(cells)
    assert Table("t", "title", columns, rows).to_text(width=200).count("\n\n") == 0


def test_long_text_is_wrapped_and_nothing_is_cut():
    name = "a/very/long/path/" * 8 + "image.jpg"
    table = build_text_table(("image", "why"), [(name, "its joints are outside " * 6)])
    text = table.to_text()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("outside") == 6
    assert text.count("/") == name.count("/")


def test_wrapped_text_keeps_addresses_whole_and_indents_what_continues():
    url = "https://example.org/" + "a-b/" * 30
    lines = wrap_text(f"short\n  weights: {url}\n  " + "word " * 30).splitlines()
    assert lines[:3] == ["short", "  weights:", f"    {url}"]
    assert all(line.startswith("    word") for line in lines[4:])
    assert max(len(line) for line in lines[3:]) <= 80


def test_the_further_lines_of_a_wrapped_label_are_no_rows():
    columns = (Column("run"), *(Column(f"metric {i}", "points") for i in range(4)))
    rows = (("SimpleBaseline R18 tiny own", *[1.0] * 4), ("coffee own", *[2.0] * 4))
    for width in (30, 26):
        lines = Table("t", "Runs", columns, rows).to_text(width=width).splitlines()
        assert max(map(len, lines)) <= width
        first = next(i for i, line in enumerate(lines) if line.startswith("SimpleBaseline"))
        end = next(i for i, line in enumerate(lines) if line.startswith("coffee"))
        assert end > first + 1
        assert all(line.startswith("  ") for line in lines[first + 1 : end])


def make_wide_table(names):
    """Make a table of two columns of text at the left, too wide for one block."""
    columns = (Column("run"), Column("method"), *(Column(f"AP_{n}", "points") for n in range(12)))
    rows = tuple(
        (name, "SimpleBaseline R18 tiny", *(10.0 * row + n / 10 for n in range(12)))
        for row, name in enumerate(names, 1)
    )
    return Table(
        "wide", "Runs", (*columns, Column("training")), tuple((*row, "s" * 40) for row in rows)
    )


def test_further_blocks_repeat_the_first_column_alone_where_it_tells_rows_apart():
    names = ["SimpleBaseline R18 tiny own", "SimpleBaseline R18 tiny A"]
    lines = make_wide_table(names).to_text(width=80).splitlines()
    assert max(map(len, lines)) <= 80
    starts = [line for line in lines if line.startswith(names[0])]
    assert len(starts) == sum(line.startswith("run") for line in lines) == 3
    assert sum("  SimpleBaseline R18 tiny  " in line for line in starts) == 1
    # No name takes two lines, and each number is printed once.
    assert len(lines) == 1 + 3 * 5 + 2
    assert [f"{10 + n / 10:.1f}" in " ".join(starts) for n in range(12)] == [True] * 12


def test_further_blocks_repeat_all_labels_where_two_rows_begin_alike():
    lines = make_wide_table(["same", "same"]).to_text(width=80).splitlines()
    assert all("SimpleBaseline" in line for line in lines if line.startswith("same"))


def test_columns_without_a_number_do_not_widen_a_table_beyond_the_terminal():
    heads = ["protocol", "result", *(f"AP of {name}" for name in ("all", "small", "dense"))]
    intervals = [f"{i:.20f}" for i in range(3)]
    rows = [["coco", "a", *intervals[:2], "n/a"], ["", "95 %", *intervals[1:], "n/a"]]
    foot = ["people", "", "12", "5", "0"]
    text = build_text_table(heads, rows, foot, num_left=2).to_text(width=66)
    assert "dense" not in text.splitlines()[0]
    assert text.splitlines()[-1] == "n/a in all rows: AP of dense"
    assert text.count("protocol") == 1  # one block
    named = build_text_table(heads, rows, foot, 2).to_text(width=66, names_unknown=False)
    assert f"{named}\nn/a in all rows: AP of dense" == text
    # Where there is room, and where people have no number, the column stays.
    assert "AP of dense" in build_text_table(heads, rows, foot, 2).to_text().splitlines()[0]
    counted = [*foot[:-1], "3"]
    assert "in all rows" not in build_text_table(heads, rows, counted, 2).to_text(width=66)
