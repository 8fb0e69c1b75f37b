"""The log of a training is read with known answers, and drawn."""

import json

import numpy as np
import pytest

from smallpose.report.figures.learning import draw_learning_curves
from smallpose.report.inputs.training_log import read_training_log
from smallpose.report.page.learning_section import _describe_log


def write_log(folder, losses, validations=(), damaged=""):
    lines = [json.dumps({"step": step, "epoch": 1, "loss": one}) for step, one in losses]
    lines += [
        json.dumps({"step": step, "AP": 0.5, **({} if ap is None else {"AP_S": ap})})
        for step, ap in validations
    ]
    (folder / "log.jsonl").write_text("\n".join([*lines, damaged]))


def test_losses_are_averaged_over_equal_parts_and_validations_are_points(tmp_path):
    losses = [(step, 2.0 * step) for step in range(1, 101)]
    write_log(tmp_path, losses, [(50, 0.25), (100, None)], damaged='{"step": 101, "lo')
    log = read_training_log(tmp_path)
    assert log.num_steps == 100
    # Two steps are in each of 50 parts: 1 and 2, 3 and 4, …
    np.testing.assert_allclose(log.shares, (np.arange(50) * 2 + 1.5) / 100)
    np.testing.assert_allclose(log.losses, np.arange(50) * 4 + 3.0)
    assert log.validated.tolist() == [0.5, 1.0]
    assert log.ap_small.tolist() == [25.0, 50.0]  # AP where no AP_S is logged


def test_a_step_that_was_repeated_after_an_interruption_counts_once(tmp_path):
    write_log(tmp_path, [(1, 4.0), (2, 8.0), (2, 2.0), (3, 1.0)])
    assert read_training_log(tmp_path).losses.tolist() == [4.0, 2.0, 1.0]


@pytest.mark.parametrize("losses", [None, [], [(1, 3.0)], [(1, float("nan")), (2, 3.0)]])
def test_a_run_without_two_losses_has_no_curve(tmp_path, losses):
    if losses is not None:
        write_log(tmp_path, losses)
    assert read_training_log(tmp_path) is None


def test_curves_go_from_one_to_zero_also_for_negative_losses(tmp_path):
    """As those of regression by likelihood are."""
    write_log(tmp_path, [(step, 1.0 - 0.1 * step) for step in range(1, 51)], [(25, 0.1)])
    log = read_training_log(tmp_path)
    figure = draw_learning_curves([("RLE", log), ("RLE again", log)])
    loss, gain = figure.axes
    assert [line.get_ydata()[[0, -1]].tolist() for line in loss.lines] == [[1.0, 0.0]] * 2
    assert gain.lines[0].get_ydata().tolist() == [10.0]
    assert _describe_log("RLE", log) == "RLE 50 steps, AP_S 10.0 after 50% of them"


def test_without_validations_the_loss_is_drawn_alone(tmp_path):
    write_log(tmp_path, [(1, 2.0), (2, 1.0)])
    assert len(draw_learning_curves([("one", read_training_log(tmp_path))]).axes) == 1
