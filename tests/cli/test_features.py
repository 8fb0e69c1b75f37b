"""`smallpose features`: arguments that are checked before a network is loaded."""

import pytest

from smallpose.cli.features import _split_method_and_file
from smallpose.cli.main import main


@pytest.mark.parametrize(
    ("text", "method_and_file"),
    [
        ("runs/hrnet", ("", "runs/hrnet")),
        ("simcc_r50=a/b.pth", ("simcc_r50", "a/b.pth")),
        ("runs/lr=0.1", ("", "runs/lr=0.1")),
        ("simcc_r50=runs/lr=0.1", ("simcc_r50", "runs/lr=0.1")),
        ("simcc_r50", ("", "simcc_r50")),
    ],
)
def test_a_file_may_have_an_equals_sign_in_its_name(text, method_and_file):
    assert _split_method_and_file(text) == method_and_file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "fig6.txt"), "--out fig6.txt: is not a known format; end it in .png or .svg"),
        (
            ("--out", "fig6.png", "--people", "0"),
            "--people 0: leaves nothing to draw; give 1 or more",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(words, message, capsys):
    assert main(["features", "run", "--data", "t.json", "--images", "i", *words]) == 2
    assert message in capsys.readouterr().err
