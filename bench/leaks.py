"""Measure the search for near-duplicates: fingerprints per second and core, time and recall.

    python bench/leaks.py [--images DIR] [--count 100000] [--drawn 100000]

Without a folder the images are drawn. The search runs on random hashes, and on corners sampled from
those of the images with a fifth of their bits flipped, so that common corners stay common; one in a
hundred is a planted copy. The peer compares every hash with every other one, in NumPy.

Recall is measured on altered copies of the images; the peer, if installed, is ImageHash's phash
within the usual 10 bits.

With `--drawn N` all steps are measured instead, from files to pairs: N image files of 320 × 240,
one in a hundred an altered copy of another (recompressed, halved, mirrored, cropped, or all). Each
drawing serves three times: as it is, upside down and as a negative, which have no corner in common.
With `--folder DIR` the files are kept there and used again, for several versions in turn.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.corners import MAX_CORNERS
from smallpose.dataset.duplicates.image_hash import (
    THUMBNAIL_SIDE,
    Fingerprints,
    compute_fingerprints,
)
from smallpose.dataset.duplicates.near_duplicates import (
    MAX_HASH_DISTANCE,
    find_near_duplicates,
    find_near_hashes,
)


def draw_images(count: int) -> list[NDArray[np.uint8]]:
    """Draw images of 640 × 480 with rectangles on a background."""
    images = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 40, (480, 640, 3), dtype=np.uint8) + np.uint8(seed % 200)
        for _ in range(60):
            x, y, w, h = (int(v) for v in rng.integers(4, (640, 480, 90, 90)))
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
        images.append(image)
    return images


def list_files(folder: Path | None, scratch: Path) -> list[Path]:
    """List the JPEG files of a folder, or draw some into `scratch`."""
    if folder is not None:
        return sorted(folder.rglob("*.jpg"))
    for n, image in enumerate(draw_images(100)):
        cv2.imwrite(str(scratch / f"{n}.jpg"), image)
    return sorted(scratch.glob("*.jpg"))


def make_fingerprints(prints: Fingerprints, count: int, rng: np.random.Generator) -> Fingerprints:
    """Make fingerprints of `count` images whose corners are as common as those of real images."""
    copies = count // 100
    fresh = count - copies
    hashes = rng.integers(0, 2**64, (2, fresh), dtype=np.uint64)
    drawn_from = rng.integers(0, len(prints.descriptors), fresh * MAX_CORNERS)
    codes = np.empty((count * MAX_CORNERS, 8), dtype=np.uint32)
    fresh_corners = fresh * MAX_CORNERS
    for bit in range(32):
        noise = (rng.random((fresh_corners, 8), dtype=np.float32) < 0.2).astype(np.uint32)
        shifted = noise << np.uint32(bit)
        codes[:fresh_corners] = shifted if bit == 0 else codes[:fresh_corners] | shifted
    codes[:fresh_corners] ^= prints.descriptors[drawn_from]
    codes[fresh_corners:] = codes[: copies * MAX_CORNERS]
    thumbs = rng.integers(0, 256, (fresh, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    points = rng.random((fresh_corners, 2), dtype=np.float32)
    return Fingerprints(
        hashes=np.concatenate([hashes, hashes[:, :copies]], axis=1),
        thumbnails=np.concatenate([thumbs, thumbs[:copies]]),
        descriptors=codes,
        corner_positions=np.concatenate([points, points[: copies * MAX_CORNERS]]),
        image_index=np.repeat(np.arange(count, dtype=np.int32), MAX_CORNERS),
    )


def count_by_brute_force(hashes: NDArray[np.uint64]) -> int:
    """Count the pairs within the limit by comparing all with all."""
    num_pairs = 0
    for start in range(len(hashes)):
        is_near = np.bitwise_count(hashes[start] ^ hashes[start + 1 :]) <= MAX_HASH_DISTANCE
        num_pairs += int(np.count_nonzero(is_near))
    return num_pairs


def alter_image(image: NDArray[np.uint8], name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Alter an image as copies in data sets are altered."""
    if "crop" in name:
        height, width = image.shape[:2]
        share = np.exp(rng.uniform(np.log(0.7), 0))
        w, h = round(width * share), round(height * 0.7 / share)
        x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        image = image[y : y + h, x : x + w]
    if "mirror" in name:
        image = np.ascontiguousarray(image[:, ::-1])
    if "half" in name:
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if "jpeg" in name:
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return image


def measure_recall(files: list[Path], rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Measure the recall of altered copies by alteration, of smallpose and of the peer."""
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    images = [np.asarray(cv2.imread(str(f), flags), np.uint8) for f in files]  # not reduced
    n = len(images)
    recall = {}
    for name in ALTERATIONS:
        copies = [alter_image(p, name, rng) for p in images]
        pairs = {(p.first, p.second) for p in find_near_duplicates([*files, *copies])}
        recall[name] = {"smallpose": sum((i, i + n) in pairs for i in range(n)) / n}
        try:
            import imagehash
            from PIL import Image
        except ImportError:
            continue
        hashes, copy_hashes = (
            [imagehash.phash(Image.fromarray(p)) for p in s] for s in (images, copies)
        )
        recall[name]["imagehash"] = float(
            np.mean([a - b <= 10 for a, b in zip(hashes, copy_hashes, strict=True)])
        )
    return {name: {k: round(v, 3) for k, v in s.items()} for name, s in recall.items()}


ALTERATIONS = ("jpeg", "half", "mirror", "crop", "crop mirror half jpeg")


def draw_scene(seed: int) -> NDArray[np.uint8]:
    """Draw a small image: coarse and fine noise as in photographs, and some rectangles.

    Rectangles alone would be unfair to the search, because all their corners look the same.
    """
    rng = np.random.default_rng([7, seed])
    image = np.zeros((240, 320, 3), np.float32)
    for side in (2, 4, 8, 16, 32, 64):
        noise = rng.normal(0, 60 / side**0.4, (side * 3 // 4 + 1, side, 3)).astype(np.float32)
        image += cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    image = (image + rng.integers(60, 190, 3)).clip(0, 255).astype(np.uint8)
    for x, y, w, h, b, g, r in rng.integers(0, (320, 240, 70, 70, 256, 256, 256), (8, 7)).tolist():
        cv2.rectangle(image, (x, y), (x + w, y + h), (b, g, r), -1)
    return image


def write_files(files: list[Path], planted: dict[int, int]) -> None:
    """Write the files that do not exist; `planted` maps images to their altered copies."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
    num_fresh = len(files) - len(planted)
    for first in range(0, num_fresh, 3):
        rows = range(first, min(first + 3, num_fresh))
        if all(files[n].exists() and files[planted.get(n, n)].exists() for n in rows):
            continue
        scene = draw_scene(first // 3)
        variants = (scene, cv2.rotate(scene, cv2.ROTATE_180), 255 - scene)
        for n, image in zip(rows, variants, strict=False):
            cv2.imwrite(str(files[n]), image, quality)
            if n in planted:
                name = ALTERATIONS[planted[n] % len(ALTERATIONS)]
                copy = alter_image(image, name, np.random.default_rng([11, n]))
                cv2.imwrite(str(files[planted[n]]), copy, quality)


def measure_all_steps(count: int, folder: Path, workers: int) -> dict[str, object]:
    """Measure all steps from `count` drawn files to the pairs, and the recall of planted ones."""
    rng = np.random.default_rng(1)
    copies = count // 100
    fresh = count - copies
    files = [folder / f"{n:06d}.jpg" for n in range(count)]
    planted = {int(n): fresh + k for k, n in enumerate(rng.choice(fresh, copies, replace=False))}
    write_files(files, planted)
    start, clock = time.process_time(), time.perf_counter()
    prints = compute_fingerprints(files, workers)
    hashed = time.process_time() - start
    pairs = {(p.first, p.second) for p in find_near_duplicates(prints)}
    cpu, clock = time.process_time() - start, time.perf_counter() - clock
    true_pairs = pairs & set(planted.items())
    recall = {}
    for k, name in enumerate(ALTERATIONS):
        of_kind = [
            pair in true_pairs for pair in planted.items() if pair[1] % len(ALTERATIONS) == k
        ]
        if of_kind:
            recall[name] = round(sum(of_kind) / len(of_kind), 4)
    return {
        "drawn": count,
        "planted": copies,
        "recall": round(len(true_pairs) / copies, 4) if copies else None,
        "recall_by_kind": recall,
        "pairs": len(pairs),
        "precision": round(len(true_pairs) / len(pairs), 4) if pairs else None,
        "fingerprints_cpu_s": round(hashed, 1),
        "total_cpu_s": round(cpu, 1),
        "total_clock_s": round(clock, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure and print one JSON object."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="Folder of JPEG files (default: drawn images).")
    parser.add_argument(
        "--count", type=int, default=100_000, help="Number of images to search (default: 100000)."
    )
    parser.add_argument("--drawn", type=int, help="Measure all steps with so many drawn files.")
    parser.add_argument("--folder", type=Path, help="Folder that keeps the drawn files.")
    parser.add_argument("--workers", type=int, default=2, help="Threads, for --drawn (default: 2).")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    if args.drawn and args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measure_all_steps(args.drawn, args.folder, args.workers), indent=2))
        return
    if args.drawn:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure_all_steps(args.drawn, Path(scratch), args.workers), indent=2))
        return
    with tempfile.TemporaryDirectory() as scratch:
        files = list_files(args.images, Path(scratch))
        start = time.process_time()
        prints = compute_fingerprints(files)
        hashing = time.process_time() - start
        recall = measure_recall(files, rng)
    result: dict[str, object] = {
        "files": len(files),
        "fingerprints_per_core_second": round(len(files) / hashing, 1),
        "recall": recall,
    }
    searched = make_fingerprints(prints, args.count, rng)
    start = time.process_time()
    pairs = find_near_hashes(searched.hashes[0])
    result |= {"count": args.count, "hash_search_s": round(time.process_time() - start, 2)}
    start = time.process_time()
    assert count_by_brute_force(searched.hashes[0]) == len(pairs)
    result["all_with_all_s"] = round(time.process_time() - start, 2)
    start = time.process_time()
    duplicates = find_near_duplicates(searched)
    result["search_s"] = round(time.process_time() - start, 2)
    planted = {(n, args.count - args.count // 100 + n) for n in range(args.count // 100)}
    result["planted"] = len(planted)
    num_found = len(planted & {(p.first, p.second) for p in duplicates})
    result |= {"found": num_found, "false": len(duplicates) - num_found}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
