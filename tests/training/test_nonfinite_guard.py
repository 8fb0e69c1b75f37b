"""The guard against non-finite steps: rare ones are skipped, and many stop the run."""

from types import SimpleNamespace

import pytest
import torch

from smallpose.training.nonfinite_guard import DUMP, WITHIN, NonfiniteGuard, TrainingDiverged


def test_rare_nonfinite_steps_never_stop_a_run_and_six_close_ones_do(tmp_path):
    """Row 24: days of training survive a bad label that comes once per epoch."""
    guard = NonfiniteGuard(tmp_path)
    batch = SimpleNamespace(crops=torch.zeros(2, 4, 4, 3), keypoints=torch.ones(2, 3, 3))
    for n in range(50):
        guard.count_skipped(n * WITHIN // 5, float("nan"), [1, 2], batch)
    assert guard.num_skipped == 50
    with pytest.raises(
        TrainingDiverged, match=r"6 of the last 100 steps, this one with annotations 1, 2"
    ):
        guard.count_skipped(49 * WITHIN // 5 + 1, float("nan"), [1, 2], batch)
    from safetensors.torch import load_file

    dumped = load_file(tmp_path / DUMP)
    assert dumped["ids"].tolist() == [1, 2]
    assert torch.equal(dumped["keypoints"], batch.keypoints)
