"""The compiled core and its NumPy twins give the same numbers to the last bit."""

import json
import random
import struct

import numpy as np
import pytest

from smallpose import evaluate, read_coco, read_results
from smallpose.core.errors import InputError
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.matching import native
from smallpose.io import coco_annotations, coco_results, coco_results_fast, mapped_json
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.io.coco_results_fast import CHUNK_BYTES, compute_reciprocals
from smallpose.io.coco_results_slow import read_results_slow
from smallpose.system.threads import run_parts

needs_core = pytest.mark.skipif(native.CORE is None, reason="no compiler built the core")
ORDINARY = (read_coco_slow, read_results_slow)  # held here, because a test takes the others away
ALL = ("coco", "owned", "recall")


@pytest.fixture
def without_core(monkeypatch):
    """Call it to take the compiled core away for the rest of the test."""
    return lambda: monkeypatch.setattr(native, "CORE", None)


@needs_core
@pytest.mark.parametrize("joints", [17, 21])
def test_every_sum_of_an_evaluation_is_the_same_without_the_core(
    joints, crowded_dataset, without_core
):
    datasets = [crowded_dataset(seed, joints, images=5, people=9) for seed in range(60)]
    datasets.append(crowded_dataset(99, joints, images=40, people=40))
    fast = [evaluate(w.truth, w.predictions, protocols=ALL) for w in datasets]
    boxes = [get_detection_boxes(w.predictions) for w in datasets]
    without_core()
    for dataset, a, box in zip(datasets, fast, boxes, strict=True):
        b = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
        assert a.to_json() == b.to_json()
        assert np.array_equal(get_detection_boxes(dataset.predictions), box, equal_nan=True)
        for name in (
            "image_ids",
            "num_detections",
            "num_people",
            "num_matched",
            "image",
            "rank",
            "scores",
            "true_positives",
        ):
            assert np.array_equal(getattr(a.match_counts, name), getattr(b.match_counts, name)), (
                name
            )
        for protocol in ("coco", "owned"):
            assert np.array_equal(
                a.match_counts.false_positives[protocol], b.match_counts.false_positives[protocol]
            )
            for one, other in zip(
                a.match_counts.compute_curves(protocol, 20),
                b.match_counts.compute_curves(protocol, 20),
                strict=True,
            ):
                assert np.array_equal(one.precision, other.precision)
                assert np.array_equal(one.recall, other.recall)
                assert np.array_equal(one.scores, other.scores)


def test_without_the_core_the_numbers_are_still_pycocotools(
    crowded_dataset, pycocotools, without_core
):
    without_core()
    for seed in range(20):
        dataset = crowded_dataset(seed, 21)
        result = evaluate(dataset.truth, dataset.predictions)
        for ours, theirs in zip(
            result.match_counts.compute_curves("coco", 20),
            pycocotools(dataset).values(),
            strict=True,
        ):
            assert np.array_equal(ours.precision, theirs["precision"])
            assert np.array_equal(ours.recall, theirs["recall"])


@needs_core
def test_more_threads_than_images_give_the_same_numbers(crowded_dataset, monkeypatch):
    dataset = crowded_dataset(3, images=3, people=9)
    alone = evaluate(dataset.truth, dataset.predictions, protocols=ALL).to_json()
    monkeypatch.setattr(native, "_MIN_DETECTIONS_PER_THREAD", 0)
    monkeypatch.setattr(native, "count_cores", lambda: 7)
    monkeypatch.setattr(native, "_BUFFER_SIZE", 200)  # several rounds on a small workbench
    assert evaluate(dataset.truth, dataset.predictions, protocols=ALL).to_json() == alone


def test_an_error_in_a_thread_comes_out():
    def work(part):
        if part == 2:
            raise ValueError("part 2")
        return part

    assert run_parts(lambda part: part * part, 5, 3) == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="part 2"):
        run_parts(work, 5, 3)


def scan_number(text):
    return mapped_json.EXTENSION.parse_number(text.encode() + b"]", compute_reciprocals())


@needs_core
def test_every_number_is_the_double_nearest_to_its_text():
    rng = random.Random(0)
    texts = ["0", "-0.0", "1", "-1", "0.5", "9007199254740993", "1e22", "1E-5", "1.5e+3", "0.1"]
    texts += ["123456789012345678", "0.000000000000000000000012345", "5e-324", "4.35", "2.675"]
    for _ in range(20_000):
        x = rng.choice(
            [
                rng.uniform(0, 2000),
                rng.random(),
                10 ** rng.uniform(-30, 15),
                struct.unpack("f", struct.pack("f", rng.uniform(0, 2000)))[0],
                struct.unpack("f", struct.pack("f", 10 ** rng.uniform(-20, 0)))[0],
            ]
        )
        texts.append(rng.choice([repr(x), f"{x:.2f}", f"{x:.6f}", f"{x:.17g}", f"{-x:.9e}"]))
    # Right beside halfway points of two doubles, with as many digits as fit.
    for _ in range(5_000):
        mantissa, power = rng.randrange(2**52, 2**53), rng.randrange(1, 30)
        numerator = (2 * mantissa + 1) * 10**power // 2 ** rng.randrange(20, 110)
        texts.append(f"{numerator % 10**19}e-{power}")
    left = 0
    for text in texts:
        value = scan_number(text)
        left += value is None
        assert value is None or struct.pack("d", value) == struct.pack("d", float(text)), text
    assert left / len(texts) < 0.05


@needs_core
@pytest.mark.parametrize(
    "text", ["", "-", "01", "1.", ".5", "+1", "1e", "NaN", "Infinity", "1e400", "0x1", "1 2", "--1"]
)
def test_what_is_no_number_of_json_is_left_to_the_ordinary_reader(text):
    assert scan_number(text) is None


def test_the_bits_of_powers_of_5_are_counted_right():
    for k in range(1, mapped_json.MAX_DECIMALS + 1):
        assert k * 1217359 // 524288 + 1 == (5**k).bit_length()


def write(folder, dataset, **dump):
    (folder / "truth.json").write_text(json.dumps(dataset.coco, **dump))
    (folder / "found.json").write_text(json.dumps(dataset.results, **dump))
    return folder / "truth.json", folder / "found.json"


def same_tables(a, b):
    assert type(a) is type(b)
    for name in vars(b):
        one, other = getattr(a, name), getattr(b, name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype, name
            assert np.array_equal(one, other, equal_nan=other.dtype.kind == "f"), name
        elif hasattr(other, "ids"):
            same_tables(one, other)
        else:
            assert one == other, name


@pytest.fixture
def scanned(monkeypatch):
    """Fails the test if the ordinary reader is asked."""

    def refuse(*_):
        raise AssertionError("the ordinary reader was asked")

    monkeypatch.setattr(coco_annotations, "read_coco_slow", refuse)
    monkeypatch.setattr(coco_results, "read_results_slow", refuse)


@needs_core
@pytest.mark.parametrize("dump", [{}, {"indent": 4}, {"separators": (",", ":")}])
def test_scanned_tables_are_the_ordinary_readers(dump, crowded_dataset, tmp_path, scanned):
    for seed in range(12):
        dataset = crowded_dataset(seed, 21 if seed % 2 else 17, images=6, people=8)
        if not dataset.results or not dataset.coco["annotations"]:
            continue
        for i, a in enumerate(dataset.coco["annotations"]):
            extra = [
                {"segmentation": [[1, 2.5, 3]], "note": 'a "{quoted}" \\ word', "area": None},
                {"source": "aic", "box_rule": "drawn", "iscrowd": bool(a["iscrowd"])},
                {"source": "someone", "segmentation_area": 1.25, "segmentation": {"size": [1, 2]}},
            ][i % 3]
            a.update(extra)
        for i, r in enumerate(dataset.results):
            if i and r.get("bbox") is None:
                r["bbox"] = [[], None][i % 2]
        gt, dt = write(tmp_path, dataset, **dump)
        same_tables(read_coco(gt), ORDINARY[0](gt))
        same_tables(read_results(dt, ORDINARY[0](gt)), ORDINARY[1](dt, ORDINARY[0](gt)))


@needs_core
def test_a_result_file_of_many_chunks_is_read_as_one(
    crowded_dataset, tmp_path, scanned, monkeypatch
):
    dataset = crowded_dataset(8, images=20, people=10)
    gt, dt = write(tmp_path, dataset)
    truth = ORDINARY[0](gt)
    whole = ORDINARY[1](dt, truth)
    for chunk in (200, 1000, 4096, CHUNK_BYTES):
        monkeypatch.setattr(coco_results_fast, "CHUNK_BYTES", chunk)
        same_tables(read_results(dt, truth), whole)


@needs_core
def test_real_files_are_scanned_as_they_are_read(real, tmp_path):
    import gzip

    for name in ("example4/example_coco_val.json", "example1/gt_dataset.json"):
        same_tables(read_coco(real / "coco" / name), ORDINARY[0](real / "coco" / name))
    folder = real / "coco" / "val_subset250"
    for name in ("val_subset.json", "detections_C.json"):
        data = gzip.decompress((folder / f"{name}.gz").read_bytes())
        (tmp_path / name).write_bytes(data)
    truth = read_coco(tmp_path / "val_subset.json")
    same_tables(truth, ORDINARY[0](folder / "val_subset.json.gz"))
    found = read_results(tmp_path / "detections_C.json", truth)
    same_tables(found, ORDINARY[1](folder / "detections_C.json.gz", truth))
    crowdpose = gzip.decompress(
        (real / "other" / "crowdpose" / "crowdpose_val.json.gz").read_bytes()
    )
    (tmp_path / "crowdpose.json").write_bytes(crowdpose)
    same_tables(read_coco(tmp_path / "crowdpose.json"), ORDINARY[0](tmp_path / "crowdpose.json"))


def spoiled(text):
    """Ways to break a file, each of which must fail, or read, as the ordinary reader has it."""
    rng = random.Random(1)
    out = [text[: int(len(text) * share)] for share in (0, 0.3, 0.9, 0.999)]
    out += [text.replace('"keypoints"', '"keypoint"', 1), text.replace('"image_id"', '"id"', 1)]
    out += [text.replace("0.", "NaN.", 1), text.replace(".0", "e400", 1)]
    out += [text.replace('"image_id": ', '"image_id": 1, "image_id": ', 1)]
    out += [text.replace('"image_id": ', '"image_id": 12345', 1), "\ufeff" + text, text + "]"]
    out += [text.replace("[", "[[", 1), text.replace('"category_id": 1', '"category_id": 2', 1)]
    out += [text.replace('"score": ', '"score": "', 1), text.replace("}", "", 1)]
    for _ in range(60):
        at = rng.randrange(len(text))
        out.append(text[:at] + rng.choice('{}[]",:0-e.x\\ ') + text[at + 1 :])
        out.append(text[:at] + text[at + rng.randrange(1, 4) :])
    return out


@pytest.mark.parametrize("which", [0, 1])
def test_spoiled_files_are_read_or_refused_as_by_the_ordinary_reader(
    which, crowded_dataset, tmp_path
):
    dataset = crowded_dataset(6, images=3, people=3)
    paths = write(tmp_path, dataset)
    truth = ORDINARY[0](paths[0])
    fast, slow = [
        (read_coco, ORDINARY[0]),
        (lambda path: read_results(path, truth), lambda path: ORDINARY[1](path, truth)),
    ][which]
    for text in spoiled(paths[which].read_text()):
        paths[which].write_text(text, encoding="utf-8")
        try:
            expected = slow(paths[which])
        except InputError as error:
            with pytest.raises(InputError) as caught:
                fast(paths[which])
            assert str(caught.value) == str(error)
        else:
            same_tables(fast(paths[which]), expected)
