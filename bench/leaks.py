"""How fast are leaks found: fingerprints per second and core, and the search among many.

    python bench/leaks.py [--pictures DIR] [--count 100000] [--drawn 100000]

Without a folder the pictures are drawn. The searched set is made of random hashes, and of corners
drawn from those of the pictures with a fifth of their bits flipped, so that common corners stay
common; a hundredth of the set is planted copies. The peer is comparing every hash with every
other one, in NumPy.

What is found is counted on altered copies of the pictures; the peer, where it is installed, is
ImageHash's phash within the 10 bits that its users usually allow.

With `--drawn N` the whole way is gone instead: N picture files of 320 × 240, a hundredth of them
altered copies of others (recompressed, halved, mirrored, cropped, all of it), from the files to the
pairs.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.image_hash import (
    MAX_CORNERS,
    THUMBNAIL_SIDE,
    Fingerprints,
    compute_fingerprints,
    read_grey,
)
from smallpose.dataset.duplicates.near_duplicates import (
    MAX_HASH_DISTANCE,
    find_near_duplicates,
    find_near_hashes,
)


def drawn(count: int) -> list[NDArray[np.uint8]]:
    """Pictures of 640 × 480 with boards on a ground."""
    pictures = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        picture = rng.integers(0, 40, (480, 640, 3), dtype=np.uint8) + np.uint8(seed % 200)
        for _ in range(60):
            x, y, w, h = (int(v) for v in rng.integers(4, (640, 480, 90, 90)))
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
        pictures.append(picture)
    return pictures


def files_of(folder: Path | None, scratch: Path) -> list[Path]:
    """The folder's JPEG files, or drawn ones written to `scratch`."""
    if folder is not None:
        return sorted(folder.rglob("*.jpg"))
    for n, picture in enumerate(drawn(100)):
        cv2.imwrite(str(scratch / f"{n}.jpg"), picture)
    return sorted(scratch.glob("*.jpg"))


def many(prints: Fingerprints, count: int, rng: np.random.Generator) -> Fingerprints:
    """`count` made-up pictures whose corners are as unevenly common as those of real ones."""
    copies = count // 100
    fresh = count - copies
    hashes = rng.integers(0, 2**64, (2, fresh), dtype=np.uint64)
    drawn_from = rng.integers(0, prints.descriptors.shape[1], fresh * MAX_CORNERS)
    codes = np.empty((2, count * MAX_CORNERS, 8), dtype=np.uint32)
    fresh_corners = fresh * MAX_CORNERS
    for bit in range(32):
        noise = (rng.random((2, fresh_corners, 8), dtype=np.float32) < 0.2).astype(np.uint32)
        shifted = noise << np.uint32(bit)
        codes[:, :fresh_corners] = shifted if bit == 0 else codes[:, :fresh_corners] | shifted
    codes[:, :fresh_corners] ^= prints.descriptors[:, drawn_from]
    codes[:, fresh_corners:] = codes[:, : copies * MAX_CORNERS]
    thumbs = rng.integers(0, 256, (fresh, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    points = rng.random((fresh_corners, 2), dtype=np.float32)
    return Fingerprints(
        np.concatenate([hashes, hashes[:, :copies]], axis=1),
        np.concatenate([thumbs, thumbs[:copies]]),
        codes,
        np.concatenate([points, points[: copies * MAX_CORNERS]]),
        np.repeat(np.arange(count, dtype=np.int32), MAX_CORNERS),
    )


def brute_force(hashes: NDArray[np.uint64]) -> int:
    """Pairs within the radius, by comparing all with all."""
    found = 0
    for start in range(len(hashes)):
        near = np.bitwise_count(hashes[start] ^ hashes[start + 1 :]) <= MAX_HASH_DISTANCE
        found += int(np.count_nonzero(near))
    return found


def altered(picture: NDArray[np.uint8], how: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A copy as thieves and data sets make them."""
    if "crop" in how:
        height, width = picture.shape[:2]
        share = np.exp(rng.uniform(np.log(0.7), 0))
        w, h = round(width * share), round(height * 0.7 / share)
        x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        picture = picture[y : y + h, x : x + w]
    if "mirror" in how:
        picture = np.ascontiguousarray(picture[:, ::-1])
    if "half" in how:
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if "jpeg" in how:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return picture


def found_again(files: list[Path], rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Alteration to the share of copies found, ours and, where it is installed, the peer's."""
    pictures = [read_grey(f) for f in files]
    n, shares = len(pictures), {}
    for how in HOW:
        copies = [altered(p, how, rng) for p in pictures]
        pairs = {(p.first, p.second) for p in find_near_duplicates([*pictures, *copies])}
        shares[how] = {"smallpose": sum((i, i + n) in pairs for i in range(n)) / n}
        try:
            import imagehash
            from PIL import Image
        except ImportError:
            continue
        mine, theirs = (
            [imagehash.phash(Image.fromarray(p)) for p in s] for s in (pictures, copies)
        )
        shares[how]["imagehash"] = float(
            np.mean([a - b <= 10 for a, b in zip(mine, theirs, strict=True)])
        )
    return {how: {k: round(v, 3) for k, v in s.items()} for how, s in shares.items()}


HOW = ("jpeg", "half", "mirror", "crop", "crop mirror half jpeg")


def draw_file(seed: int, path: Path) -> NDArray[np.uint8]:
    """A small picture of its own: coarse and fine stains as in photographs, and some boards.

    Boards alone would do wrong to the search: all corners of plain boards look the same.
    """
    rng = np.random.default_rng([7, seed])
    picture = np.zeros((240, 320, 3), np.float32)
    for side in (2, 4, 8, 16, 32, 64):
        stains = rng.normal(0, 60 / side**0.4, (side * 3 // 4 + 1, side, 3)).astype(np.float32)
        picture += cv2.resize(stains, (320, 240), interpolation=cv2.INTER_CUBIC)
    picture = (picture + rng.integers(60, 190, 3)).clip(0, 255).astype(np.uint8)
    for x, y, w, h, b, g, r in rng.integers(0, (320, 240, 70, 70, 256, 256, 256), (8, 7)).tolist():
        cv2.rectangle(picture, (x, y), (x + w, y + h), (b, g, r), -1)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return picture


def whole_way(count: int, folder: Path, jobs: int) -> dict[str, object]:
    """From `count` drawn files to the pairs, and how many of the planted ones are among them."""
    rng = np.random.default_rng(1)
    copies = count // 100
    fresh = count - copies
    files = [folder / f"{n:06d}.jpg" for n in range(count)]
    planted = {int(n): fresh + k for k, n in enumerate(rng.choice(fresh, copies, replace=False))}
    for n in range(fresh):
        picture = draw_file(n, files[n])
        if n in planted:
            copy = altered(picture, HOW[planted[n] % len(HOW)], rng)
            cv2.imwrite(str(files[planted[n]]), copy, [cv2.IMWRITE_JPEG_QUALITY, 90])
    start, clock = time.process_time(), time.perf_counter()
    prints = compute_fingerprints(files, jobs)
    hashed = time.process_time() - start
    found = {(p.first, p.second) for p in find_near_duplicates(prints)}
    cpu, clock = time.process_time() - start, time.perf_counter() - clock
    hits = found & set(planted.items())
    return {
        "drawn": count,
        "planted": copies,
        "recall": round(len(hits) / copies, 4),
        "recall_by_kind": {
            how: round(
                np.mean([p in hits for p in planted.items() if p[1] % len(HOW) == k]).item(), 4
            )
            for k, how in enumerate(HOW)
        },
        "precision": round(len(hits) / max(len(found), 1), 4),
        "fingerprints_cpu_s": round(hashed, 1),
        "whole_cpu_s": round(cpu, 1),
        "whole_clock_s": round(clock, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure and print one JSON object."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder of JPEG files")
    parser.add_argument("--count", type=int, default=100_000, help="pictures in the searched set")
    parser.add_argument("--drawn", type=int, help="go the whole way with so many drawn files")
    parser.add_argument("--jobs", type=int, default=2, help="threads, for --drawn")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    if args.drawn:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(whole_way(args.drawn, Path(scratch), args.jobs), indent=2))
        return
    with tempfile.TemporaryDirectory() as scratch:
        files = files_of(args.pictures, Path(scratch))
        start = time.process_time()
        prints = compute_fingerprints(files)
        hashing = time.process_time() - start
        again = found_again(files, rng)
    result: dict[str, object] = {
        "files": len(files),
        "fingerprints_per_core_second": round(len(files) / hashing, 1),
    }
    result["found_again"] = again
    crowd = many(prints, args.count, rng)
    start = time.process_time()
    pairs = find_near_hashes(crowd.hashes[0])
    result |= {"count": args.count, "hash_search_s": round(time.process_time() - start, 2)}
    start = time.process_time()
    assert brute_force(crowd.hashes[0]) == len(pairs)
    result["all_with_all_s"] = round(time.process_time() - start, 2)
    start = time.process_time()
    found = find_near_duplicates(crowd)
    result["whole_search_s"] = round(time.process_time() - start, 2)
    planted = {(n, args.count - args.count // 100 + n) for n in range(args.count // 100)}
    result["planted"] = len(planted)
    hits = len(planted & {(p.first, p.second) for p in found})
    result |= {"found": hits, "false": len(found) - hits}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
