"""Every code block of README, CONTRIBUTING and docs/ runs, page by page, in the order of reading.

What needs hardware, the network or hours runs in little, by the rules of `code_blocks.LESS`. A
reader's own files are made beforehand. No block is left out: `test_no_block_is_left_out` counts.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from code_blocks import HOUSE, LESS, SHOWN, TINY, Block, blocks, run, tools

import smallpose
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE

TEXTS = [HOUSE / "README.md", HOUSE / "CONTRIBUTING.md", *sorted((HOUSE / "docs").glob("*.md"))]
# How-to pages whose blocks build on each other, in the order of reading, and those that go on with
# the set that the first of them built.
LINE = ("build", "train", "predict", "report")
AFTERWARDS = ("parquet", "cluster")
# Run by tests of their own, which make a reader's folders and look at what came out.
ELSEWHERE = {"own-source": HOUSE / "tests" / "sources" / "test_custom.py"}
BY_HAND = ("README", *LINE, *AFTERWARDS, *ELSEWHERE)


def page(name: str) -> list[Block]:
    """The blocks of one page that are run."""
    (path,) = (p for p in TEXTS if p.stem == name)
    return [b for b in blocks(path) if b.language not in SHOWN]


ALONE = [b for p in TEXTS if p.stem not in BY_HAND for b in page(p.stem)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's home, with a truth and result files as the pages call them."""
    home = tmp_path_factory.mktemp("docs") / "home"
    home.mkdir()
    truth = _people(np.random.default_rng(0))
    for name in ("truth.json", "person_keypoints_val2017.json"):
        smallpose.write_coco(truth, home / name)
    ids = truth.images.ids[truth.image_rows]
    for seed, names in enumerate((("found.json", "a.json"), ("other.json", "b.json"))):
        poses = truth.keypoints.copy()
        poses[:, :, :2] += np.random.default_rng(seed).normal(0, 2.0 + seed, poses[:, :, :2].shape)
        found = make_predictions(truth.skeleton, ids, poses, np.ones(len(truth)), truth.boxes_xywh)
        for name in names:
            smallpose.write_results(found, home / name)
    return home


def _people(rng: np.random.Generator) -> Instances:
    """120 people of all sizes in 30 images."""
    images = make_images(range(1, 31), [f"{i}.jpg" for i in range(30)], [640] * 30, [480] * 30)
    wh = np.geomspace(16, 400, 120)[:, None] * (0.5, 1.0)
    boxes = np.concatenate([rng.uniform(0, (640, 480) - wh), wh], axis=1)
    xy = boxes[:, None, :2] + rng.random((120, 21, 2)) * wh[:, None]
    v = np.full((120, 21, 1), 2.0)
    rows = rng.permutation(np.repeat(np.arange(30), 4))
    return make_instances(SMALLPOSE, images, rows, boxes, np.concatenate([xy, v], axis=2))


def write_weights(folder: Path) -> None:
    """Untrained tiny twins where `code_blocks.LESS` looks for published weights."""
    from smallpose.methods import create_method
    from smallpose.training.checkpoint import save_model

    for name, tiny in TINY.items():
        method = create_method(tiny, COCO17)
        save_model(method, tools(folder) / name, method.recipes["quick"])


def test_no_block_is_left_out():
    """Each is run here or by the test that is named, or is of a language that is only shown."""
    run_here = {b.name for name in (*LINE, *AFTERWARDS, "README") for b in page(name)}
    run_here |= {b.name for b in ALONE}
    for path in TEXTS:
        for block in blocks(path):
            assert block.language in ("sh", "python", *SHOWN), block.name
            if block.language in SHOWN or block.name in run_here:
                continue
            number = [b.line for b in blocks(path) if b.language == block.language].index(
                block.line
            )
            test = ELSEWHERE[path.stem].read_text()
            assert path.name in test and f'blocks("{block.language}")[{number}]' in test, block.name


def test_every_rule_is_needed():
    """A rule that changes no command of any page would hide what it was made for."""
    commands = [
        c for path in TEXTS for b in blocks(path) if b.language == "sh" for c in b.commands()
    ]
    for number, (sought, _, why) in enumerate(LESS):
        for earlier, put, _ in LESS[:number]:
            commands = [re.sub(earlier, put, command) for command in commands]
        assert any(re.search(sought, command) for command in commands), f"{sought} ({why})"


def test_json_that_is_shown_is_json():
    for path in TEXTS:
        for block in blocks(path):
            if block.language == "json":
                json.loads(block.code)


def test_a_block_at_fault_is_named(tmp_path: Path):
    """A test of this test: commands that fail, and words that a command does not know."""
    for code in ("false", "smallpose check nothing.json", "pip install '.[tensors]'", "make noise"):
        with pytest.raises(AssertionError, match=r"README\.md, line 3"):
            run(Block(HOUSE / "README.md", 3, "sh", code), tmp_path)
    with pytest.raises(AssertionError, match="no_such_name"):
        run(Block(HOUSE / "README.md", 3, "python", "no_such_name"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("block", [pytest.param(b, id=b.name) for b in ALONE])
def test_blocks_that_stand_alone_run(block: Block, home: Path):
    run(block, home)


@pytest.fixture(scope="module")
def line(home: Path) -> Path:
    """A home in which the pages of the line were read, from sources to report."""
    line = home.parent / "line"
    line.mkdir()
    for name in LINE:
        for block in page(name):
            run(block, line)
    return line


@pytest.mark.slow
def test_the_blocks_from_sources_to_report_run_one_after_the_other(line: Path):
    assert (line / "report" / "index.html").is_file()
    assert (line / "zoo" / "README.md").is_file()


@pytest.mark.slow
def test_the_blocks_about_parquet_run(line: Path):
    (line / "pool").symlink_to("set-parquet/data")  # the shards of the first command
    for block in page("parquet"):
        run(block, line)
    tables = [(line / folder / "table1.csv").read_text() for folder in ("stats", "stats-parquet")]
    assert tables[0] == tables[1]
    assert list((line / "chosen").glob("*.parquet"))


@pytest.mark.slow
def test_the_blocks_about_clusters_run_with_two_processes_on_a_cpu(line: Path):
    for block in page("cluster"):
        run(block, line)
    for name in ("hrnet_B", "hrnet_16", "two", "rtmo_B"):
        result = json.loads((line / "runs" / name / "result.json").read_text())
        assert result["steps"] == 2
        assert "AP" in result["evaluation"]["protocols"]["coco"]


@pytest.mark.slow
def test_readme_runs_from_top_to_bottom(home: Path, line: Path):
    """But for commands that stand word for word in a how-to page, which run there."""
    (home / "data").symlink_to(line / "world")
    (home / "photos").mkdir()
    for photo in sorted((line / "world" / "coco").rglob("*.jpg"))[:2]:
        shutil.copyfile(photo, home / "photos" / photo.name)
    write_weights(home)
    there = {c for name in LINE for b in page(name) for c in b.commands()}
    for block in page("README"):
        run(block, home, without=there)
    assert (home / "set.zip").is_file()
    assert (home / "found.json").is_file()
