"""rtmlib gets our poses from an export: its steps written out plainly, and rtmlib itself."""

import importlib.util
import json

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.methods import create_method

pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

import onnxruntime
from tests.inference.onnx.test_export import create_with_peaks, make_image

from smallpose.inference.onnx.export import export_onnx

needs_rtmlib = pytest.mark.skipif(
    importlib.util.find_spec("rtmlib") is None, reason="rtmlib is not installed (pip: --no-deps)"
)
BOXES_XYXY = np.array([[10.0, 20, 50, 110], [60, 5, 140, 65], [120, 40, 190, 130]])
BOXES_XYWH = np.concatenate([BOXES_XYXY[:, :2], BOXES_XYXY[:, 2:] - BOXES_XYXY[:, :2]], axis=1)


@pytest.fixture(scope="module")
def simcc(tmp_path_factory):
    method = create_with_peaks("simcc_r18_tiny")
    folder = tmp_path_factory.mktemp("simcc")
    export_onnx(method, folder, layout="rtmlib")
    return method, folder


@pytest.fixture(scope="module")
def rtmo(tmp_path_factory):
    method = create_with_peaks("rtmo_tiny")
    method.score_threshold = 0.5
    folder = tmp_path_factory.mktemp("rtmo")
    export_onnx(method, folder, layout="rtmlib")
    return method, folder


def open_session(folder):
    return onnxruntime.InferenceSession(str(folder / "network.onnx"))


def run_simcc_plainly(session, bgr, box, wh):
    """Do what rtmlib 0.0.16 does for one box; return (k, 2) px and (k,) scores."""
    x1, y1, x2, y2 = box
    center = np.array([x1 + x2, y1 + y2]) / 2
    width = max((x2 - x1) * 1.25, (y2 - y1) * 1.25 * wh[0] / wh[1])
    scale = np.array([width, width * wh[1] / wh[0]])
    factor = wh[0] / width
    matrix = np.array([[factor, 0, 0], [0, factor, 0]])
    matrix[:, 2] = np.array(wh) / 2 - factor * center
    crop = cv2.warpAffine(bgr, matrix, wh, flags=cv2.INTER_LINEAR)
    crop = (crop - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    x, y = session.run(None, {"input": crop.transpose(2, 0, 1)[None].astype(np.float32)})
    bins = np.stack([x[0].argmax(axis=1), y[0].argmax(axis=1)], axis=1)
    return bins / 2 / wh * scale + center - scale / 2, (x[0].max(axis=1) + y[0].max(axis=1)) / 2


def run_rtmo_plainly(session, bgr, wh, score_threshold):
    """Do what rtmlib 0.0.16 does but for its own suppression; return (d, k, 3) px and scores."""
    ratio = min(wh[1] / bgr.shape[0], wh[0] / bgr.shape[1])
    shown = (int(bgr.shape[1] * ratio), int(bgr.shape[0] * ratio))
    padded = np.full((wh[1], wh[0], 3), 114, np.uint8)
    padded[: shown[1], : shown[0]] = cv2.resize(bgr, shown) if ratio != 1 else bgr
    image = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)
    dets, people = session.run(None, {"input": image})
    keypoints = people[0][dets[0, :, 4] > score_threshold]
    keypoints[..., :2] /= ratio
    return keypoints


def test_the_files_have_the_names_and_shapes_that_rtmlib_reads(simcc, rtmo):
    for (method, folder), inputs, outputs in (
        (simcc, "input", ["simcc_x", "simcc_y"]),
        (rtmo, "input", ["dets", "keypoints"]),
    ):
        session = open_session(folder)
        w, h = method.input_wh
        assert [one.name for one in session.get_inputs()] == [inputs]
        assert session.get_inputs()[0].shape == ["n", 3, h, w]
        assert session.get_inputs()[0].type == "tensor(float)"
        assert [one.name for one in session.get_outputs()] == outputs
        assert json.loads((folder / "method.json").read_text())["files"] == ["network.onnx"]


def test_simcc_by_the_steps_of_rtmlib_is_our_prediction(simcc):
    method, folder = simcc
    rgb = make_image(140, 200)
    ours = method.predict([rgb], [BOXES_XYWH]).keypoints
    session = open_session(folder)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    for box, expected in zip(BOXES_XYXY, ours, strict=True):
        points, _ = run_simcc_plainly(session, bgr, box, method.input_wh)
        is_sure = expected[:, 2] > 0
        assert is_sure.sum() >= 10
        distance = np.abs(points - expected[:, :2]).max(axis=1)[is_sure]
        assert (distance < 1e-3).mean() >= 0.9  # equal bins may be told apart by rounding
        # Red in the place of blue would move them.
        wrong, _ = run_simcc_plainly(session, np.ascontiguousarray(rgb), box, method.input_wh)
        assert np.abs(wrong - expected[:, :2]).max() > 0.5


def test_rtmpose_by_the_steps_of_rtmlib_is_our_prediction(tmp_path):
    method = create_with_peaks("rtmpose_tiny")
    export_onnx(method, tmp_path, layout="rtmlib")
    rgb = make_image(140, 200)
    (expected,) = method.predict([rgb], [BOXES_XYWH[:1]]).keypoints
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    points, _ = run_simcc_plainly(open_session(tmp_path), bgr, BOXES_XYXY[0], method.input_wh)
    distance = np.abs(points - expected[:, :2]).max(axis=1)[expected[:, 2] > 0]
    assert len(distance) >= 10 and (distance < 1e-3).mean() >= 0.9


def test_rtmo_by_the_steps_of_rtmlib_is_our_prediction_at_the_networks_size(rtmo):
    method, folder = rtmo
    rgb = make_image(192, 192)
    ours = method.predict([rgb]).keypoints
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    theirs = run_rtmo_plainly(open_session(folder), bgr, method.input_wh, 0.5)
    assert len(ours) >= 3
    np.testing.assert_allclose(theirs, ours, atol=2e-3)


def test_batches_of_any_size_give_the_people_of_each_image(rtmo):
    method, folder = rtmo
    session = open_session(folder)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (5, 3, 24, 24)).repeat(8, 2).repeat(8, 3).astype(np.float32)
    images[2] = 0
    dets, keypoints = session.run(None, {"input": images})
    with torch.inference_mode():
        expected = method.detect(torch.from_numpy(images), False)
    counts = [len(one.scores) for one in expected]
    assert len(set(counts)) > 1
    assert dets.shape[1] == max(counts) + 1 and not dets[:, -1].any()
    for index, one in enumerate(expected):
        rows = slice(0, counts[index])
        np.testing.assert_allclose(dets[index, rows, 4], one.scores, atol=1e-5)
        np.testing.assert_allclose(keypoints[index, rows, :, :2], one.keypoints, atol=2e-3)
        assert not dets[index, counts[index] :].any()
        assert not keypoints[index, counts[index] :].any()


@pytest.mark.parametrize(
    "name", ["simple_baseline_r18_tiny", "rle_r18_tiny", "cid_hrnet_w8_tiny", "cal_hrnet_w16_tiny"]
)
def test_methods_that_rtmlib_cannot_decode_are_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"rtmlib cannot decode .*; use --layout own"):
        export_onnx(create_method(name), tmp_path / "out", layout="rtmlib")
    assert not (tmp_path / "out").exists()


def test_the_readme_has_the_call_opset_and_operators(simcc, rtmo):
    text = (simcc[1] / "README.md").read_text()
    assert 'RTMPose("network.onnx", model_input_size=(64, 96))' in text
    assert "Opset 17" in text and "Conv 42" in text
    text = (rtmo[1] / "README.md").read_text()
    assert 'RTMO("network.onnx", model_input_size=(192, 192), nms_thr=1.0, score_thr=0.5)' in text
    assert "NonMaxSuppression 1" in text


@needs_rtmlib
def test_rtmlib_itself_gives_the_poses_of_simcc(simcc):
    import rtmlib

    method, folder = simcc
    rgb = make_image(140, 200)
    ours = method.predict([rgb], [BOXES_XYWH]).keypoints
    arguments = json.loads((folder / "method.json").read_text())["rtmlib"]["arguments"]
    model = rtmlib.RTMPose(str(folder / "network.onnx"), **arguments)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    points, _ = model(bgr, bboxes=BOXES_XYXY)
    distance = np.abs(points - ours[..., :2]).max(axis=2)[ours[..., 2] > 0]
    assert (distance < 1e-3).mean() >= 0.9
    plain = [run_simcc_plainly(model.session, bgr, b, method.input_wh)[0] for b in BOXES_XYXY]
    np.testing.assert_allclose(points, plain, atol=1e-6)


@needs_rtmlib
def test_rtmlib_itself_gives_the_people_of_rtmo(rtmo):
    import rtmlib

    method, folder = rtmo
    arguments = json.loads((folder / "method.json").read_text())["rtmlib"]["arguments"]
    model = rtmlib.RTMO(str(folder / "network.onnx"), **arguments)
    rgb = make_image(192, 192)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    points, scores = model(bgr)
    ours = method.predict([rgb]).keypoints
    np.testing.assert_allclose(points, ours[..., :2], atol=2e-3)
    np.testing.assert_allclose(scores, ours[..., 2], atol=1e-4)
    large = np.ascontiguousarray(make_image(300, 260)[..., ::-1])
    plain = run_rtmo_plainly(model.session, large, method.input_wh, 0.5)
    np.testing.assert_allclose(model(large)[0], plain[..., :2], atol=1e-3)
    # An image without people has a row all the same; rtmlib would end with an IndexError.
    model.score_thr = 1.0
    assert not model(bgr)[0].any()
