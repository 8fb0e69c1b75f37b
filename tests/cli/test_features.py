"""`smallpose features`: what its words mean, seen before a network is loaded."""

import pytest

from smallpose.cli.features import _method_and_file
from smallpose.cli.main import main


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("runs/hrnet", ("", "runs/hrnet")),
        ("simcc_r50=a/b.pth", ("simcc_r50", "a/b.pth")),
        ("runs/lr=0.1", ("", "runs/lr=0.1")),
        ("simcc_r50=runs/lr=0.1", ("simcc_r50", "runs/lr=0.1")),
        ("simcc_r50", ("", "simcc_r50")),
    ],
)
def test_a_file_may_have_an_equals_sign_in_its_name(text, means):
    assert _method_and_file(text) == means


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "fig6.txt"), "--out fig6.txt: no such kind of picture; end it in .png"),
        (("--out", "fig6.png", "--people", "0"), "--people 0: nobody to look at; give 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_said_at_once(words, said, capsys):
    assert main(["features", "run", "--data", "t.json", "--images", "i", *words]) == 2
    assert said in capsys.readouterr().err
