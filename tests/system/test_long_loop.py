"""A loop that takes long prints how far it is; a short one prints nothing."""

from smallpose.system import progress


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
