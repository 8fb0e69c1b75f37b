"""Tests of `parquet_shards.py`: every backend gives the results of a file in memory."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError, RunError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset import parquet_shards
from smallpose.dataset.builder.select_images import select_images
from smallpose.dataset.export import export_set
from smallpose.dataset.export.read_parquet import read_shards
from smallpose.dataset.parquet_shards import count_shards, group_shards, select_shards
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.stats.dataset_counts import count_dataset

# Each start of a process is a fork.
pytestmark = pytest.mark.usefixtures("warm_executable")

pytest.importorskip("pyarrow", reason="pyarrow is optional: pip install '.[parquet]'")
BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            find_spec(module) is None, reason=f"{name} is optional: pip install '.[{name}]'"
        ),
    )
    for name, module in (("arrow", "pyarrow"), ("polars", "polars"), ("ray", "ray"))
]


def make_people(images: int, first: int, seed: int) -> Instances:
    """Make crowds, ignore regions and empty images, of every size and source."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(images), rng.integers(0, 9, images))
    n = len(rows)
    keypoints = rng.uniform(0, 400, (n, 21, 3))
    keypoints[:, :, 2] = rng.integers(0, 3, (n, 21))
    keypoints[keypoints[:, :, 2] == 0] = 0
    large = (rng.random(images) < 0.6)[rows]
    sides = np.where(large[:, None], rng.uniform(130, 400, (n, 2)), rng.uniform(5, 110, (n, 2)))
    boxes = np.concatenate([rng.uniform(0, 100, (n, 2)), sides], axis=1)
    source = rng.integers(0, 6, images)
    table = make_images(
        np.arange(first, first + images),
        [f"{first + i}.jpg" for i in range(images)],
        [640] * images,
        [480] * images,
        source=source,
        groups=[f"v{i // 4}" for i in range(images)],
    )
    return make_instances(
        SMALLPOSE,
        table,
        rows,
        boxes,
        keypoints,
        ids=np.arange(n) + 50 * first,
        iscrowd=rng.random(n) < 0.05,
        source=source[rows],
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A data set, and the same data set as Parquet in several small shards."""
    folder = tmp_path_factory.mktemp("shards")
    for split, people in (("train", make_people(230, 1, 0)), ("test", make_people(70, 1001, 1))):
        write_coco(people, folder / "set" / "annotations" / f"{split}.json")
    manifest = {"sources": {}, "files": {}, "pictures": {}}
    (folder / "set" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smallpose.dataset.export.parquet.IMAGES_PER_FILE", {False: 60, True: 60})
        export_set(folder / "set", "parquet", folder / "parquet")
    return folder


def list_shards(folder: Path, split: str) -> list[Path]:
    return sorted((folder / "parquet" / "data").glob(f"{split}-*.parquet"))


@pytest.fixture
def small_batches(monkeypatch):
    """Batches whose size divides neither shards nor row groups."""
    monkeypatch.setattr(parquet_shards, "IMAGES_PER_BATCH", 17)


@pytest.mark.filterwarnings("ignore")  # warnings of Ray
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_counts_as_in_memory(exported, small_batches, backend):
    for split in ("train", "test"):
        expected = count_dataset(read_coco(exported / "set" / "annotations" / f"{split}.json"))
        streamed = count_shards(list_shards(exported, split), backend)
        assert streamed.partials.keys() == expected.partials.keys()
        for name, values in expected.partials.items():
            assert np.array_equal(streamed.partials[name], values), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_selects_what_the_builder_selects(exported, small_batches, tmp_path, backend):
    people = read_coco(exported / "set" / "annotations" / "train.json")
    all_rows = np.arange(len(people.images))
    for seed in range(3):
        selection = select_shards(
            list_shards(exported, "train"), tmp_path / str(seed), "train", seed, backend
        )
        expected = select_images(people, all_rows, "train", np.random.default_rng(seed))
        assert 0 < expected.num_with_small < len(expected.rows) < len(all_rows)
        assert np.array_equal(selection.rows, expected.rows)
        assert (selection.mix, selection.note) == (expected.mix, expected.note)
        written = read_shards(sorted((tmp_path / str(seed)).iterdir()))
        kept = people.take_images(expected.rows)
        assert np.array_equal(written.images.ids, kept.images.ids)
        assert np.array_equal(written.keypoints, kept.keypoints)
        assert np.array_equal(written.ids, kept.ids)
        assert written.skeleton == kept.skeleton


def test_stats_of_shards_equal_those_of_json(exported, tmp_path, capsys):
    numbers, printed = [], []
    for name, files in (
        ("json", sorted((exported / "set" / "annotations").iterdir(), reverse=True)),
        ("shards", [*list_shards(exported, "train"), *list_shards(exported, "test")]),
    ):
        out = tmp_path / f"{name}.json"
        words = [*map(str, files), "--out", str(tmp_path / name), "--json", str(out)]
        assert main(["stats", *words]) == 0
        numbers.append(json.loads(out.read_text()))
        printed.append(capsys.readouterr().out)
        # Shards have no groups, so the interval of the mean differs.
        for one in numbers[-1].values():
            one.pop("mean_crowd_index")
    assert numbers[0] == numbers[1]
    assert printed[0] == printed[1]
    for file in sorted((tmp_path / "json").glob("*.csv")):
        assert file.read_bytes() == (tmp_path / "shards" / file.name).read_bytes()


def test_shards_of_one_name_are_one_data_set(tmp_path):
    names = ("a/train-00001-of-00002.parquet", "a/train-00000-of-00002.parquet", "a/val_10.parquet")
    names += ("a/val_9.parquet", "b/0.parquet", "b/1.parquet", "c/train.parquet")
    groups = group_shards([Path(n) for n in names])
    assert {k: [p.name for p in v] for k, v in groups.items()} == {
        "a/train": ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        "val": ["val_9.parquet", "val_10.parquet"],
        "b": ["0.parquet", "1.parquet"],
        "c/train": ["train.parquet"],
    }


def test_files_without_our_metadata_and_other_formats_are_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no metadata `smallpose`"):
        count_shards([tmp_path / "a.parquet"])
    (tmp_path / "b.parquet").write_text("hello")
    with pytest.raises(InputError, match="not a Parquet file"):
        count_shards([tmp_path / "b.parquet"])
    with pytest.raises(InputError, match="no such file"):
        count_shards([tmp_path / "c.parquet"])


def test_the_error_for_a_missing_backend_names_what_to_install(exported, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install '\.\[ray\]'"):
        count_shards(list_shards(exported, "test"), "ray")


def test_a_selection_never_overwrites_a_folder(exported, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"):
        select_shards(list_shards(exported, "test"), tmp_path / "out", "test")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_killed_or_failed_selection_starts_again(exported, tmp_path, monkeypatch):
    left = tmp_path / ".out.part"
    left.mkdir()
    (left / "of-another-day.parquet").write_bytes(b"PAR1")
    with monkeypatch.context() as patch:
        patch.setattr(
            parquet_shards, "_write_selected", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
        )
        with pytest.raises(RunError, match="full"):
            select_shards(list_shards(exported, "test"), tmp_path / "out", "test")
    assert list(tmp_path.iterdir()) == []
    left.mkdir()
    (left / "of-another-day.parquet").write_bytes(b"PAR1")
    select_shards(list_shards(exported, "test"), tmp_path / "out", "test")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        p.name for p in list_shards(exported, "test")
    }


def test_names_are_not_patterns_and_a_damaged_shard_is_named(exported, tmp_path):
    folder = tmp_path / "pool [1]"
    folder.mkdir()
    for file in list_shards(exported, "test"):
        shutil.copy(file, folder)
    files = sorted(folder.iterdir())
    for backend in ("arrow", *(["polars"] if find_spec("polars") else [])):
        renamed = count_shards(files, backend).partials
        plain = count_shards(list_shards(exported, "test"), backend).partials
        assert all(np.array_equal(renamed[k], plain[k]) for k in plain)
    damaged = bytearray(files[0].read_bytes())
    damaged[len(damaged) // 4 : len(damaged) // 2] = bytes(len(damaged) // 2 - len(damaged) // 4)
    files[0].write_bytes(damaged)
    for backend in ("arrow", *(["polars"] if find_spec("polars") else [])):
        with pytest.raises(InputError, match=r"cannot be read .*download or export it again"):
            count_shards(files[:1], backend)
