"""What people type without reading: it works, or the answer says what to type."""

import json

import pytest
from smoke import write_files

from smallpose.cli.main import main
from smallpose.cli.paths import find_predictions_in
from smallpose.core.errors import InputError
from smallpose.io.result_paths import find_result_path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a built set's annotations, two runs and the files that they were made of."""
    truth, results = write_files(tmp_path)
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    (tmp_path / "set" / "manifest.json").write_text("{}")
    for split in ("train", "test"):
        (tmp_path / "set" / "annotations" / f"{split}.json").write_bytes(truth.read_bytes())
    (tmp_path / "runs" / "C").mkdir(parents=True)
    (tmp_path / "runs" / "C" / "model.json").write_text('{"method": "rtmo_tiny"}')
    for run in ("A", "B"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "found.json").write_bytes(results.read_bytes())
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "data.yaml").write_text("train: images\nnames: [person]\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "7.txt").write_text("0 .5 .5 .1 .1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["truth.json", "runs/A"],
        ["set", "runs/A"],
        ["set", "found.json"],
        ["set/annotations/test.json", "runs/A/found.json"],
    ],
)
def test_evaluate_takes_a_built_set_and_the_folder_of_a_run(folder, capsys, words):
    assert main(["evaluate", *words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["protocols"]["coco"]["AP"] == 91 / 101


def test_compare_takes_them_too(folder, capsys):
    (folder / "runs/B/found.json").write_text("[]")
    assert main(["compare", "set", "runs/A", "runs/B", "--intervals", "20"]) == 0


def test_results_in_compare_can_be_named(folder, capsys):
    (folder / "runs/B/found.json").write_text("[]")
    call = ["compare", "set", "runs/A", "runs/B", "--intervals", "20"]
    assert main([*call, "--name", "before", "--name", "after", "--json", "-"]) == 0
    assert {"before", "after"} <= set(json.loads(capsys.readouterr().out)["results"])
    for names, message in (
        (["one"], "1 name for 2 results; give --name once for each result"),
        (["one", "one"], "'one': names two results"),
    ):
        words = [word for name in names for word in ("--name", name)]
        assert main([*call, *words]) == 2
        assert message in capsys.readouterr().err


def test_stats_takes_a_built_set(folder, capsys):
    assert main(["stats", "set", "--out", "stats", "--json", "-"]) == 0
    assert {"train", "test"} <= set(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            ["evaluate", "runs/A", "set"],
            "runs/A: is the folder of a run and has no labels; give the ground truth first, then "
            "the run",
        ),
        (
            ["evaluate", "found.json", "truth.json"],
            "found.json: is a list of results and has no labels; give the ground truth first, "
            "then the results",
        ),
        (
            ["stats", "truth.json", "--out", "s", "--compare", "found.json"],
            "found.json: is a list of results and has no labels; this command describes labels: "
            "give a file of annotations, or a built set",
        ),
        (
            ["evaluate", "set", "runs"],
            "runs: has results in 2 places; pass one of them: runs/A, runs/B",
        ),
        (
            ["evaluate", "set/annotations", "found.json"],
            "set/annotations: is a folder without labels; pass a file of annotations, or a built "
            "set, which has annotations/test.json",
        ),
        (
            ["evaluate", "set", "labels/7.txt"],
            "labels/7.txt: is the label file of one image; give the folder of all of them: labels",
        ),
        (
            ["resolution", "truth.json", "--images", "set", "--out", "r", "found.json"],
            "found.json: is a file of results; the model has to run at every height: name a method "
            "or a run, or give the model itself by --command 'PROGRAM {images} {boxes} {out}'",
        ),
        (
            ["predict", "yolo11n-pose", "set", "--weights", "w.pt", "--out", "f.json"],
            "method yolo11n-pose: no such method; 'smallpose methods' lists them; movenet brings "
            "its weights, FILE.py:NAME is a method of your own, and results of other tools go to "
            "'smallpose evaluate'",
        ),
        (
            ["predict", "movenet", "set", "--out", "f.json", "--draw", "set/../set"],
            "--draw set/../set: is the folder of the images, among which the drawings would be "
            "read next time; name another folder",
        ),
        (
            ["audit", "truth.json", "--labels-only"],
            "--labels-only with truth.json: is for a built set; leave out --labels-only",
        ),
        (
            ["check", "yolo"],
            "yolo: is the folder of a YOLO data set, and no built set; make a set of it first: "
            "smallpose build SET --source own=yolo; then pass SET",
        ),
        (
            ["build", "out", "--source", "set/"],
            "--source set/: has no name; write --source set=set/",
        ),
        (
            ["build", "out", "--source", "set/annotations/.."],
            "--source set/annotations/..: has no name; write --source set=set/annotations/..",
        ),
        (
            ["build", "out", "--source", "gone/"],
            "--source gone/: no such folder; write lsp=DIR or lsp.py:read_lsp",
        ),
        (
            ["train", "--resume", "--out", "nope"],
            "--resume --out nope: no such run; check the path, or begin "
            "the run with METHOD --data SET",
        ),
        (
            ["train", "--resume", "--out", "runs/A"],
            "--resume --out runs/A: has no options.json, so there is no run to resume; check the "
            "path, or begin the run with METHOD --data SET",
        ),
        (
            [
                *("predict", "movenet", "set", "--out", "f.json"),
                *("--boxes-from", "runs/C", "--box-weights", "w"),
            ],
            "--box-weights w: runs/C has weights of its own; leave --box-weights out, or name the "
            "method in place of runs/C",
        ),
        (
            ["predict", "runs", "--out", "f.json"],
            "runs: is a file or folder and not a method; name the method first: smallpose predict "
            "movenet runs --out found.json",
        ),
    ],
)
def test_what_cannot_work_is_answered_with_what_to_type(folder, capsys, words, answer):
    assert main(words) == 2
    assert capsys.readouterr().err == f"{answer}\n"


def test_an_exported_network_is_answered_with_what_runs_it(folder, capsys):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "network.onnx").write_bytes(b"")
    assert main(["predict", "onnx", "photos", "--out", "f.json"]) == 2
    assert capsys.readouterr().err == (
        "onnx: is an exported network and not a method; run it by examples/onnx_predict.py, or "
        "predict by the run it was exported from\n"
    )


@pytest.mark.parametrize(
    "words", [["train"], ["train", "--data", "set", "--out", "r"], ["predict", "--out", "f.json"]]
)
def test_a_method_that_was_forgotten_is_asked_for(folder, capsys, words):
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert capsys.readouterr().err == (
        f"smallpose {words[0]}: the following arguments are required: METHOD; name a method, such "
        "as simple_baseline_r50; see 'smallpose methods'\n"
    )


def test_synth_takes_its_folder_by_an_option_too(tmp_path, capsys, monkeypatch):
    from smallpose.synthetic import generate

    calls = []
    monkeypatch.setattr(generate, "make_synthetic_dataset", lambda *words: calls.append(words[0]))
    for words in (["a"], ["--out", "a"], ["--size", "tiny", "--out", "a"]):
        assert main(["synth", *words]) == 0
    assert [str(path) for path in calls] == ["a"] * 3
    for words, message in (([], "no folder was named"), (["a", "--out", "b"], "was named twice")):
        assert main(["synth", *words]) == 2
        assert f"{message}; name it once, as in: smallpose synth" in capsys.readouterr().err


def test_several_results_are_sent_to_compare(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "set", "runs/A", "runs/B"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "smallpose evaluate: scores one result, and runs/B is one more; use 'smallpose compare "
        "TRUTH A B' for several\n"
    )


@pytest.mark.parametrize("flag", ["--min-score", "--nms", "--score-above", "--draw-min-score"])
def test_nan_is_no_number_of_an_option(folder, capsys, flag):
    with pytest.raises(SystemExit):
        main(["predict", "movenet", "set", "--out", "f.json", "--draw", "d", flag, "nan"])
    assert f"argument {flag}: nan is no number" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "1.5", "90"])
def test_an_overlap_that_is_no_oks_is_refused(folder, capsys, value):
    """With -1 all people but one of each image were called found twice."""
    with pytest.raises(SystemExit):
        main(["predict", "movenet", "set", "--out", "f.json", "--nms", value])
    assert f"--nms: {value}: OKS is 0 to 1; write 0.9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("report --truth truth.json found.json --out r", "TRUTH.json is given without it, as the"),
        ("report --data truth.json found.json --out r", "leave --data out: TRUTH.json is given"),
        ("compare truth.json --preds found.json other.json", "it, after TRUTH.json"),
        ("compare truth.json found.json other.json --names a,b", "did you mean '--name'?"),
        ("predict movenet --truth truth.json --out f.json", "did you mean '--data'?"),
        ("evaluate truth.json found.json --wurst d", "did you mean '--worst'?"),
        ("evaluate truth.json found.json --xyz", "see 'smallpose evaluate --help'"),
    ],
)
def test_an_unknown_option_is_answered_with_what_it_is_called(folder, capsys, words, remedy):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert remedy in printed and printed.count("\n") == 1


def test_the_folder_above_a_folder_of_results_is_taken_where_there_is_one(tmp_path, capsys):
    label = "0 0.5 0.5 0.2 0.4 " + "0.5 0.5 0.9 " * 17 + "0.8\n"
    (tmp_path / "yolo" / "predict" / "labels").mkdir(parents=True)
    (tmp_path / "yolo" / "predict" / "labels" / "a.txt").write_text(label)
    assert find_result_path(tmp_path / "yolo") == tmp_path / "yolo" / "predict"
    assert "the results are those in" in capsys.readouterr().err
    (tmp_path / "yolo" / "predict2" / "labels").mkdir(parents=True)
    (tmp_path / "yolo" / "predict2" / "labels" / "a.txt").write_text(label)
    with pytest.raises(InputError, match=r"pass one of them: .*predict, .*predict2"):
        find_result_path(tmp_path / "yolo")


def test_reports_boards_and_boxes_take_the_folders_that_evaluate_takes(folder, capsys):
    label = "0 0.5 0.5 0.2 0.4 " + "0.5 0.5 0.9 " * 17 + "0.8\n"
    (folder / "above" / "predict" / "labels").mkdir(parents=True)
    (folder / "above" / "predict" / "labels" / "a.txt").write_text(label)
    assert find_predictions_in(folder / "above") == folder / "above" / "predict"
    (folder / "movenet").mkdir()
    (folder / "movenet" / "found.json").write_text("[]")
    assert find_predictions_in(folder / "movenet") == folder / "movenet" / "found.json"
    # Runs, data sets and folders without results are taken, or refused, as they are.
    (folder / "movenet" / "result.json").write_text("{}")
    assert find_predictions_in(folder / "movenet") == folder / "movenet" / "found.json"
    for name in ("movenet", "set", "photos", "yolo"):
        assert find_predictions_in(folder / name, takes_runs=True) == folder / name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["hrnet_w32", "photo.png", "--boxes-from", "det.json"],
            "--boxes-from det.json: is a file and not a method that detects people; boxes of a "
            "file go to --boxes det.json",
        ),
        (
            ["hrnet_w32", "photo.png", "--boxes-from", "labels"],
            "--boxes-from labels: is a folder and not a method that detects people; boxes of a "
            "file go to --boxes labels",
        ),
        (
            ["hrnet_w32", "photo.png", "--weights", "exported"],
            "--weights exported: is an exported network, and weights of PyTorch are due; name the "
            "run or the checkpoint that it was exported from",
        ),
        (
            ["hrnet_w32", "photo.png", "--weights", "exported/network.onnx"],
            "--weights exported/network.onnx: is an exported network",
        ),
        (
            ["hrnet_w32", "photo.png", "--weights", "labels"],
            "--weights labels: is a folder without model.safetensors; name the folder of a run",
        ),
        (
            ["efficientpose", "photo.png", "--weights", "mmpose"],
            "--weights mmpose: efficientpose has weights of its own, which MMPose does not "
            "publish; leave --weights out",
        ),
    ],
)
def test_weights_and_boxes_of_another_kind_are_answered_in_one_line(folder, capsys, words, message):
    (folder / "exported").mkdir()
    (folder / "exported" / "network.onnx").touch()
    (folder / "mmpose").mkdir()  # a folder of the keyword's name
    (folder / "photo.png").touch()
    assert main(["predict", *words, "--out", "new.json"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "addition"),
    [
        (
            ["predict", "movenet", "photos", "--draw", "drawn"],
            "add --out PREDICTIONS.json (file of COCO keypoint results to write)",
        ),
        (["report", "set", "runs/a"], "add --out DIR (folder for the report)"),
        (["budget", "truth.json"], "box height (10%torso, 50%head, 5%height) or pixels)"),
        (["features"], "add --data TRUTH.json (COCO keypoint annotations of the people)"),
    ],
)
def test_an_option_that_is_missing_is_named_with_its_value(words, addition, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert addition in capsys.readouterr().err
