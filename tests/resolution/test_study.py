"""`smallpose resolution` as a user calls it: programs, runs, resume, failures, what is written."""

import itertools
import json
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_scenes import Scenes, make_scenes

from smallpose import (
    create_method,
    evaluate,
    make_images,
    read_coco,
    read_results,
    write_coco,
)
from smallpose.cli.main import main
from smallpose.resolution.curves import Curve
from smallpose.resolution.scores import METRICS, HeightScores
from smallpose.training.checkpoint import save_model

ORACLE = Path(__file__).parent / "bicubic_oracle.py"
ENDS = ("low", "high")
STAND_IN = """
import json, sys
images, boxes, out, *rest = sys.argv[1:]
if rest and rest[0] in images:
    print("loading"); print("CUDA out of memory"); sys.exit(3)
records = [
    {"image_id": b["image_id"], "category_id": b["category_id"], "score": 1.0, "bbox": b["bbox"],
     "keypoints": [b["bbox"][0] + b["bbox"][2] / 2, b["bbox"][1] + b["bbox"][3] / 2, 1.0] * 21}
    for b in json.load(open(boxes))
]
json.dump(records, open(out, "w"))
"""


def run(scenes, out, *words) -> int:
    call = ["resolution", scenes.truth_path, "--images", scenes.images, "--out", out]
    return main([str(word) for word in (*call, "--intervals", 50, *words)])


@pytest.fixture
def program(tmp_path):
    """A program that puts all joints into the middle of the box."""
    path = tmp_path / "middle.py"
    path.write_text(STAND_IN)
    return f"{shlex.quote(sys.executable)} {path} {{images}} {{boxes}} {{out}}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Folders like runs: a top-down and a full-image method with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name in ("simple_baseline_r18_tiny", "rtmo_tiny"):
        method = create_method(name, "smallpose21")
        if name != "rtmo_tiny":
            torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
        save_model(method, folder / name, method.recipes["quick"])
    return folder


def make_oracle_command(scenes, out) -> str:
    words = [sys.executable, ORACLE, scenes.truth_path, scenes.images, out / "people.json"]
    return f"oracle={shlex.join(map(str, words))} {{images}} {{boxes}} {{out}}"


def test_a_bicubic_oracle_falls_with_height_within_its_interval(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--people", 16, "--heights", "12,24,96", "--command", make_oracle_command(scenes, out))
    assert run(scenes, out, *words) == 0
    curve = json.loads((out / "curve.json").read_text())["models"]["oracle"]
    assert [h["px"] for h in curve["clean"]["heights"]] == [12, 24, 96]
    check_is_monotone(curve)
    clean, camera = (curve[s]["heights"][1]["AP"]["value"] for s in ("clean", "camera"))
    assert camera < clean
    text = " ".join(capsys.readouterr().out.split())
    assert "Other labelled people of an image are ignored" in text
    assert "half of the AP at 96 px" in text and "JPEG of quality 80" in text
    for name in ("curve.csv", "curve.md", "curve.png", "curve.svg", "people.json"):
        assert (out / name).stat().st_size
    assert not list(out.glob("sets/*/images"))


def test_few_images_have_no_interval_anywhere_and_a_note_says_so(scenes, program, tmp_path):
    """With 7 images, intervals ran from .5 to 99.9 beside a note that called them too narrow."""
    for num_people in (7, 20):
        out = tmp_path / str(num_people)
        words = ("--people", num_people, "--heights", "12,48", "--sensor", "clean")
        both = ("--command", f"one={program}", "--command", f"same={program}")
        assert run(scenes, out, *words, *both) == 0
        content = json.loads((out / "curve.json").read_text())
        heights = content["models"]["one"]["clean"]["heights"]
        ends = [
            h[metric][end] for h in heights for metric in h if metric in METRICS for end in ENDS
        ]
        ends += [d["AP"]["low"] for d in content["differences"]]
        notes = " ".join(content["notes"])
        if num_people == 7:
            assert set(ends) == {None}
            assert "No intervals: the people are in 6 images or videos, and at least 10" in notes
        else:
            assert any(end is not None for end in ends)
            assert "Intervals: 95 %, 50 resamples of " in notes


def test_frames_of_one_video_have_no_interval_unless_called_independent(scenes, program, tmp_path):
    """Intervals of ten labelled frames of one video were printed, with a note that doubted them."""
    frames = rename_to_frames(scenes, tmp_path / "frames")
    words = ("--people", 20, "--heights", "12,48", "--sensor", "clean", "--command", program)
    for more, has_ends, text in (
        ((), False, "No intervals: the people are in 1 image or video"),
        (("--independent",), True, "Intervals: 95 %, 50 resamples of "),
    ):
        out = tmp_path / f"out{len(more)}"
        assert run(frames, out, *words, *more) == 0
        content = json.loads((out / "curve.json").read_text())
        heights = content["models"]["middle"]["clean"]["heights"]
        assert any(h["OKS"]["low"] is not None for h in heights) == has_ends
        notes = " ".join(content["notes"])
        assert text in notes
        assert ("(drone/000000.png, …; independent photographs: add --indep" in notes) != has_ends


def test_boxes_in_another_form_put_the_heights_in_doubt(scenes, program, tmp_path, capsys):
    boxes = scenes.truth.boxes_xywh.copy()
    boxes[:, 2:] += boxes[:, :2]
    write_coco(replace(scenes.truth, boxes_xywh=boxes), tmp_path / "truth.json")
    (tmp_path / "images").symlink_to(scenes.images)
    wrong = Scenes(tmp_path, replace(scenes.truth, boxes_xywh=boxes))
    words = ("--people", 20, "--heights", "12,48", "--sensor", "clean", "--command", program)
    assert run(wrong, tmp_path / "out", *words) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Labels seem not to be written as they must be (see the notes), so no height" in text
    assert "note: bbox seems to be x1, y1, x2, y2" in text
    notes = " ".join(json.loads((tmp_path / "out" / "curve.json").read_text())["notes"])
    assert "until that is settled, sizes and heights are wrong" in notes


def rename_to_frames(scenes, folder) -> Scenes:
    """Call the images of scenes as every sixth frame of a video, all of the size of the largest."""
    images = scenes.truth.images
    sides = int(images.width.max()), int(images.height.max())
    names = [f"drone/{6 * row:06d}.png" for row in range(len(images))]
    (folder / "images" / "drone").mkdir(parents=True)
    for old, new in zip(images.file_names, names, strict=True):
        image = cv2.imread(str(scenes.images / old))
        below, right = sides[1] - image.shape[0], sides[0] - image.shape[1]
        image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT)
        cv2.imwrite(str(folder / "images" / new), image)
    frames = make_images(images.ids, names, *(np.full(len(names), side) for side in sides))
    truth = replace(scenes.truth, images=frames)
    write_coco(truth, folder / "truth.json")
    return Scenes(folder, truth)


@pytest.mark.parametrize("num_clusters", [9, 10])
def test_the_half_height_of_few_images_has_no_interval(num_clusters):
    rng = np.random.default_rng(0)
    points = [
        HeightScores(px, 30, {"AP": ap}, {"AP": rng.normal(ap, 0.05, 100)}, num_clusters)
        for px, ap in ((16, 0.1), (64, 0.8))
    ]
    half = Curve(tuple(points)).half_height
    assert 16 < half.value < 64
    assert (half.high is None, half.low is None) == (num_clusters < 10, num_clusters < 10)


def check_is_monotone(curve) -> None:
    """Check that no value is above the interval of the next larger height, and that AP falls."""
    for sensor in curve.values():
        heights = sensor["heights"]
        for metric in ("AP", "OKS", "found", "PCK"):
            for smaller, larger in itertools.pairwise(heights):
                high = larger[metric]["high"]
                assert smaller[metric]["value"] <= (1.0 if high is None else high)
        assert heights[-1]["AP"]["value"] > heights[0]["AP"]["value"] + 0.1


@pytest.mark.long
def test_a_bicubic_oracle_falls_over_all_heights(tmp_path_factory, tmp_path):
    scenes = make_scenes(tmp_path_factory.mktemp("many"), 150)
    out = tmp_path / "out"
    words = ("--people", 60, "--command", make_oracle_command(scenes, out))
    assert run(scenes, out, *words) == 0
    check_is_monotone(json.loads((out / "curve.json").read_text())["models"]["oracle"])


def test_a_failed_program_is_told_with_its_last_lines_and_resumed(
    scenes, program, tmp_path, capsys
):
    out = tmp_path / "out"
    words = ("--people", 8, "--heights", "24,48", "--sensor", "clean")
    # The last argument makes it fail at 48 px; a marker file lets the same command pass later.
    script = tmp_path / "fragile.py"
    marker = tmp_path / "mended"
    check = f"import os\nimport sys\nif os.path.exists({str(marker)!r}): del sys.argv[4:]\n"
    script.write_text(check + STAND_IN)
    command = f"m={shlex.quote(sys.executable)} {script} {{images}} {{boxes}} {{out}} clean-0048"
    assert run(scenes, out, *words, "--command", command) == 4
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "exit code 3: its last lines: loading | CUDA out of memory" in line
    assert line.startswith("--command m, clean-0048") and "run the same command again" in line
    finished = out / "results" / "m" / "clean-0024.json"
    before = finished.stat().st_mtime_ns
    assert not (out / "curve.json").exists()
    marker.touch()
    assert run(scenes, out, *words, "--command", command) == 0
    assert "1 finished height is kept" in capsys.readouterr().err
    assert finished.stat().st_mtime_ns == before and (out / "curve.json").is_file()


def test_the_same_call_gives_the_same_bytes_and_runs_nothing_again(scenes, program, tmp_path):
    words = ("--people", 8, "--heights", "24,48", "--command", f"m={program}")
    texts = []
    for name in ("a", "b"):
        assert run(scenes, tmp_path / name, *words) == 0
        texts.append((tmp_path / name / "curve.json").read_bytes())
    assert texts[0] == texts[1]
    shutil.rmtree(tmp_path / "a" / "sets")
    assert run(scenes, tmp_path / "a", *words) == 0
    assert not list((tmp_path / "a").glob("sets/*/images"))
    assert (tmp_path / "a" / "curve.json").read_bytes() == texts[0]


def test_runs_programs_and_person_finders_share_one_figure(
    scenes, program, weights, tmp_path, capsys
):
    out = tmp_path / "out"
    models = (weights / "simple_baseline_r18_tiny", weights / "rtmo_tiny")
    words = ("--people", 10, "--heights", "32,64", "--sensor", "clean", "--keep-images")
    assert run(scenes, out, *models, *words, "--command", f"middle={program}") == 0
    content = json.loads((out / "curve.json").read_text())
    assert list(content["models"]) == ["simple_baseline_r18_tiny", "rtmo_tiny", "middle"]
    assert {(d["other"], d["px"]) for d in content["differences"]} == {
        (other, px) for other in ("rtmo_tiny", "middle") for px in (32, 64)
    }
    # Perfect joints in whole pixels score less on smaller people, and more than these models.
    small, tall = content["ceiling"]
    assert (small["px"], tall["px"]) == (32, 64)
    assert 0.5 < small["AP"] <= tall["AP"] <= 1
    assert "limit of whole pixels" in (out / "curve.svg").read_text()
    assert "middle minus simple_baseline_r18_tiny" in capsys.readouterr().out
    # What is on disk can be scored with evaluate, with other people as ignored regions.
    folder = out / "sets" / "clean-0064"
    truth = read_coco(folder / "truth.json")
    predictions = read_results(out / "results" / "middle" / "clean-0064.json", truth)
    result = evaluate(truth, predictions, protocols=("owned",))
    value = content["models"]["middle"]["clean"]["heights"][1]["AP"]["value"]
    assert result["owned"]["AP"] == pytest.approx(value)
    assert len(list((folder / "images").iterdir())) == 10


def test_a_method_predicts_what_predict_does_on_the_reduced_images(scenes, weights, tmp_path):
    out = tmp_path / "out"
    run_folder = weights / "simple_baseline_r18_tiny"
    words = ("--people", 10, "--heights", "48", "--sensor", "clean", "--keep-images")
    assert run(scenes, out, run_folder, *words) == 0
    folder = out / "sets" / "clean-0048"
    call = ["predict", "simple_baseline_r18_tiny", "--weights", run_folder]
    call += ["--data", folder / "truth.json", "--images", folder / "images"]
    call += ["--boxes", folder / "boxes.json", "--nms", 1, "--out", tmp_path / "p.json"]
    assert main([str(word) for word in call]) == 0
    truth = read_coco(folder / "truth.json")
    ours = read_results(out / "results" / "simple_baseline_r18_tiny" / "clean-0048.json", truth)
    expected = read_results(tmp_path / "p.json", truth)
    assert np.allclose(ours.keypoints, expected.keypoints, atol=1e-6)


def test_crop_options_are_compared_as_models_of_their_own(scenes, weights, tmp_path):
    out = tmp_path / "out"
    words = ("--people", 10, "--heights", "24", "--sensor", "clean")
    crops = ("--crop-interpolation", "linear,cubic", "--upscale", "1,2")
    assert run(scenes, out, weights / "simple_baseline_r18_tiny", *words, *crops) == 0
    models = json.loads((out / "curve.json").read_text())["models"]
    name = "simple_baseline_r18_tiny"
    assert list(models) == [name, f"{name} zoom 2", f"{name} cubic", f"{name} cubic zoom 2"]


def test_tiles_are_compared_as_models_and_search_as_predict_does(scenes, tmp_path):
    torch.manual_seed(0)
    method = create_method("cid_hrnet_w8_tiny", "smallpose21")
    run_folder = tmp_path / "cid"
    save_model(method, run_folder, method.recipes["quick"])
    out = tmp_path / "out"
    words = ("--people", 2, "--heights", "24", "--sensor", "clean", "--keep-images")
    tiles = ("--frame", "240x180", "--tile", "0,200", "--tile-to", "128")
    assert run(scenes, out, run_folder, *words, *tiles) == 0
    models = json.loads((out / "curve.json").read_text())["models"]
    assert list(models) == ["cid", "cid tile 200"]
    (folder,) = (out / "sets").iterdir()
    truth = read_coco(folder / "truth.json")
    call = ["predict", run_folder, "--data", folder / "truth.json"]
    call += ["--images", folder / "images"]
    found = []
    for flags in ((), ("--tile", "200", "--tile-to", "128")):
        path = tmp_path / f"{len(found)}.json"
        assert main([str(word) for word in (*call, "--out", path, *flags)]) == 0
        found.append(read_results(path, truth))
    for model, expected in zip(models, found, strict=True):
        results = out / "results" / model.replace(" ", "-")
        ours = read_results(results / "clean-0024.json", truth)
        assert len(ours) == len(expected) > 0
        assert np.allclose(ours.keypoints, expected.keypoints, atol=1e-6)
    assert len(found[0]) != len(found[1])


def test_what_cannot_work_is_one_line_with_a_remedy(scenes, program, weights, tmp_path, capsys):
    out = tmp_path / "out"
    few = ("--people", 5, "--heights", 24, "--sensor", "clean")
    bad_program = tmp_path / "bad.py"
    bad_program.write_text("import sys\nopen(sys.argv[3], 'w').write('[{\"image_id\": 99999}]')\n")
    bad = f"{shlex.quote(sys.executable)} {bad_program} {{images}} {{boxes}} {{out}}"
    cases = (
        ((), 2, "no model was named"),
        (("simple_baseline_r18_tiny",), 2, "no weights of its own"),
        (("simple_baseline_r99",), 2, "neither the folder of a run nor a method"),
        (("--command", program, "--command", program), 2, "write each as NAME="),
        (("--command", "python model.py"), 2, "lacks {images} or {out}"),
        (("--command", "nosuchprogram {images} {out}"), 2, "no program nosuchprogram"),
        (("--command", "python m.py {imgs} {out}"), 2, "{imgs} is not known"),
        (("--command", "true {images} {out}"), 4, "ended without writing"),
        (("--command", bad), 2, "run the same command again"),
        (("--command", program, "--zoom", 2), 2, "no model is a top-down method"),
        (("--command", program, "--tile", 160), 2, "no model is a full-image method"),
        (("--command", program, "--tile-to", 256), 2, "add --tile PX"),
        (("--command", program, "--sensor", "fog"), 2, "use clean, camera"),
        (("--command", program, "--heights", 4000), 2, "pass lower heights"),
    )
    for words, code, text in cases:
        assert run(scenes, out, *few, *words) == code, words
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert text in line, line
    images = ("resolution", str(scenes.truth_path), "--images", str(tmp_path), "--out", str(out))
    assert main([*images, "--command", program]) == 2
    assert "none of the 30 images" in capsys.readouterr().err


def test_a_wrong_number_of_joints_is_refused_at_the_first_height(
    scenes, program, weights, tmp_path, capsys
):
    out = tmp_path / "out"
    script = tmp_path / "five.py"
    script.write_text(
        "import json, sys\n"
        "image = json.load(open(sys.argv[2]))[0]['image_id']\n"
        "pose = {'image_id': image, 'category_id': 1, 'keypoints': [1] * 15, 'score': 1}\n"
        "json.dump([pose], open(sys.argv[3], 'w'))\n"
    )
    bad = f"{shlex.quote(sys.executable)} {script} {{images}} {{boxes}} {{out}}"
    words = ("--people", 5, "--sensor", "clean", "--command", f"m={bad}")
    first = weights / "simple_baseline_r18_tiny"
    assert run(scenes, out, first, *words, "--heights", "24,48,96") == 2
    assert "15 keypoint values" in capsys.readouterr().err
    written = [file.name for file in (out / "results" / "m").glob("clean-*.json")]
    assert written == ["clean-0024.refused.json"]
    assert not list((out / "results" / first.name).glob("clean-*.json")), "programs come first"
    # Nothing of the program was accepted, so its name is free for another.
    assert run(scenes, out, *words[:-1], f"m={program}", "--heights", 24) == 0
    assert run(scenes, out, *words, "--heights", 24) == 2
    assert "has results of another model" in capsys.readouterr().err


def test_results_of_other_people_or_weights_are_not_mixed(scenes, program, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--people", 8, "--sensor", "clean", "--command", f"m={program}")
    assert run(scenes, out, *words, "--heights", 24) == 0
    assert run(scenes, out, *words, "--heights", 24, "--seed", 1) == 2
    assert "has results of another people or seed" in capsys.readouterr().err
    assert run(scenes, out, *words[:-1], f"m={program} --fast", "--heights", 24) == 2
    assert "has results of another model" in capsys.readouterr().err


def test_the_report_has_a_section_for_the_folder(scenes, program, tmp_path, capsys):
    pytest.importorskip("jinja2")
    from smallpose.report.page.resolution_section import (
        build_resolution_context,
        split_resolution_folders,
    )

    out = tmp_path / "out"
    words = ("--people", 8, "--heights", "24,48", "--command", f"m={program}")
    assert run(scenes, out, *words) == 0
    paths, studies = split_resolution_folders([tmp_path, out])
    assert (paths, studies) == ([tmp_path], [out])
    (study,) = build_resolution_context(studies, tmp_path / "report")["resolutions"]
    assert "camera" in study["half"]["html"] and "m" in study["curves"]["html"]
    assert (tmp_path / "report" / "figures" / "resolution_1.png").is_file()


def test_an_engine_compiles_a_network_once_for_all_heights(
    scenes, weights, tmp_path, monkeypatch, capsys
):
    session = pytest.importorskip("smallpose.inference.onnx.session")
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    sizes = []
    trace = session.trace_network

    def count_traces(network, inputs, method):
        sizes.append(tuple(inputs[0].shape))
        return trace(network, inputs, method)

    monkeypatch.setattr(session, "trace_network", count_traces)
    words = (weights / "simple_baseline_r18_tiny", "--people", 3, "--heights", "16,24,48")
    words += ("--sensor", "clean", "--engine", "onnxruntime")
    assert run(scenes, tmp_path / "out", *words) == 0
    assert len(sizes) == 1


_FAR = "[b | {'keypoints': [5000, 5000, 1] * 21} for b in json.load(open(boxes))]"
_MIDDLE = (
    "[b | {'keypoints': [b['bbox'][0] + b['bbox'][2] / 2, b['bbox'][1] + b['bbox'][3] / 2, 1] * 21}"
    " for b in json.load(open(boxes))]"
)


@pytest.mark.parametrize(
    ("records", "sensors", "sentences"),
    [
        ("[]", "clean", ["wrote no detection at any height (in 3 images with people of 48 px)"]),
        (
            _FAR,
            "clean",
            [
                "wrote 3 detections at 48 px, the largest height, and none reaches an OKS of .5",
                "the best is .00. The joints of 0 are centred in the box of a labelled person, "
                "keypoints are to be in px of the image that the model is given, with the image_id",
            ],
        ),
        (
            _MIDDLE,
            "clean,camera",
            [
                "wrote 6 detections (3 clean and 3 camera) at 48 px",
                "The joints of 6 are centred in the box of a labelled person, so images and px fit",
            ],
        ),
    ],
)
def test_a_program_that_detects_nobody_is_named(
    scenes, tmp_path, capsys, records, sensors, sentences
):
    script = tmp_path / "nobody.py"
    script.write_text(
        "import json, sys\n_, images, boxes, out = sys.argv\nprint('no GPU')\n"
        f"json.dump({records}, open(out, 'w'))\n"
    )
    command = f"nobody={shlex.quote(sys.executable)} {script} {{images}} {{boxes}} {{out}}"
    words = ("--people", 3, "--heights", "24,48", "--sensor", sensors, "--command", command)
    assert run(scenes, tmp_path / "out", *words) == 0
    printed = capsys.readouterr()
    text = " ".join(printed.out.split())
    assert f"whatitprinted:{tmp_path}" in "".join(text.split())
    assert " detections in 3 images" in printed.err
    note = json.loads((tmp_path / "out" / "curve.json").read_text())["notes"][0]
    assert note.startswith("nobody wrote ") and all(part in note for part in sentences)
    assert all(part in text for part in sentences)
