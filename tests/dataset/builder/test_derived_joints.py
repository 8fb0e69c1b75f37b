"""`build --derive`: derived joints are marked, and no reader takes them for labels unasked."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import (
    SOURCE_SKELETONS,
    SOURCES,
    Instances,
    make_images,
    make_instances,
)
from smallpose.core.skeleton import SKELETONS, SMALLPOSE
from smallpose.dataset.builder import build as build_module
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.builder.derived_joints import derive_joints
from smallpose.dataset.export import export_set
from smallpose.io import coco_annotations, json_text
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.sources.source import ImageFile, Source
from smallpose.stats.counts import count_people
from smallpose.training.settings import read_setting_data

J = {name: index for index, name in enumerate(SMALLPOSE.joints)}
CHEST, PELVIS = J["chest"], J["pelvis"]


def make_source(name: str, root: Path, images: int, seed: int) -> Source:
    """Make a source of people with some of their joints labelled, without image files."""
    skeleton = SKELETONS[SOURCE_SKELETONS[SOURCES.index(name)]]
    rng = np.random.default_rng(seed)
    n = 3 * images
    keypoints = rng.uniform(5, 90, (n, len(skeleton), 3)).round(1)
    keypoints[:, :, 2] = rng.choice([0, 1, 2], keypoints.shape[:2], p=[0.1, 0.2, 0.7])
    keypoints[keypoints[:, :, 2] == 0] = 0
    keypoints[3] = 0
    code = SOURCES.index(name)
    names = [f"{name}/{i}.jpg" for i in range(images)]
    table = make_images(range(images), names, [200] * images, [200] * images, code, names)
    boxes = np.concatenate([rng.uniform(0, 20, (n, 2)), rng.uniform(60, 90, (n, 2))], axis=1)
    people = make_instances(
        skeleton, table, np.repeat(np.arange(images), 3), boxes, keypoints, source=code
    )
    image_files = tuple(ImageFile(root / n) for n in names)
    return Source(name, root, people, image_files, ("train", "test") * (images // 2))


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    """The same people, built without and with derived joints."""
    folder = tmp_path_factory.mktemp("derive")
    made = {"coco": make_source("coco", folder, 20, 1), "mpii": make_source("mpii", folder, 12, 2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "READERS", {n: (lambda _, n=n: made[n]) for n in made})
        for name, joints in (("plain", ()), ("derived", ("chest", "pelvis"))):
            options = BuildOptions(derive=joints, images="none", missing_images="keep")
            build_dataset(dict.fromkeys(made, folder), folder / name, options)
    return {n: folder / n for n in ("plain", "derived")}


def make_people(n: int) -> Instances:
    """People whose 21 joints are all labelled."""
    keypoints = np.random.default_rng(0).uniform(5, 90, (n, 21, 3)).round(1)
    keypoints[:, :, 2] = 2
    images = make_images(range(1, n + 1), [f"{i}.jpg" for i in range(n)], [200] * n, [200] * n)
    boxes = np.tile([5.0, 5.0, 85.0, 85.0], (n, 1))
    return make_instances(SMALLPOSE, images, range(n), boxes, keypoints, ids=range(1, n + 1))


def test_a_midpoint_is_derived_only_where_it_is_unlabelled_and_both_ends_are_labelled():
    people = make_people(4)
    people.keypoints[:, CHEST] = 0
    people.keypoints[1, J["left_shoulder"]] = 0
    people.keypoints[2, CHEST] = (7, 8, 2)
    with_chest, is_derived = derive_joints(people, ("chest",))
    assert is_derived[:, CHEST].tolist() == [True, False, False, True]
    assert is_derived.sum() == 2
    ends = people.keypoints[0, [J["left_shoulder"], J["right_shoulder"]], :2]
    assert with_chest.keypoints[0, CHEST].tolist() == [*ends.mean(axis=0), 1]
    assert with_chest.keypoints[2, CHEST].tolist() == [7, 8, 2]
    assert people.keypoints[0, CHEST, 2] == 0


def test_derived_joints_are_not_counted_and_a_reader_removes_them(tmp_path):
    people = make_people(50)
    people.keypoints[:, [CHEST, PELVIS]] = 0
    people = replace(people, num_keypoints=people.num_labelled)
    with_derived, is_derived = derive_joints(people, ("chest", "pelvis"))
    assert is_derived.sum() == 100
    assert np.array_equal(with_derived.num_keypoints, people.num_keypoints)
    write_coco(with_derived, tmp_path / "a.json", is_derived)
    assert np.array_equal(read_coco(tmp_path / "a.json").keypoints, people.keypoints)
    assert np.array_equal(read_coco(tmp_path / "a.json").num_labelled, people.num_labelled)
    on_request = read_coco(tmp_path / "a.json", derived=True)
    assert np.array_equal(on_request.keypoints, with_derived.keypoints)


def test_lists_of_derived_joints_count_from_1_and_are_read_as_the_same_mask(tmp_path):
    people = make_people(40)
    is_derived = np.random.default_rng(0).random((40, 21)) < 0.1
    is_derived[:2] = np.eye(21, dtype=bool)[[CHEST, PELVIS]]
    path = tmp_path / "a.json"
    write_coco(people, path, is_derived)
    data = json.loads(path.read_text())
    assert [a["derived"] for a in data["annotations"][:2]] == [[CHEST + 1], [PELVIS + 1]]
    assert np.array_equal(read_coco(path).keypoints[:, :, 2] == 0, is_derived)
    data["annotations"][0]["derived"] = [0]
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="count joints from 1"):
        read_coco(path)


def test_a_nose_cannot_be_derived():
    with pytest.raises(InputError, match="chest, pelvis"):
        derive_joints(make_people(2), ("nose",))


def test_only_derived_keypoints_differ_from_a_build_without_derive(sets):
    """Read as JSON, the two files differ only in the listed joints."""
    for split in ("train", "test"):
        plain, derived = (
            json.loads((sets[n] / "annotations" / f"{split}.json").read_text())
            for n in ("plain", "derived")
        )
        assert plain["images"] == derived["images"]
        num_derived = 0
        for one, other in zip(plain["annotations"], derived["annotations"], strict=True):
            for number in other.pop("derived", []):
                first = 3 * (number - 1)
                assert one["keypoints"][first : first + 3] == [0, 0, 0]
                ends = {"chest": "shoulder", "pelvis": "hip"}[SMALLPOSE.joints[number - 1]]
                left, right = (3 * SMALLPOSE.joints.index(f"{s}_{ends}") for s in ("left", "right"))
                for axis in (0, 1):
                    middle = (one["keypoints"][left + axis] + one["keypoints"][right + axis]) / 2
                    assert other["keypoints"][first + axis] == middle
                assert other["keypoints"][first + 2] == 1
                other["keypoints"][first : first + 3] = [0, 0, 0]
                num_derived += 1
            assert one == other
        assert num_derived > 20


def test_counts_densities_and_metrics_exclude_derived_joints(sets):
    for split in ("train", "test"):
        plain, derived = (
            read_coco(sets[n] / "annotations" / f"{split}.json") for n in ("plain", "derived")
        )
        assert count_people(plain) == count_people(derived)
        assert np.array_equal(plain.keypoints, derived.keypoints)
        assert np.array_equal(plain.density_class, derived.density_class)
        crowds = smallpose.crowd_index(plain), smallpose.crowd_index(derived)
        assert np.array_equal(*crowds, equal_nan=True)
    cards = [(sets[n] / "README.md").read_text().split("## Sources")[0] for n in sets]
    assert cards[0] == cards[1]


def test_predictions_without_derived_joints_score_an_ap_of_1(sets, tmp_path):
    truth = sets["derived"] / "annotations" / "test.json"
    people = read_coco(truth)
    predictions = [
        {"image_id": int(i), "category_id": 1, "keypoints": k.ravel().tolist(), "score": 1.0}
        for i, k in zip(people.images.ids[people.image_rows], people.keypoints, strict=True)
        if k[:, 2].any()
    ]
    (tmp_path / "predictions.json").write_text(json.dumps(predictions))
    main(
        [
            "evaluate",
            str(truth),
            str(tmp_path / "predictions.json"),
            "--json",
            str(tmp_path / "out"),
        ]
    )
    assert json.loads((tmp_path / "out").read_text())["protocols"]["recall"]["AP"] == 1.0


@pytest.mark.skipif(json_text.EXTENSION is None, reason="the compiled part was not built")
def test_the_fast_and_the_slow_reader_remove_the_same_derived_joints(sets, monkeypatch):
    path = sets["derived"] / "annotations" / "train.json"
    plain = read_coco_slow(path)

    def never(*_: object) -> Instances:
        raise AssertionError("the fast reader did not read it")

    monkeypatch.setattr(coco_annotations, "read_coco_slow", never)
    fast = read_coco(path)
    assert np.array_equal(fast.keypoints, plain.keypoints)
    assert np.array_equal(fast.num_keypoints, plain.num_keypoints)


def test_derived_joints_are_trained_on_only_on_request_and_never_tested_on(sets):
    with_derived, without = (
        read_setting_data(sets["derived"], "B", derived=d) for d in (True, False)
    )
    for joint in (CHEST, PELVIS):
        more, fewer = (t.train.keypoints[:, joint, 2] > 0 for t in (with_derived, without))
        assert more.sum() > fewer.sum() + 20
        assert not (fewer & ~more).any()
    assert np.array_equal(with_derived.test.keypoints, without.test.keypoints)
    assert np.array_equal(with_derived.train.num_keypoints, without.train.num_keypoints)


def test_check_reports_no_finding_about_derived_joints(sets, capsys):
    before, after = [], []
    for name, lines in (("plain", before), ("derived", after)):
        main(["check", str(sets[name] / "annotations" / "train.json")])
        lines += capsys.readouterr().out.splitlines()[1:]
    assert before == after


def test_the_manifest_and_the_card_count_derived_joints(sets):
    manifest = json.loads((sets["derived"] / "manifest.json").read_text())
    num_derived = {"chest": 0, "pelvis": 0}
    for split in ("train", "test"):
        data = json.loads((sets["derived"] / "annotations" / f"{split}.json").read_text())
        for record in data["annotations"]:
            for number in record.get("derived", []):
                num_derived[SMALLPOSE.joints[number - 1]] += 1
    assert manifest["derived"] == num_derived
    card = (sets["derived"] / "README.md").read_text()
    assert f"{num_derived['chest']:,} chest and {num_derived['pelvis']:,} pelvis keypoints" in card
    assert "none were derived" in (sets["plain"] / "README.md").read_text()


def test_a_derived_joint_out_of_range_is_named(sets, tmp_path):
    people = read_coco(sets["plain"] / "annotations" / "test.json")
    write_coco(people, tmp_path / "a.json", np.eye(len(people), 21, dtype=bool))
    text = (tmp_path / "a.json").read_text()
    assert '"derived":[1]' in text
    (tmp_path / "a.json").write_text(text.replace('"derived":[1]', '"derived":[22]'))
    for read in (read_coco, read_coco_slow):
        with pytest.raises(InputError, match="derived joint 22 of 21"):
            read(tmp_path / "a.json")


def test_an_unknown_joint_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match="--derive elbow"):
        build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions(derive=("elbow",)))


@pytest.mark.parametrize("to", ["mmpose", "fiftyone"])
def test_exports_to_other_tools_exclude_derived_joints(sets, tmp_path, to):
    out = tmp_path / to
    result = export_set(sets["derived"], to, out, "none")
    assert any("derived joints (chest, pelvis)" in line for line in result.losses)
    for split in ("train", "test"):
        name = f"annotations/{split}.json" if to == "mmpose" else f"{split}/labels.json"
        # All other fields are equal, so the files are equal without the derived joints.
        plain = sets["plain"] / "annotations" / f"{split}.json"
        assert (out / name).read_bytes() == plain.read_bytes()
    if to == "mmpose":
        config = (out / "smallpose_data.py").read_text().replace("{{ fileDirname }}", str(out))
        data: dict = {}
        exec(config, data)
        for loader, split in (("train_dataloader", "train"), ("val_dataloader", "test")):
            dataset = data[loader]["dataset"]
            file = Path(dataset["data_root"]) / dataset["ann_file"]
            assert file == out / "annotations" / f"{split}.json"
        assert data["val_evaluator"]["ann_file"] == str(out / "annotations" / "test.json")
