"""A loop that takes long prints how far it is; a short one prints nothing."""

from smallpose.system import progress


def test_a_log_gets_the_time_left_of_a_long_loop_and_nothing_of_a_short_one(monkeypatch, capsys):
    seconds = iter(range(0, 10_000, 7))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    assert list(progress.show_progress(range(40), "tiles")) == list(range(40))
    assert capsys.readouterr().err.splitlines() == [
        "tiles: 3 of 40 done after 21 s, about 4 min left",
        "tiles: 12 of 40 done after 84 s, about 3 min left",
        "tiles: 21 of 40 done after 2 min, about 2 min left",
        "tiles: 30 of 40 done after 4 min, about 70 s left",
        "tiles: 39 of 40 done after 5 min, about 7 s left",
    ]
    assert list(progress.show_progress("ab", "letters")) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_of_a_loop_without_a_known_end_the_log_counts(monkeypatch, capsys):
    seconds = iter(range(0, 1000, 11))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    assert list(progress.show_progress(iter("abcd"), "frames")) == list("abcd")
    assert capsys.readouterr().err == "frames: 2 done after 22 s\n"


def test_a_long_loop_prints_lines_at_intervals_and_a_short_one_none(monkeypatch, capsys):
    seconds = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    assert list(progress.report_long_loop(range(2, 9), "people")) == list(range(2, 9))
    assert capsys.readouterr().err.splitlines() == [
        "people: 2 of 7 done after 12 s",
        "people: 5 of 7 done after 24 s",
    ]
    assert list(progress.report_long_loop("abc", "letters", every_s=60)) == list("abc")
    assert capsys.readouterr().err == ""
