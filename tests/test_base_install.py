"""The base install is numpy, msgspec and rich; whoever needs more is told its extra in one line.

Processes of these tests cannot import any other package, as in a fresh environment; real ones are
made by `test_fresh_environments.py`.
"""

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import smallpose
from smallpose.cli.main import VERBS
from smallpose.core.errors import InputError
from smallpose.system.packages import EXTRAS, MissingPackageError, explain_import_error

ROOT = Path(__file__).parents[1]
SOURCES = Path(smallpose.__file__).parent
ALL_VERBS = [verb for group in VERBS.values() for verb in group]
# rich brings three packages; msgspec imports typing_extensions where it is installed.
BASE = ("numpy", "msgspec", "rich", "pygments", "markdown_it", "mdurl", "typing_extensions")
BLOCK_OTHERS = f"""
import sys
ALLOWED = {{*sys.stdlib_module_names, *{BASE!r}, "smallpose"}}
class Only:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ALLOWED:
            return self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Only(finder) for finder in sys.meta_path]
"""
# Each command in a process of its own, forked after the import of the command line, which is most
# of the time of so many starts.
RUN_COMMANDS = """
import json, os
from pathlib import Path
from smallpose.cli.main import main
codes = []
for number, words in enumerate(json.loads(Path("commands.json").read_text())):
    folder = Path(str(number))
    folder.mkdir()
    pid = os.fork()
    if pid == 0:
        for stream, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY), stream)
        (folder / "empty").mkdir()
        os.chdir(folder / "empty")
        sys.exit(main(words))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(codes))
"""
HINT = re.compile(r"pip install '\.\[([a-z,]+)\]' in your clone")


def run_base(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCK_OTHERS + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def run_base_verb(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    code = f"from smallpose.cli.main import main; sys.exit(main({words!r}))"
    return run_base(code, cwd)


@pytest.fixture(scope="module")
def help_and_example(tmp_path_factory) -> dict[str, list[subprocess.CompletedProcess[str]]]:
    """Run the help of every verb and the last line of its example, where there are no files."""
    folder = tmp_path_factory.mktemp("verbs")
    commands = []
    for verb in ALL_VERBS:
        example = import_module(f"smallpose.cli.{verb}").EXAMPLE.replace("\\\n", " ")
        commands += [[verb, "--help"], example.splitlines()[-1].split()[1:]]
    (folder / "commands.json").write_text(json.dumps(commands))
    done = run_base(RUN_COMMANDS, folder)
    assert (done.returncode, done.stderr) == (0, "")
    processes: dict[str, list[subprocess.CompletedProcess[str]]] = {}
    for number, code in enumerate(json.loads(done.stdout)):
        streams = [(folder / str(number) / name).read_text() for name in ("stdout", "stderr")]
        of_verb = processes.setdefault(ALL_VERBS[number // 2], [])
        of_verb.append(subprocess.CompletedProcess(commands[number], code, *streams))
    return processes


def read_extras() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["optional-dependencies"]


def write_files(folder: Path) -> None:
    """Write a truth of two people, results that find both, and results that find one."""
    keypoints = [value for joint in range(17) for value in (10.0 + joint, 20.0 + 2 * joint, 2)]
    person = {"category_id": 1, "iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints}
    truth = {
        "images": [{"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in (1, 2)],
        "annotations": [
            person | {"id": i, "image_id": i, "area": 1000.0, "bbox": [8, 18, 20, 50]}
            for i in (1, 2)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    results = [
        {"image_id": i, "category_id": 1, "keypoints": keypoints, "score": 0.9} for i in (1, 2)
    ]
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(results))
    (folder / "worse.json").write_text(json.dumps(results[:1]))


def test_every_extra_of_a_hint_exists_and_all_contains_it():
    extras = read_extras()
    used = {extra for _, extra in EXTRAS.values()}
    assert used <= set(extras)
    (everything,) = extras["all"]
    assert used <= set(re.split(r"[\[\],]", everything)) | {"images"}  # [build] contains [images]
    assert "smallpose[images]" in extras["build"]


def test_the_base_install_is_three_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", dependency)[0] for dependency in project["dependencies"]}
    assert names == {"numpy", "msgspec", "rich"}


def test_every_module_imports_or_names_the_extra_that_it_needs(tmp_path):
    """Modules of a package that needs PyTorch, say, cannot raise a ModuleNotFoundError."""
    files = [f for f in sorted(SOURCES.rglob("*.py")) if f.name != "__main__.py"]
    parts = [f.relative_to(SOURCES.parent).with_suffix("").parts for f in files]
    names = [".".join(p for p in part if p != "__init__") for part in parts]
    code = f"""
import importlib
from smallpose.system.packages import MissingPackageError
for name in {names!r}:
    try:
        importlib.import_module(name)
    except MissingPackageError as error:
        print(error)
    except ImportError as error:
        print(f"{{name}}: {{error}}")
"""
    done = run_base(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) > 50
    for line in lines:
        hint = HINT.search(line)
        assert hint, line
        assert set(hint[1].split(",")) <= set(read_extras())


def test_every_function_of_smallpose_works_or_names_its_extra(tmp_path):
    code = """
import smallpose
for name in smallpose.__all__:
    try:
        getattr(smallpose, name)
        print(name)
    except ImportError as error:
        print(error)
"""
    done = run_base(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    missing = [line for line in lines if " " in line]
    assert [line.partition(":")[0] for line in missing] == [
        "smallpose.TrainingConfig",
        "smallpose.create_method",
        "smallpose.train",
    ]
    assert all(HINT.search(line) for line in missing)
    assert {"COCOeval", "read_coco", "evaluate", "compare", "Evaluator"} <= set(lines)


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_verb_prints_one_line_and_its_help_where_packages_are_missing(verb, help_and_example):
    """The example of its help, where there are no files: those or the packages are missing."""
    module = import_module(f"smallpose.cli.{verb}")
    helped, done = help_and_example[verb]
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith("usage")
    assert done.stderr.count("\n") == 1 or done.returncode == 0, done.stderr
    assert "an error of smallpose itself" not in done.stderr
    packages = getattr(module, "PACKAGES", ())
    if packages:
        assert done.returncode == 2
        assert done.stderr.startswith(f"smallpose {verb}: ")
        assert all(EXTRAS[package][0] in done.stderr for package in packages)
        assert HINT.search(done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "truth.json", "found.json", "--intervals", "20", "--diagnose"],
        ["evaluate", "truth.json", "found.json", "--breakdown", "height,joint", "--csv", "a.csv"],
        ["compare", "truth.json", "found.json", "worse.json"],
        ["check", "truth.json"],
        ["check", "found.json", "--truth", "truth.json"],
        ["claims"],
        ["--help"],
    ],
)
def test_scoring_works_in_the_base_install(words, tmp_path):
    write_files(tmp_path)
    done = run_base_verb(words, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_scripts_for_pycocotools_work_in_the_base_install(tmp_path):
    write_files(tmp_path)
    code = """
import json, smallpose
truth = smallpose.read_coco("truth.json")
predictions = smallpose.read_results("found.json", truth)
print(smallpose.evaluate(truth, predictions)["coco"]["AP"])

class Records:
    def __init__(self, records):
        self.records = records
    def getImgIds(self): return [1, 2]
    def getCatIds(self): return [1]
    def getAnnIds(self, **which): return [a["id"] for a in self.records]
    def loadAnns(self, ids): return [a for a in self.records if a["id"] in ids]
people = json.load(open("truth.json"))["annotations"]
scorer = smallpose.COCOeval(Records(people), json.load(open("found.json")), "keypoints")
scorer.evaluate(); scorer.accumulate(); scorer.summarize()
print(scorer.stats[0])
"""
    done = run_base(code, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("1.0", "1.0")


def test_an_option_that_needs_more_names_its_extra(tmp_path):
    write_files(tmp_path)
    done = run_base_verb(["evaluate", "truth.json", "found.json", "--figures", "f"], tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "smallpose evaluate: Matplotlib is not installed; pip install '.[plots]' in your clone\n"
    )
    (tmp_path / "1.jpg").write_bytes(b"\xff\xd8\xff")
    done = run_base_verb(["check", "truth.json", "--images", "."], tmp_path)
    assert done.returncode == 2
    assert "Pillow is not installed; pip install '.[images]' in your clone" in done.stderr


def test_all_missing_packages_are_named_at_once(tmp_path):
    words = ["train", "simple_baseline_r18_tiny", "--data", "set", "--out", "run"]
    is_linux = sys.platform == "linux"  # where PyPI's PyTorch brings CUDA
    hint = " (5 GB with CUDA; docs/install.md has the command for PyTorch without it)"
    assert run_base_verb(words, tmp_path).stderr == (
        "smallpose train: PyTorch, safetensors, OpenCV, Pillow and SciPy are not installed; "
        f"pip install '.[torch,build]' in your clone{hint if is_linux else ''}\n"
    )


@pytest.mark.parametrize(
    ("words", "packages", "extras"),
    [
        (["predict", "movenet", "p"], "PyTorch, safetensors, OpenCV, Pillow and LiteRT", "movenet"),
        (
            ["predict", "posenet", "clip.mp4"],
            "PyTorch, safetensors, OpenCV, Pillow, ONNX, onnxruntime and PyAV",
            "onnx,video",
        ),
        (
            ["predict", "simple_baseline_r18_tiny", "p", "--boxes-from", "movenet"],
            "PyTorch, safetensors, OpenCV, Pillow and LiteRT",
            "movenet",
        ),
        (
            ["predict", "rtmo_s", "p", "--engine", "openvino"],
            "PyTorch, safetensors, OpenCV, Pillow, ONNX and OpenVINO",
            "images,onnx,openvino",
        ),
        (
            ["resolution", "truth.json", "--images", "p", "movenet"],
            "OpenCV, Pillow, Matplotlib, PyTorch, safetensors and LiteRT",
            "plots,movenet",
        ),
    ],
)
def test_what_a_model_needs_is_named_with_the_rest(words, packages, extras, tmp_path):
    """A second message after the first installation cost a newcomer minutes."""
    out = "found.json" if words[0] == "predict" else "out"
    done = run_base_verb([*words, "--out", out], tmp_path)
    assert done.stderr.startswith(
        f"smallpose {words[0]}: {packages} are not installed; pip install '.[{extras}]' in your "
    )


def test_a_package_that_cannot_be_loaded_is_not_called_missing():
    """OpenCV's build with windows is installed in a container, but libGL is not."""
    error = ImportError("libGL.so.1: cannot open shared object file", name="cv2")
    line = str(explain_import_error("smallpose build", error))
    assert line == (
        "smallpose build: OpenCV is installed but cannot be loaded (libGL.so.1: cannot open "
        "shared object file); pip install --force-reinstall opencv-python-headless"
    )


def test_a_missing_package_is_an_input_error_and_an_import_error():
    assert issubclass(MissingPackageError, InputError)
    assert issubclass(MissingPackageError, ImportError)
    foreign = ImportError("No module named 'nothing'", name="nothing")
    assert explain_import_error("here", foreign) is foreign
