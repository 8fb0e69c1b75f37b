"""Damaged checkpoints: `.safetensors`, `.pth` and the state of a run."""

import contextlib
import copy
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import check_mutants, fuzz_counts
from mutations import iterate_byte_mutants, iterate_json_mutants, mutate_bytes

from smallpose.core.errors import InputError
from smallpose.methods import create_method
from smallpose.methods.base import Recipe
from smallpose.methods.checkpoints.read import read_tensors
from smallpose.training.checkpoint import load_state, save_model, save_state

METHOD = "simple_baseline_r18_tiny"
SMALL, LARGE = 25, 3000
# What can take the place of a checkpoint's tensors or containers.
ODD_OBJECTS = (
    None,
    1,
    "text",
    [],
    {},
    {1: 2},
    {"a": None},
    torch.zeros(0),
    torch.zeros(3, dtype=torch.complex64),
    torch.zeros(2, 2, dtype=torch.int8),
    torch.full((3,), torch.nan),
    torch.zeros(2, 3).to_sparse(),
    np.zeros(3, dtype=np.float32),
)


@pytest.fixture(scope="module")
def method():
    return create_method(METHOD, "smallpose21")


@pytest.fixture
def folder(tmp_path, method):
    """Return a folder with a model as a run saves it."""
    save_model(method, tmp_path, Recipe())
    return tmp_path


def load_method(path: Path) -> None:
    with contextlib.suppress(UserWarning):  # of sparse and complex tensors
        create_method(METHOD, None, str(path))


@fuzz_counts(SMALL, LARGE)
def test_damaged_safetensors_are_refused_in_one_line(count, folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, tensors = json.loads(data[8 : 8 + size]), data[8 + size :]
    card = json.loads(header["__metadata__"]["smallpose"])

    def read(text: bytes) -> None:
        path.write_bytes(text)
        load_method(path)

    def pack(header_text: bytes) -> bytes:
        return struct.pack("<Q", len(header_text)) + header_text + tensors

    def pack_card(text: bytes) -> bytes:
        metadata = {"smallpose": text.decode("utf-8", "replace")}
        return pack(json.dumps(header | {"__metadata__": metadata}).encode())

    assert check_mutants([data, pack_card(json.dumps(card).encode())], read)[0] == 2
    check_mutants((pack(text) for text in iterate_json_mutants(header, 1, count)), read)
    check_mutants((pack_card(text) for text in iterate_json_mutants(card, 2, 2 * count)), read)
    check_mutants(iterate_byte_mutants(data, 3, count), read)


def change_objects(value: dict, rng: np.random.Generator) -> dict:
    """Change one entry of a dictionary that a checkpoint contains: drop, rename or replace it."""
    value = copy.copy(value)
    key = list(value)[int(rng.integers(len(value)))]
    child = value[key]
    kind = rng.integers(5)
    if isinstance(child, dict) and child and kind < 3:
        value[key] = change_objects(child, rng)
    elif kind == 0:
        del value[key]
    elif kind == 1:
        value[ODD_OBJECTS[int(rng.integers(3))]] = value.pop(key)
    else:
        value[key] = ODD_OBJECTS[int(rng.integers(len(ODD_OBJECTS)))]
    return value


@fuzz_counts(SMALL, LARGE)
def test_damaged_pth_files_are_refused_in_one_line(count, tmp_path, method):
    path = tmp_path / "weights.pth"
    sound = {"meta": {"epoch": 1}, "state_dict": method.state_dict()}
    torch.save(sound, path)
    data = path.read_bytes()

    def read(text: bytes) -> None:
        path.write_bytes(text)
        create_method(METHOD, "smallpose21", str(path), weights_skeleton="smallpose21")

    def read_any(text: bytes) -> None:
        path.write_bytes(text)
        read_tensors(path)

    def iterate_objects():
        for index in range(count):
            changed = change_objects(sound, np.random.default_rng([4, index]))
            torch.save(changed, path)
            yield path.read_bytes()
        for odd in ODD_OBJECTS:
            torch.save(odd, path)
            yield path.read_bytes()

    def iterate_cuts():
        for index in range(count):
            rng = np.random.default_rng([6, index])
            yield mutate_bytes(data[: int(rng.integers(1, 400))], rng)

    assert check_mutants([data], read)[0] == 1
    check_mutants(iterate_objects(), read)
    check_mutants(iterate_byte_mutants(data, 5, count), read)
    check_mutants(iterate_cuts(), read)
    check_mutants(iterate_byte_mutants(data, 7, count), read_any)
    check_mutants(iterate_cuts(), read_any)


@fuzz_counts(SMALL, LARGE)
def test_a_damaged_state_is_refused_in_one_line(count, tmp_path):
    state = {"step": 3, "method": {"a": torch.zeros(2)}, "optimizer": {"state": {}}}
    save_state(tmp_path, state)
    path = tmp_path / "state.pt"
    data = path.read_bytes()

    def read(text: bytes) -> None:
        path.write_bytes(text)
        load_state(tmp_path)

    def iterate_objects():
        for index in range(count):
            torch.save(change_objects(state, np.random.default_rng([8, index])), path)
            yield path.read_bytes()
        for odd in ODD_OBJECTS:
            torch.save(odd, path)
            yield path.read_bytes()

    assert check_mutants([data], read)[0] == 1
    check_mutants(iterate_objects(), read)
    assert check_mutants(iterate_byte_mutants(data, 9, 4 * count), read)[2] > count


def test_a_missing_file_of_weights_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_method(tmp_path / "none.pth")
