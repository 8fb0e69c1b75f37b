"""Lines about the work go to stderr: whole in a log, wrapped on a terminal."""

import io
import sys

from smallpose.system.progress import print_status

LINE = (
    "note: the test part has people in 12 images: smallpose compare needs 15; before training, "
    "run smallpose split again with --test 0.35 and another --out /a/path/that/is/long/own-set"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_lines_of_80_columns_and_a_log_whole_ones(capsys, monkeypatch):
    print_status(LINE)
    assert capsys.readouterr().err == LINE + "\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    print_status(LINE)
    print_status("short")
    first, *others = terminal.getvalue().splitlines()
    assert all(len(line) <= 80 for line in (first, *others)) and others[-1] == "short"
    assert [line[:2] for line in others[:-1]] == ["  "] * (len(others) - 1)
    assert " ".join([first, *(line.strip() for line in others[:-1])]) == LINE
