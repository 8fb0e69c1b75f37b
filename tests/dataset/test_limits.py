"""Tests of a build on a full disk, and of images too large for the memory."""

import json
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from smallpose.dataset.verify import check_set

SIZES_KB = (4, 60, 120, 200, 260, 2000)

# Runs in a namespace: mounts a file system of each size, builds on it and lists its files.
BUILDER = """
import json, subprocess, sys
from pathlib import Path
from smallpose.core.errors import RunError
from smallpose.system.files import write_atomically
from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import BuildOptions

coco, disk, kept = map(Path, sys.argv[1:4])
for kb in map(int, sys.argv[4:]):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kb}k", "none", disk], check=True)
    error = ""
    try:
        write_atomically(disk / "found.json", b"old")
        build_dataset({"coco": coco}, disk / "set", BuildOptions(images="copy"))
    except RunError as caught:
        error = str(caught)
    else:
        subprocess.run(["cp", "-r", disk / "set", kept], check=True)
    left = sorted(p.name for p in disk.iterdir())
    try:
        write_atomically(disk / "found.json", bytes(kb * 1024))
    except RunError as caught:
        results = str(caught)
    old = (disk / "found.json").read_bytes() == b"old"
    print(json.dumps([kb, error, left, results, old, len(list(disk.iterdir())) - len(left)]))
    subprocess.run(["umount", disk], check=True)
"""


def write_coco(root, num_images):
    """Write images of noise, about 5 KB each, with a person in each."""
    rng = np.random.default_rng(0)
    (root / "val2017").mkdir(parents=True)
    images, people = [], []
    for i in range(1, num_images + 1):
        name = f"{i:012d}.jpg"
        cv2.imwrite(str(root / "val2017" / name), rng.integers(0, 255, (48, 64, 3), np.uint8))
        images.append({"id": i, "file_name": name, "width": 64, "height": 48})
        record = {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "num_keypoints": 17}
        people.append(record | {"bbox": [1, 2, 30, 30], "keypoints": [9, 9, 2] * 17, "area": 5.5})
    path = root / "annotations/person_keypoints_val2017.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"images": images, "annotations": people}))


@pytest.mark.slow
def test_a_full_file_system_keeps_previous_files_and_no_others(tmp_path):
    """File systems of a few kilobytes fill up at different steps of a build."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not available, so no small file system can be mounted")
    write_coco(tmp_path / "coco", 40)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "-rm", sys.executable, "-c", BUILDER, tmp_path / "coco", disk]
    command += [tmp_path / "kept", *map(str, SIZES_KB)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "mount:" in done.stderr and not done.stdout:
        pytest.skip("file systems cannot be mounted here")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r[0] for r in rows] == list(SIZES_KB), done.stderr
    for kb, error, left, results, old, more in rows[:-1]:
        assert "\n" not in error
        assert "no space left" in error.lower(), kb
        assert left == ["found.json"]
        assert "no space left while writing; the previous file is kept" in results
        assert old and more == 0
    assert len({row[1].partition("/disk/")[2].partition(":")[0] for row in rows[:-1]}) >= 3
    kb, error, left, *_ = rows[-1]
    assert error == "" and left == ["found.json", "set"]
    assert check_set(tmp_path / "kept", 1)[0] == []


READER = """
import resource, sys
from pathlib import Path
from smallpose.core.errors import RefusedError
from smallpose.dataset.image_headers import read_header
from smallpose.dataloading.images import read_image

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

valid, bomb = map(Path, sys.argv[1:])
read_header(valid), read_image(valid)
before = peak_mb()
refused = 0
for read in (read_header, read_image):
    try:
        read(bomb)
    except RefusedError:
        refused += 1
print(refused, peak_mb() - before)
"""


def make_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_an_image_of_900_million_pixels_is_refused_without_memory(tmp_path):
    """The PNG of 30,000 × 30,000 px is valid; decoded, it would take 900 MB."""
    side = 30_000
    packer = zlib.compressobj(1)
    row = bytes(1 + (side + 7) // 8)
    rows = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = np.array([side, side], ">u4").tobytes() + bytes([1, 0, 0, 0, 0])
    bomb, valid = tmp_path / "bomb.png", tmp_path / "valid.png"
    parts = make_chunk(b"IHDR", header) + make_chunk(b"IDAT", rows) + make_chunk(b"IEND", b"")
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    cv2.imwrite(str(valid), np.zeros((8, 8, 3), np.uint8))
    command = [sys.executable, "-W", "ignore", "-c", READER, str(valid), str(bomb)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refused, increase_mb = done.stdout.split()
    assert int(refused) == 2
    assert float(increase_mb) < 50
