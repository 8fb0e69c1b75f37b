"""Parquet shards with other types, null values, no rows or damaged bytes."""

import json

import numpy as np
import pytest
from commands import check_mutants, run_checked
from mutations import iterate_byte_mutants, iterate_json_mutants

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.export import export_set
from smallpose.dataset.export.parquet import METADATA_KEY
from smallpose.dataset.export.read_parquet import read_shards
from smallpose.io.coco_annotations import write_coco

# Each start of a process is a fork.
pytestmark = pytest.mark.usefixtures("warm_executable")

pa = pytest.importorskip("pyarrow", reason="pyarrow is optional: pip install '.[parquet]'")
pq = pytest.importorskip("pyarrow.parquet")
SMALL, LARGE = 25, 2000


@pytest.fixture
def shard(tmp_path):
    """Return one shard of three images with two people each, as `export` writes it."""
    rng = np.random.default_rng(0)
    images = make_images([1, 2, 3], ["a.jpg", "b.jpg", "c.jpg"], [90] * 3, [80] * 3, [1, 2, 3])
    keypoints = np.concatenate([rng.uniform(0, 80, (6, 21, 2)), np.full((6, 21, 1), 2.0)], axis=2)
    boxes = rng.uniform(1, 40, (6, 4))
    people = make_instances(SMALLPOSE, images, np.arange(6) // 2, boxes, keypoints)
    for split in ("train", "test"):
        write_coco(people, tmp_path / "set" / "annotations" / f"{split}.json")
    manifest = {"sources": {}, "files": {}, "pictures": {}}
    (tmp_path / "set" / "manifest.json").write_text(json.dumps(manifest))
    export_set(tmp_path / "set", "parquet", tmp_path / "out")
    return next((tmp_path / "out" / "data").glob("train-*.parquet"))


def change_table(table, rng):
    """Return the table after one change of a column, of a field of `people`, or of the rows."""
    kind = int(rng.integers(6))
    name = table.column_names[int(rng.integers(table.num_columns))]
    index = table.column_names.index(name)
    if kind == 0:
        return table.drop_columns([name])
    if kind == 1:
        return table.slice(0, int(rng.integers(len(table))))
    if kind == 2:
        nulls = pa.nulls(len(table), table.schema.field(name).type)
        return table.set_column(index, name, nulls)
    if kind == 3:
        odd = [[None] * 3, ["a"] * 3, [1.5] * 3, [[1]] * 3, [{"x": 1}] * 3, [-1] * 3, [[], [], []]]
        return table.set_column(index, name, pa.array(odd[int(rng.integers(len(odd)))]))
    people = table["people"].to_pylist()
    row = people[int(rng.integers(3))]
    key = list(row[0])[int(rng.integers(len(row[0])))]
    odd_values = (None, "text", -1, 1.5, [], [1.0], [None], 2**40, float("nan"), True)
    value = odd_values[int(rng.integers(len(odd_values)))]
    for person in row if kind == 4 else [p for some in people for p in some]:
        person[key] = value
    return table.set_column(table.column_names.index("people"), "people", pa.array(people))


@pytest.mark.parametrize(
    ("backend", "count"),
    [
        ("arrow", 25),
        ("polars", 1),
        pytest.param("arrow", 2000, marks=pytest.mark.long),
        pytest.param("polars", 100, marks=pytest.mark.long),
    ],
)
def test_a_damaged_shard_is_refused_in_one_line(backend, count, shard, tmp_path, capsys):
    pytest.importorskip({"arrow": "pyarrow", "polars": "polars"}[backend])
    sound, table = shard.read_bytes(), pq.read_table(shard)
    out = tmp_path / "selected"
    selection = ["select", shard, "--out", out, "--split", "train", "--backend", backend]

    def read(text: bytes) -> int:
        shard.write_bytes(text)
        run_checked(["stats", shard, "--backend", backend], None, capsys)
        code = run_checked(selection, out, capsys)
        for path in out.glob("*") if out.exists() else ():
            path.unlink()
        if out.exists():
            out.rmdir()
        read_shards([shard])
        return code

    def iterate_tables():
        for index in range(count):
            try:
                changed = change_table(table, np.random.default_rng([21, index]))
            except (pa.ArrowInvalid, pa.ArrowTypeError):  # mixed types have no column type
                continue
            pq.write_table(changed.replace_schema_metadata(table.schema.metadata), shard)
            yield shard.read_bytes()

    def iterate_metadata():
        description = json.loads(table.schema.metadata[METADATA_KEY])
        for text in iterate_json_mutants(description, 22, count):
            metadata = {**table.schema.metadata, METADATA_KEY: text}
            pq.write_table(table.replace_schema_metadata(metadata), shard)
            yield shard.read_bytes()

    assert check_mutants([sound], read)[0] == 1
    if count > 1:  # a process of its own for each call of Polars takes a second
        check_mutants(iterate_tables(), read)
        check_mutants(iterate_metadata(), read)
    check_mutants(iterate_byte_mutants(sound, 23, count), read)
