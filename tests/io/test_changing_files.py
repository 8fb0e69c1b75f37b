"""Files that change while they are read are an error of one line, never a crash."""

import errno
import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.io import coco_results_fast, json_text
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.io.coco_results_fast import map_results
from smallpose.io.json_text import JsonFile
from smallpose.system import files

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


@pytest.fixture
def dataset(random_coco, tmp_path) -> tuple[Path, Path]:
    coco, results = random_coco(3, num_images=10, max_people=8)
    (tmp_path / "truth.json").write_text(json.dumps(coco))
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path / "truth.json", tmp_path / "results.json"


def change_after_read(monkeypatch, path: Path, change, num_reads: int = 3) -> None:
    """Let `change(path)` happen after a few parts of a file have been read."""
    read = JsonFile.read
    count = iter(range(1000))

    def read_and_change(self, start, stop):
        data = read(self, start, stop)
        if next(count) == num_reads:
            change(path)
        return data

    monkeypatch.setattr(JsonFile, "read", read_and_change)


def truncate(path: Path) -> None:
    os.truncate(path, 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def overwrite(path: Path) -> None:
    size = path.stat().st_size
    path.write_bytes(b"[" + b" " * (size - 2) + b"]")
    os.utime(path, ns=(1, 1))  # some file systems keep time in steps of milliseconds


@needs_extension
@pytest.mark.parametrize("change", [truncate, empty, append, overwrite])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_results_that_change_are_an_error(change, is_streamed, dataset, monkeypatch):
    truth = read_coco(dataset[0])
    monkeypatch.setattr(coco_results_fast, "CHUNK_BYTES", 2000)
    monkeypatch.setattr(coco_results_fast, "PIECE_BYTES", 2000)
    change_after_read(monkeypatch, dataset[1], change)
    with pytest.raises(InputError, match=r"results\.json: changed while it was read; run"):
        if is_streamed:
            map_results(dataset[1], truth, len)
        else:
            read_results(dataset[1], truth)


@needs_extension
@pytest.mark.parametrize("change", [truncate, empty, append, overwrite])
@pytest.mark.parametrize("num_reads", [1, 4])
def test_annotations_that_change_are_an_error(change, num_reads, dataset, monkeypatch):
    change_after_read(monkeypatch, dataset[0], change, num_reads)
    with pytest.raises(InputError, match=r"truth\.json: changed while it was read; run"):
        read_coco(dataset[0])


@needs_extension
def test_an_error_that_is_no_change_is_not_called_one(dataset, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device", "elsewhere")
    with pytest.raises(OSError, match="No space left") as caught, JsonFile(dataset[0]):
        raise full
    assert caught.value is full
    message = r"truth\.json: cannot be read \(the mapped file was cut short\)"
    with pytest.raises(InputError, match=message), JsonFile(dataset[0]):
        raise OSError("the mapped file was cut short")  # of the extension, by a bad disk
    with pytest.raises(InputError, match="changed while it was read"), JsonFile(dataset[0]):
        append(dataset[0])
        raise full

    class BadDisk:
        def read(self, num_bytes):
            raise OSError(errno.EIO, "Input/output error")

        def __getattr__(self, name):
            return getattr(file, name)

    with JsonFile(dataset[0]) as text:
        file = text._file
        monkeypatch.setattr(text, "_file", BadDisk())
        with pytest.raises(InputError, match=r"truth\.json: cannot be read \(Input/output error"):
            text.read(0, 10)


@pytest.mark.parametrize("change", [truncate, empty, append, overwrite])
def test_other_files_that_change_are_an_error(change, dataset, monkeypatch):
    read = files._read_rest

    def read_and_change(path, file):
        data = read(path, file)
        change(path)
        return data

    monkeypatch.setattr(files, "_read_rest", read_and_change)
    with pytest.raises(InputError, match=r"truth\.json: changed while it was read; run"):
        files.read_bytes(dataset[0])


CUT_SHORT = """
import mmap, os, sys, threading
from smallpose.io.json_text import EXTENSION

path = sys.argv[1]
with open(path, "r+b") as file:
    text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
os.truncate(path, 1 << 20)
failures = []

def scan(position):
    for _ in range(50):
        try:
            EXTENSION.skip_value(text, position)
        except OSError:
            failures.append(position)

threads = [threading.Thread(target=scan, args=(position,)) for position in (0, 2_000_000)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(failures), EXTENSION.skip_value(b"[1]", 0), flush=True)
if len(sys.argv) > 2:
    text[2_000_000]
"""


@needs_extension
@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut on Windows")
def test_scans_of_a_file_cut_short_fail_in_every_thread_and_no_other_fault_is_hidden(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b"[1],\n" * 1_000_000 + b"[1]]")
    command = [sys.executable, "-c", CUT_SHORT, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "100 3\n"), done.stderr[-1000:]
    path.write_bytes(b"[" + b"[1],\n" * 1_000_000 + b"[1]]")
    done = subprocess.run([*command, "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGBUS, "100 3\n")


def test_a_file_of_which_a_part_is_missing_so_far_is_refused_as_broken(dataset):
    text = dataset[0].read_text()
    dataset[0].write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="broken JSON at byte"):
        read_coco(dataset[0])


def test_a_gzip_file_is_unpacked_once(dataset, monkeypatch):
    truth = read_coco(dataset[0])
    packed = [dataset[0].with_suffix(".gz"), dataset[1].with_suffix(".gz")]
    # Text that the fast readers leave to the slow ones.
    for path, plain in zip(packed, dataset, strict=True):
        path.write_bytes(gzip.compress(plain.read_text().replace('"id"', '"i\\u0064"').encode()))
    calls = []
    unpack = files._decompress
    monkeypatch.setattr(files, "_decompress", lambda *args: calls.append(args) or unpack(*args))
    assert len(read_coco(packed[0])) == len(truth)
    assert len(calls) == 1
    assert len(read_results(packed[1], truth)) > 0
    assert len(calls) == 2


def test_gzip_that_unpacks_to_far_more_than_annotations_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MIN_UNPACKED_LIMIT", 100_000)
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 10_000_000 + b"]"))
    with pytest.raises(InputError, match=r"become more than .* unpack it with gunzip"):
        read_coco(path)
    path.write_bytes(gzip.compress(b"[" + b" " * 90_000 + b"]"))
    with pytest.raises(InputError, match="an empty list"):
        read_coco(path)


def test_gzip_of_many_small_members_takes_time_in_proportion(tmp_path):
    member = gzip.compress(b" ")
    path = tmp_path / "a.json.gz"
    path.write_bytes(member * 20_000 + gzip.compress(b"[]"))
    assert files.read_bytes(path) == b" " * 20_000 + b"[]"
