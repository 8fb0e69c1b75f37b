"""RTMO's dynamic coordinate classifier."""

import torch

from smallpose.models.heads.rtmo_dcc import DynamicCoordinateClassifier


def test_joints_lie_inside_the_padded_box_and_one_person_or_none_can_be_trained():
    torch.manual_seed(0)
    classifier = DynamicCoordinateClassifier(16, 5, (12, 16), 8)
    center, size = torch.tensor([[50.0, 60.0]]), torch.tensor([[20.0, 40.0]])
    for training in (True, False):
        joints, p_x, p_y = classifier.train(training)(torch.randn(1, 16), center, size, center + 3)
        assert joints.shape == (1, 5, 2)
        assert ((joints - center).abs() <= size / 2 + 1e-3).all()
        torch.testing.assert_close(p_x.sum(-1), torch.ones(1, 5))
        torch.testing.assert_close(p_y.sum(-1), torch.ones(1, 5))
    classifier.train()
    no_joints, _, _ = classifier(torch.zeros(0, 16), center[:0], size[:0], center[:0])
    no_joints.sum().backward()
    assert all(w.grad is not None for n, w in classifier.named_parameters() if "sigma" not in n)
