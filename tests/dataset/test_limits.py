"""Disks that are really full, and pictures that would really fill the memory."""

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

# In a namespace of its own: a file system of each size is mounted, built on and looked at.
BUILDER = """
import json, subprocess, sys
from pathlib import Path
from smallpose.core.errors import RunError
from smallpose.system.files import write_atomically
from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import Options

coco, disk, kept = map(Path, sys.argv[1:4])
for kb in map(int, sys.argv[4:]):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kb}k", "none", disk], check=True)
    error = ""
    try:
        write_atomically(disk / "found.json", b"old")
        build_dataset({"coco": coco}, disk / "set", Options(images="copy"))
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


def write_coco(root, pictures):
    """Pictures of noise, some 5 KB each, with a person in each."""
    rng = np.random.default_rng(0)
    (root / "val2017").mkdir(parents=True)
    images, people = [], []
    for i in range(1, pictures + 1):
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
    """A file system of a few kilobytes, at every place of a build where it can overflow."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no name spaces here to mount a small file system in")
    write_coco(tmp_path / "coco", 40)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "-rm", sys.executable, "-c", BUILDER, tmp_path / "coco", disk]
    command += [tmp_path / "kept", *map(str, SIZES_KB)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "mount:" in done.stderr and not done.stdout:
        pytest.skip("nothing can be mounted here")
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


LOOKER = """
import resource, sys
from pathlib import Path
from smallpose.core.errors import RefusedError
from smallpose.dataset.image_headers import read_header
from smallpose.dataloading.images import read_picture

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

sound, bomb = map(Path, sys.argv[1:])
read_header(sound), read_picture(sound)
before = peak_mb()
refused = 0
for look in (read_header, read_picture):
    try:
        look(bomb)
    except RefusedError:
        refused += 1
print(refused, peak_mb() - before)
"""


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_an_image_of_900_million_pixels_is_refused_without_memory(tmp_path):
    """A whole and sound PNG of 30,000 × 30,000; decoded, it would take 900 MB."""
    side = 30_000
    packer = zlib.compressobj(1)
    row = bytes(1 + (side + 7) // 8)
    rows = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = np.array([side, side], ">u4").tobytes() + bytes([1, 0, 0, 0, 0])
    bomb, sound = tmp_path / "bomb.png", tmp_path / "sound.png"
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    cv2.imwrite(str(sound), np.zeros((8, 8, 3), np.uint8))
    command = [sys.executable, "-W", "ignore", "-c", LOOKER, str(sound), str(bomb)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refused, more_mb = done.stdout.split()
    assert int(refused) == 2
    assert float(more_mb) < 50
