"""The programs of examples/models write what `resolution --command` reads, and avoid the traps.

Each runs with a stand-in of its package that returns what the package documents.
"""

import ast
import json
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

import smallpose
from smallpose.core.skeleton import COCO17

FOLDER = Path(__file__).parents[2] / "examples" / "models"
PROGRAMS = sorted(FOLDER.glob("*.py"))
JOINTS = COCO17.joints
# Joint n lies at (10 + n, 20 + n) of the image.
POSE = np.stack([10.0 + np.arange(17), 20.0 + np.arange(17)], axis=1)


@pytest.fixture
def data(tmp_path):
    """Return a folder with two images, their labels and the boxes that `resolution` writes."""
    boxes, images, people = [], [], []
    for n, (width, height) in enumerate([(64, 48), (80, 60)], start=1):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, :, 2] = 200  # red in OpenCV's order
        cv2.imwrite(str(tmp_path / f"{n}.png"), pixels)
        box = {"image_id": n, "category_id": 1, "bbox": [8.0, 18.0, 24.0, 22.0]}
        boxes.append({**box, "file_name": f"{n}.png", "score": 0.9})
        images.append({"id": n, "file_name": f"{n}.png", "width": width, "height": height})
        keypoints = np.column_stack([POSE, np.full(17, 2)]).ravel().tolist()
        person = {**box, "id": n, "iscrowd": 0, "area": 400.0, "keypoints": keypoints}
        people.append({**person, "num_keypoints": 17})
    category = {"id": 1, "name": "person", "keypoints": list(JOINTS), "skeleton": []}
    truth = {"images": images, "annotations": people, "categories": [category]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path


@pytest.fixture
def run(data, monkeypatch):
    """Return a function that runs a program with stand-ins and returns its predictions."""

    def run_program(name, modules, *options):
        for module, content in modules.items():
            stand_in = ModuleType(module)
            stand_in.__path__ = []
            for key, value in content.items():
                setattr(stand_in, key, value)
            monkeypatch.setitem(sys.modules, module, stand_in)
        paths = [str(data), str(data / "boxes.json"), str(data / "out.json")]
        monkeypatch.setattr(sys, "argv", [name, *paths, *options])
        runpy.run_path(str(FOLDER / name), run_name="__main__")
        truth = smallpose.read_coco(data / "truth.json")
        return smallpose.read_results(data / "out.json", truth)

    return run_program


def check_perfect(predictions, people=2):
    assert len(predictions) == people
    np.testing.assert_allclose(predictions.keypoints[..., :2], np.tile(POSE, (people, 1, 1)))
    assert set(predictions.image_ids.tolist()) == {1, 2}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_is_short_names_its_traps_and_its_joints_by_name(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    docstring = ast.get_docstring(ast.parse(text))
    assert "Traps" in docstring
    assert "{images} {boxes} {out}" in docstring
    assert "Install: " in docstring
    assert '"keypoint_names"' in text


def test_every_program_has_a_row_in_the_table():
    table = (FOLDER / "README.md").read_text()
    for path in PROGRAMS:
        assert f"({path.name})" in table
    assert len(PROGRAMS) == 7


class RtmlibModel:
    """Stands in for RTMPose: one pose a box, 133 joints with RTMW."""

    def __init__(self, onnx_model, model_input_size, backend):
        self.input_wh = model_input_size

    def __call__(self, image, bboxes):
        assert image[0, 0].tolist() == [0, 0, 200], "rtmlib takes BGR"
        assert bboxes == [[8.0, 18.0, 32.0, 40.0]], "corners, not width and height"
        extra = np.zeros((116 if self.input_wh == (288, 384) else 0, 2))
        points = np.concatenate([POSE, extra])[None]
        return points, np.full(points.shape[:2], 0.5)


class RtmoModel(RtmlibModel):
    """Stands in for RTMO, which returns a person of zeros where it finds none."""

    def __call__(self, image, score_thr):
        assert score_thr < 0.7
        if image.shape[1] == 80:
            return np.zeros((1, 17, 2)), np.zeros((1, 17))
        return np.stack([POSE, POSE + 1]), np.full((2, 17), 0.5)


@pytest.mark.parametrize("kind", ["rtmpose", "rtmw"])
def test_rtmlib_gets_corners_of_boxes_and_gives_17_joints(run, kind):
    modules = {"rtmlib": {"RTMPose": RtmlibModel, "RTMO": RtmoModel}}
    check_perfect(run("rtmlib_pose.py", modules, "--model", "m.onnx", "--kind", kind))


def test_rtmo_finds_nobody_where_its_person_is_all_zeros(run):
    modules = {"rtmlib": {"RTMPose": RtmlibModel, "RTMO": RtmoModel}}
    predictions = run("rtmlib_pose.py", modules, "--model", "m.onnx", "--kind", "rtmo")
    assert predictions.image_ids.tolist() == [1, 1]


class VitPoseProcessor:
    """Stands in for the processor, whose `bbox` is another one than was given."""

    def __call__(self, image, boxes, return_tensors):
        assert image.getpixel((0, 0)) == (200, 0, 0), "transformers takes RGB"
        assert boxes == [[[8.0, 18.0, 24.0, 22.0]]]
        return {"pixel_values": torch.zeros(1, 3, 256, 192)}

    def post_process_pose_estimation(self, outputs, boxes):
        pose = {"keypoints": torch.from_numpy(POSE), "scores": torch.full((17,), 0.5)}
        return [[{**pose, "labels": torch.arange(17), "bbox": torch.tensor([20.0, 29, 40, 53])}]]


@pytest.mark.parametrize("num_experts", [1, 6])
def test_vitpose_keeps_the_box_that_was_given(run, num_experts):
    def predict(pixel_values, dataset_index=None):
        assert (dataset_index is None) == (num_experts == 1)
        return SimpleNamespace(heatmaps=torch.zeros(1, 17, 64, 48))

    config = SimpleNamespace(backbone_config=SimpleNamespace(num_experts=num_experts))

    class Model:
        def __init__(self):
            self.config = config

        def eval(self):
            return self

        def __call__(self, **inputs):
            return predict(**inputs)

    load = SimpleNamespace(from_pretrained=lambda name: Model())
    processor = SimpleNamespace(from_pretrained=lambda name: VitPoseProcessor())
    content = {"VitPoseForPoseEstimation": load, "AutoImageProcessor": processor}
    predictions = run("vitpose_transformers.py", {"transformers": content})
    check_perfect(predictions)
    assert predictions.boxes_xywh[0].tolist() == [8.0, 18.0, 24.0, 22.0]
    assert predictions.scores[0] == pytest.approx(0.45)


def test_torchvision_scores_are_not_its_third_number(run):
    class Model:
        def eval(self):
            pass

        def __call__(self, images):
            assert images[0].max() <= 1
            assert images[0][0, 0, 0] > 0.5, "torchvision takes RGB"
            keypoints = torch.from_numpy(np.column_stack([POSE, np.ones(17)]))[None]
            people = {"keypoints": keypoints.float(), "scores": torch.tensor([0.8])}
            return [{**people, "keypoints_scores": torch.zeros(1, 17)}]

    def to_tensor(image):
        return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255

    def create(weights, weights_backbone, min_size):
        assert (weights, min_size) == ("DEFAULT", 800)
        return Model()

    modules = {
        "torchvision": {},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"to_tensor": to_tensor},
        "torchvision.models": {},
        "torchvision.models.detection": {"keypointrcnn_resnet50_fpn": create},
    }
    predictions = run("keypoint_rcnn_torchvision.py", modules)
    check_perfect(predictions)
    assert (predictions.keypoints[..., 2] == 0.5).all()


@pytest.mark.parametrize("crop", [False, True])
def test_mediapipe_landmarks_are_px_of_the_image_also_from_a_crop(run, crop):
    order = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    asked = []

    class Image:
        def __init__(self, image_format, data):
            self.data = data

        @staticmethod
        def create_from_file(path):
            return Image("SRGB", cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB))

        def numpy_view(self):
            return self.data

    class Landmarker:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def detect(self, image):
            height, width = image.data.shape[:2]
            left, top = (2, 12) if crop else (0, 0)
            landmarks = [SimpleNamespace(x=0, y=0, presence=0.0) for _ in range(33)]
            for number, (x, y) in zip(order, POSE, strict=True):
                place = ((x - left + 0.5) / width, (y - top + 0.5) / height)
                landmarks[number] = SimpleNamespace(x=place[0], y=place[1], presence=0.9)
            return SimpleNamespace(pose_landmarks=[landmarks])

    def make_options(base_options, num_poses):
        asked.append(num_poses)

    vision = SimpleNamespace(
        PoseLandmarkerOptions=make_options,
        PoseLandmarker=SimpleNamespace(create_from_options=lambda options: Landmarker()),
    )
    tasks = {"BaseOptions": lambda model_asset_path: None, "vision": vision}
    mediapipe = {"Image": Image, "ImageFormat": SimpleNamespace(SRGB="SRGB")}
    modules = {"mediapipe": mediapipe, "mediapipe.tasks": {}, "mediapipe.tasks.python": tasks}
    options = ["--model", "m.task", *(["--crop"] if crop else [])]
    check_perfect(run("pose_landmarker_mediapipe.py", modules, *options))
    assert asked == [1 if crop else 10]


def test_ultralytics_erased_joints_are_counted(run, capsys):
    class Model:
        def __init__(self, name):
            pass

        def predict(self, path, imgsz, conf, verbose):
            assert conf < 0.25
            if path.endswith("2.png"):
                return [SimpleNamespace(keypoints=None, boxes=[])]
            keypoints = np.column_stack([POSE, np.full(17, 0.9)])[None]
            keypoints[0, 3] = (0, 0, 0.4)
            people = SimpleNamespace(data=torch.from_numpy(keypoints))
            return [SimpleNamespace(keypoints=people, boxes=Boxes())]

    class Boxes:
        conf = torch.tensor([0.6])

        def __len__(self):
            return 1

    predictions = run("ultralytics_pose.py", {"ultralytics": {"YOLO": Model}})
    assert predictions.image_ids.tolist() == [1]
    assert predictions.scores[0] == pytest.approx(0.6)
    assert "1 joint lies at (0, 0)" in capsys.readouterr().err


def test_detectron2_loses_the_half_pixel_that_it_adds(run):
    class People:
        scores = torch.tensor([0.7])
        pred_keypoints = torch.from_numpy(np.column_stack([POSE + 0.5, np.full(17, 0.4)])[None])

        def to(self, device):
            return self

    def predict(image):
        assert image[0, 0].tolist() == [0, 0, 200], "Detectron2 takes BGR"
        return {"instances": People()}

    class Config:
        MODEL = SimpleNamespace(ROI_HEADS=SimpleNamespace())
        INPUT = SimpleNamespace()

        def merge_from_file(self, path):
            pass

    zoo = SimpleNamespace(
        get_config_file=lambda name: f"/zoo/{name}", get_checkpoint_url=lambda name: "url"
    )
    modules = {
        "detectron2": {"model_zoo": zoo},
        "detectron2.config": {"get_cfg": Config},
        "detectron2.engine": {"DefaultPredictor": lambda config: predict},
    }
    check_perfect(run("keypoint_rcnn_detectron2.py", modules))
    assert Config.MODEL.WEIGHTS == "url"


@pytest.mark.parametrize("empty", [False, True])
def test_sleap_joints_are_renamed_and_missing_ones_are_zero(run, data, empty):
    names = ["nose_tip", *JOINTS[1:]]
    points = POSE.copy()
    points[4] = np.nan

    class Person:
        skeleton = SimpleNamespace(node_names=names)
        score = 0.8
        points = np.array([(0.5,)] * 17, dtype=[("score", "<f8")])

        def numpy(self):
            return points

    class Predictor:
        @staticmethod
        def from_model_paths(paths, device):
            return Predictor()

        def predict(self, video):
            people = [] if empty else [Person()]
            return SimpleNamespace(labeled_frames=[SimpleNamespace(instances=people)])

    video = SimpleNamespace(from_filename=lambda paths: paths)
    modules = {
        "sleap_io": {"Video": video},
        "sleap_nn": {},
        "sleap_nn.inference": {"Predictor": Predictor},
    }
    options = ["--models", "m", "--rename", "nose_tip=nose"]
    predictions = run("sleap_nn_pose.py", modules, *options)
    if empty:
        assert len(predictions) == 0
        return
    rows = [n for n in range(17) if n != 4]
    np.testing.assert_allclose(predictions.keypoints[0, rows, :2], POSE[rows])
    assert predictions.keypoints[0, 4].tolist() == [0, 0, 0]
