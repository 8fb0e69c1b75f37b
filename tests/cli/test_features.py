"""`smallpose features`: arguments that are checked before a network is loaded."""

import numpy as np
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
    assert main(["features", "run", "--data", __file__, "--images", ".", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_method_that_cannot_be_drawn_is_left_out_and_the_others_are_drawn(
    tmp_path, monkeypatch, capsys
):
    """A regression method without a spread stopped the figure of the run beside it."""
    torch = pytest.importorskip("torch")
    cv2 = pytest.importorskip("cv2")
    from smallpose import create_method, make_images, make_instances, write_coco
    from smallpose.core.skeleton import COCO17
    from smallpose.methods.rle import RLE
    from smallpose.training.checkpoint import save_model

    torch.manual_seed(0)
    runs = []
    for name in ("rle_r18_tiny", "simple_baseline_r18_tiny"):
        method = create_method(name, COCO17)
        save_model(method, tmp_path / name, method.recipes["quick"])
        runs.append(str(tmp_path / name))
    forward = RLE.forward
    monkeypatch.setattr(RLE, "forward", lambda self, images: forward(self, images)[..., :2])
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((90, 120, 3), np.uint8))
    points = np.full((1, 17, 3), [20.0, 20, 2])
    images = make_images([1], ["a.png"], [120], [90])
    write_coco(make_instances(COCO17, images, [0], [[10, 5, 30, 60]], points), tmp_path / "t.json")
    words = ["--data", str(tmp_path / "t.json"), "--images", str(tmp_path)]
    assert main(["features", *runs, *words, "--out", str(tmp_path / "both.png")]) == 0
    printed = capsys.readouterr()
    assert "1 method: " in printed.out and (tmp_path / "both.png").stat().st_size
    assert "features rle_r18_tiny: returns an array of n × 17 × 2, neither heatmaps" in printed.err
    assert printed.err.rstrip().endswith("left out")
    assert main(["features", runs[0], *words, "--out", str(tmp_path / "one.png")]) == 2
    assert not (tmp_path / "one.png").exists()
