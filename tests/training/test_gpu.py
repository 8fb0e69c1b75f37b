"""On a CUDA device: the losses of the CPU, half precision, compiling, resuming and predicting."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import open_set_images
from smallpose.inference import InferenceOptions, predict_people
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import METHODS, create_method
from smallpose.training.run import TrainingConfig, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

TINY = [name for name in METHODS if name.endswith("_tiny")]
SAMPLE = ("simple_baseline_r18_tiny", "vitpose_tiny", "rtmo_tiny")
# Without a GPU all are skipped, and none is created to know whether it is trained.
METHODS_ON_BOTH = [
    name for name in TINY if not torch.cuda.is_available() or create_method(name).recipes
]


@pytest.fixture(autouse=True)
def full_precision():
    """Compute convolutions in single precision instead of TensorFloat-32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def run(method: str, data: Path, out: Path, steps: int = 4, **more: object) -> list[float]:
    """Train a few steps by `quick`; return the losses."""
    overrides = (("steps", str(steps)), ("batch_size", "4"), *more.pop("overrides", ()))
    config = TrainingConfig(
        method=method, data=data, out=out, recipe="quick", overrides=overrides, **more
    )
    train(config)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "epoch" in line]


def predict(people: Instances, data: Path, method: str, device: str, half: bool) -> Predictions:
    torch.manual_seed(0)
    network = create_method(method, people.skeleton).move_to(device).eval()
    options = InferenceOptions(precision="half" if half else "float32")
    return predict_people(network, people, None, open_set_images(data).read, options)


@pytest.mark.parametrize("method", METHODS_ON_BOTH)
def test_the_first_losses_are_those_of_the_cpu(eight, tmp_path, method):
    on_cpu = run(method, eight, tmp_path / "cpu", device="cpu")
    on_gpu = run(method, eight, tmp_path / "gpu", device="cuda")
    # Random numbers inside the network (drop path, dropout) are others on a GPU.
    tolerance = 0.05 if "vit" in method or "hrformer" in method else 2e-3
    np.testing.assert_allclose(on_gpu[:1], on_cpu[:1], rtol=tolerance)
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=max(tolerance, 0.05))


@pytest.mark.parametrize("method", METHODS_ON_BOTH)
def test_half_precision_has_nearly_the_loss_of_single_precision(eight, tmp_path, method):
    single = run(method, eight, tmp_path / "single", device="cuda")
    half = run(method, eight, tmp_path / "half", device="cuda", overrides=(("half", "true"),))
    assert np.isfinite(half).all()
    np.testing.assert_allclose(half[:2], single[:2], rtol=0.1)


@pytest.mark.parametrize("method", SAMPLE)
def test_a_compiled_network_has_the_loss_of_the_plain_one(eight, tmp_path, method):
    plain = run(method, eight, tmp_path / "plain", device="cuda")
    compiled = run(method, eight, tmp_path / "compiled", device="cuda", compile="inductor")
    np.testing.assert_allclose(compiled[:2], plain[:2], rtol=0.05 if "vit" in method else 5e-3)


@pytest.mark.parametrize("method", SAMPLE)
def test_parts_of_a_batch_give_the_loss_of_the_batch(eight, tmp_path, method):
    whole = run(method, eight, tmp_path / "whole", steps=1, device="cuda")
    parts = run(method, eight, tmp_path / "parts", steps=1, device="cuda", micro_batch=2)
    np.testing.assert_allclose(parts, whole, rtol=0.2)  # norms see another batch


def test_a_resumed_run_continues_on_the_gpu(eight, tmp_path):
    whole = run(SAMPLE[0], eight, tmp_path / "whole", steps=6, device="cuda")
    run(SAMPLE[0], eight, tmp_path / "parts", steps=6, device="cuda")
    resumed = run(SAMPLE[0], eight, tmp_path / "parts", steps=8, device="cuda", resume=True)
    np.testing.assert_allclose(resumed[:5], whole[:5], rtol=5e-3)
    assert len(resumed) == 8


@pytest.mark.parametrize("method", METHODS_ON_BOTH)
def test_predictions_are_those_of_the_cpu(eight, method):
    people = read_coco(eight / "annotations" / "test.json")
    on_cpu = predict(people, eight, method, "cpu", half=False)
    on_gpu = predict(people, eight, method, "cuda", half=False)
    assert len(on_gpu) == len(on_cpu)
    if len(on_cpu):
        distance = np.linalg.norm(on_gpu.keypoints[..., :2] - on_cpu.keypoints[..., :2], axis=2)
        # Untrained maps are nearly flat: single joints may sit on another of two equal peaks.
        assert np.mean(distance < 0.5) > 0.95
    half = predict(people, eight, method, "cuda", half=True)
    assert np.isfinite(half.keypoints).all()
