import json
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.stats.scene_entropy import (
    compute_scene_entropy,
    read_probabilities,
    summarize_scenes,
)


def make_probabilities(images: int = 6, classes: int = 365) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(classes), images)


def test_a_uniform_distribution_has_5_900_nats_and_a_certain_one_0():
    assert compute_scene_entropy(np.full((2, 365), 1 / 365)) == pytest.approx([5.900] * 2, abs=5e-4)
    certain = compute_scene_entropy(np.eye(365)[:3])
    assert certain.tolist() == [0.0, 0.0, 0.0]
    assert not np.signbit(certain).any()


def test_entropy_is_in_nats():
    assert compute_scene_entropy(np.array([[0.5, 0.5]]))[0] == pytest.approx(np.log(2))


def test_mean_and_variance_are_computed_over_the_entropies():
    statistics = summarize_scenes(make_probabilities(40))
    assert statistics.mean.value == pytest.approx(statistics.entropy.mean())
    assert statistics.variance.value == pytest.approx(statistics.entropy.var(ddof=1))
    assert statistics.to_dict()["unit"] == "nats"


def write_rows(kind: str, path: Path, rows: np.ndarray) -> Path:
    if kind == "npy":
        np.save(path, rows)
    elif kind == "csv":
        path.write_text("\n".join(",".join(map(repr, row)) for row in rows.tolist()))
    elif kind == "named csv":
        head = ",".join(["image", *(f"class {i}" for i in range(rows.shape[1]))])
        lines = [f"{i}.jpg," + ",".join(map(repr, row)) for i, row in enumerate(rows.tolist())]
        path.write_text("\n".join([head, *lines]) + "\n")
    elif kind == "json":
        path.write_text(json.dumps(rows.tolist()))
    elif kind == "named json":
        path.write_text(json.dumps({f"{i}.jpg": row for i, row in enumerate(rows.tolist())}))
    else:
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        names = [f"{i}.jpg" for i in range(len(rows))]
        columns = {"image": names, **{f"p{i}": rows[:, i] for i in range(rows.shape[1])}}
        if kind == "parquet of lists":
            columns = {"image": names, "probabilities": rows.tolist()}
        parquet.write_table(arrow.table(columns), path)
    return path


KINDS = ["npy", "csv", "named csv", "json", "named json", "parquet", "parquet of lists"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_reads_back(kind: str, tmp_path: Path):
    suffix = next(word for word in ("npy", "csv", "json", "parquet") if word in kind)
    rows = make_probabilities()
    assert read_probabilities(write_rows(kind, tmp_path / f"p.{suffix}", rows)) == pytest.approx(
        rows
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.full((2, 5), 0.3), "row 1: adds up to 1.5"),
        (
            np.array([[0.5, 0.5], [1.5, -0.5]]),
            "row 2: adds up to 1, and its smallest value is -0.5",
        ),
        (np.array([[0.5, np.nan]]), "row 1"),
        (np.ones(4), "has the shape (4,)"),
    ],
)
def test_rows_that_are_not_probabilities_are_refused_and_named(
    rows: np.ndarray, message: str, tmp_path: Path
):
    path = tmp_path / "p.npy"
    np.save(path, rows)
    with pytest.raises(InputError) as caught:
        read_probabilities(path)
    assert message in str(caught.value)


def test_a_pickle_in_a_npy_file_is_not_run(tmp_path: Path):
    path = tmp_path / "p.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a table of numbers"):
        read_probabilities(path)


@pytest.mark.parametrize("text", ["", "a,b\n", "0.5,x\n", "0.5,0.5\n1.0\n"])
def test_a_broken_csv_is_refused(text: str, tmp_path: Path):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(InputError):
        read_probabilities(path)
