"""Every code block of README, CONTRIBUTING and docs/ runs, page by page, in the order of reading.

What needs hardware, the network or hours is reduced by `code_blocks.SUBSTITUTIONS`. A reader's own
files are written beforehand. `test_no_block_is_left_out` counts the blocks.
"""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from code_blocks import (
    ROOT,
    SHOWN_LANGUAGES,
    SUBSTITUTIONS,
    TINY_VARIANTS,
    Block,
    read_blocks,
    run_block,
    write_tools,
)

import smallpose
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.synthetic.plan import SIZES

FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# How-to pages whose blocks build on each other, in the order of reading, and those that continue
# with the set that the first of them builds.
PIPELINE = ("build", "train", "predict", "resolution", "report")
AFTER_PIPELINE = ("parquet", "cluster")
# Run by tests of their own, which write a reader's folders and check the results.
ELSEWHERE = {
    "custom-source": ROOT / "tests" / "sources" / "test_custom.py",
    "extend": ROOT / "tests" / "docs" / "test_extend.py",
}
NOT_ALONE = ("README", *PIPELINE, *AFTER_PIPELINE, *ELSEWHERE)


def list_blocks(name: str) -> list[Block]:
    """Return the blocks of one page that are run."""
    (path,) = (p for p in FILES if p.stem == name)
    return [b for b in read_blocks(path) if b.language not in SHOWN_LANGUAGES]


ALONE = [b for path in FILES if path.stem not in NOT_ALONE for b in list_blocks(path.stem)]


def test_no_page_installs_the_package_from_an_index_where_it_is_not():
    for path in FILES:
        assert not re.search(r"pip install (-\S+ )*['\"]?smallpose\b", path.read_text()), path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's home, with ground truth and predictions under the names that the pages use."""
    home = tmp_path_factory.mktemp("docs") / "home"
    home.mkdir()
    truth = make_people(np.random.default_rng(0))
    for name in ("truth.json", "person_keypoints_val2017.json"):
        smallpose.write_coco(truth, home / name)
    image_ids = truth.images.ids[truth.image_rows]
    for seed, names in enumerate((("predictions.json", "a.json"), ("other.json", "b.json"))):
        poses = truth.keypoints.copy()
        poses[:, :, :2] += np.random.default_rng(seed).normal(0, 2.0 + seed, poses[:, :, :2].shape)
        scores = np.random.default_rng(seed).random(len(truth))
        predictions = smallpose.make_predictions(
            truth.skeleton, image_ids, poses, scores, truth.boxes_xywh
        )
        for name in names:
            smallpose.write_results(predictions, home / name)
    for seed, name in enumerate(("anna.json", "ben.json")):
        labels = truth.keypoints.copy()
        labels[:, :, :2] += np.random.default_rng(seed).normal(0, 1, labels[:, :, :2].shape)
        smallpose.write_coco(replace(truth, keypoints=labels), home / name)
    return home


def make_people(rng: np.random.Generator) -> smallpose.Instances:
    """Make 120 people of all sizes in 30 images."""
    names = [f"{index}.jpg" for index in range(30)]
    images = smallpose.make_images(range(1, 31), names, [640] * 30, [480] * 30)
    wh = np.geomspace(16, 400, 120)[:, None] * (0.5, 1.0)
    boxes = np.concatenate([rng.uniform(0, (640, 480) - wh), wh], axis=1)
    xy = boxes[:, None, :2] + rng.random((120, 21, 2)) * wh[:, None]
    keypoints = np.concatenate([xy, np.full((120, 21, 1), 2.0)], axis=2)
    image_rows = rng.permutation(np.repeat(np.arange(30), 4))
    return smallpose.make_instances(SMALLPOSE, images, image_rows, boxes, keypoints)


def write_videos(home: Path) -> Path:
    """Write the same people as three videos of ten frames, with identities."""
    folder = home / "videos"
    folder.mkdir(exist_ok=True)
    truth = json.loads((home / "truth.json").read_text())
    for index, image in enumerate(truth["images"]):
        image |= {"group": f"video{index // 10}", "frame_id": index % 10}
    results = json.loads((home / "predictions.json").read_text())
    for records in (truth["annotations"], results):
        num_people: dict[int, int] = {}
        for record in records:
            image_id = record["image_id"]
            num_people[image_id] = num_people.get(image_id, 0) + 1
            record["track_id"] = num_people[image_id]
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "predictions.json").write_text(json.dumps(results))
    return folder


def write_weights(folder: Path) -> None:
    """Write untrained tiny variants where `SUBSTITUTIONS` put them for published weights."""
    from smallpose.methods import create_method
    from smallpose.training.checkpoint import save_model

    for name, variant in TINY_VARIANTS.items():
        method = create_method(variant, COCO17)
        save_model(method, write_tools(folder) / name, method.recipes["quick"])


def test_no_block_is_left_out():
    """Each runs here or in the test that is named, or is of a language that is only shown."""
    names = {b.name for page in (*PIPELINE, *AFTER_PIPELINE, "README") for b in list_blocks(page)}
    names |= {b.name for b in ALONE}
    for path in FILES:
        for block in read_blocks(path):
            assert block.language in ("sh", "python", *SHOWN_LANGUAGES), block.name
            if block.language in SHOWN_LANGUAGES or block.name in names:
                continue
            lines = [b.line for b in read_blocks(path) if b.language == block.language]
            index = lines.index(block.line)
            test = ELSEWHERE[path.stem].read_text()
            assert path.name in test, block.name
            assert f'("{block.language}")[{index}]' in test, block.name


def test_every_substitution_is_needed():
    """One that changes no command of any page would only hide its reason."""
    commands = [
        command
        for path in FILES
        for block in read_blocks(path)
        if block.language == "sh"
        for command in block.list_commands()
    ]
    for pattern, replacement, reason in SUBSTITUTIONS:
        assert any(re.search(pattern, command) for command in commands), f"{pattern} ({reason})"
        commands = [re.sub(pattern, replacement, command) for command in commands]


def test_json_that_is_shown_is_json():
    for path in FILES:
        for block in read_blocks(path):
            if block.language == "json":
                json.loads(block.code)


def test_a_block_that_fails_is_named(tmp_path: Path, warm_python: Path):
    """Commands that fail, and flags that a command does not have, fail the test with their line."""
    for code in ("false", "smallpose check nothing.json", "pip install '.[tensors]'", "make noise"):
        with pytest.raises(AssertionError, match=r"README\.md, line 3"):
            run_block(Block(ROOT / "README.md", 3, "sh", code), tmp_path, warm_python)
    with pytest.raises(AssertionError, match="no_such_name"):
        run_block(Block(ROOT / "README.md", 3, "python", "no_such_name"), tmp_path, warm_python)


@pytest.mark.slow
@pytest.mark.usefixtures("few_placed_people")
@pytest.mark.parametrize("block", [pytest.param(b, id=b.name) for b in ALONE])
def test_a_block_that_stands_alone_runs(block: Block, home: Path, warm_python: Path):
    run_block(block, write_videos(home) if block.file.stem == "video" else home, warm_python)


@pytest.fixture(scope="module")
def pipeline(
    home: Path,
    leave_out_rendering: Callable[[], AbstractContextManager[None]],
    keep_painted: Callable[[], AbstractContextManager[None]],
    warm_python: Path,
) -> Path:
    """A home in which the pages from sources to report were read.

    The synthetic set is smaller, and figures are not rendered.
    """
    folder = home.parent / "pipeline"
    folder.mkdir()
    with leave_out_rendering(), keep_painted(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", replace(SIZES["tiny"], stills=20, frames=5, plates=1))
        for name in PIPELINE:
            for block in list_blocks(name):
                run_block(block, folder, warm_python)
    return folder


@pytest.mark.slow
def test_the_blocks_from_sources_to_report_run_one_after_the_other(pipeline: Path):
    assert (pipeline / "report" / "index.html").is_file()
    assert (pipeline / "zoo" / "README.md").is_file()


@pytest.mark.slow
def test_the_blocks_about_parquet_run(pipeline: Path, warm_python: Path):
    (pipeline / "pool").symlink_to("set-parquet/data")  # the shards of the first command
    for block in list_blocks("parquet"):
        run_block(block, pipeline, warm_python)
    tables = [(pipeline / name / "table1.csv").read_text() for name in ("stats", "stats-parquet")]
    assert tables[0] == tables[1]
    assert list((pipeline / "selected").glob("*.parquet"))


@pytest.mark.slow
def test_the_blocks_about_clusters_run_with_two_processes_on_a_cpu(
    pipeline: Path, warm_python: Path
):
    """On four images of each split, so that most of the time is that of starting processes."""
    folder = pipeline.parent / "cluster"
    for split in ("train", "test"):
        people = smallpose.read_coco(pipeline / "set" / "annotations" / f"{split}.json")
        few = people.take_images(np.arange(4))
        smallpose.write_coco(few, folder / "set" / "annotations" / f"{split}.json")
    (folder / "set" / "images").symlink_to(pipeline / "set" / "images")
    for block in list_blocks("cluster"):
        run_block(block, folder, warm_python)
    for name in ("hrnet_B", "hrnet_16", "two", "rtmo_B"):
        result = json.loads((folder / "runs" / name / "result.json").read_text())
        assert result["steps"] == 2
        assert "AP" in result["evaluation"]["protocols"]["coco"]


@pytest.mark.slow
def test_readme_runs_from_top_to_bottom(home: Path, pipeline: Path, warm_python: Path):
    """Commands that are repeated word for word in a how-to page run there and not again."""
    (home / "data").symlink_to(pipeline / "synthetic")
    (home / "photos").mkdir()
    for photo in sorted((pipeline / "synthetic" / "coco").rglob("*.jpg"))[:2]:
        shutil.copyfile(photo, home / "photos" / photo.name)
    write_weights(home)
    known = {c for name in PIPELINE for b in list_blocks(name) for c in b.list_commands()}
    for block in list_blocks("README"):
        run_block(block, home, warm_python, without=known)
    assert (home / "set.zip").is_file()
    assert (home / "predictions.json").is_file()
