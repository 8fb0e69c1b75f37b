"""Identities of people in videos, from the files of HiEve and PoseTrack to a built set."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.concat_instances import concat_instances
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export.export_result import copy_labels
from smallpose.sources.hieve import read_hieve
from smallpose.sources.posetrack import read_posetrack


@pytest.fixture(scope="module")
def synthetic(tiny_synthetic):
    return tiny_synthetic


@pytest.fixture(scope="module")
def built(synthetic, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "set"
    words = ["--coco", "--hieve", "--posetrack"]
    paths = [str(synthetic / word[2:]) for word in words]
    flags = [one for pair in zip(words, paths, strict=True) for one in pair]
    assert main(["build", str(out), *flags, "--images", "none", "--select", "all"]) == 0
    files = [json.loads(p.read_text()) for p in sorted((out / "annotations").glob("*.json"))]
    return [person for file in files for person in file["annotations"]]


def list_posetrack(folder):
    files = [json.loads(p.read_text()) for p in sorted(folder.rglob("annotations/*/*.json"))]
    return [person for file in files for person in file["annotations"]]


def test_a_built_set_keeps_the_identities_of_both_sources_of_videos(built, synthetic):
    by_source = {}
    for person in built:
        if not person["iscrowd"]:
            by_source.setdefault(person["source"], []).append(person.get("track_id"))
    assert set(by_source["coco"]) == {None}
    assert None not in by_source["hieve"] + by_source["posetrack"]
    published = sorted(a["track_id"] for a in list_posetrack(synthetic / "posetrack"))
    assert sorted(by_source["posetrack"]) == published


def test_both_label_formats_of_hieve_have_the_same_identities(tmp_path):
    frame = {"image": [{"name": "000000.jpg"}], "ignore_regions": [], "annorect": []}
    objects = []
    for track in (4, 11):
        corners = {"x1": [10 * track], "y1": [10], "x2": [10 * track + 50], "y2": [90]}
        point = {"id": [0], "x": [10 * track + 5], "y": [20], "score": [1]}
        points = [{"point": [point]}]
        frame["annorect"].append(corners | {"track_id": [track], "annopoints": points})
        box = f"<xmin>{10 * track}</xmin><ymin>10</ymin><xmax>{10 * track + 50}</xmax>"
        box += f"<ymax>90</ymax><Nose>{10 * track + 5},20,0</Nose>"
        objects.append(f"<object><name>P-{track}</name><bndbox>{box}</bndbox></object>")
    labels = tmp_path / "HIE20" / "labels" / "train"
    (labels / "track2&3").mkdir(parents=True)
    (labels / "track2&3" / "1.json").write_text(json.dumps({"annolist": [frame]}))
    (labels / "all-track" / "2").mkdir(parents=True)
    text = "<annotation><filename>0.jpg</filename>" + "".join(objects) + "</annotation>"
    (labels / "all-track" / "2" / "000000.xml").write_text(text)
    assert read_hieve(tmp_path).people.track_ids.tolist() == [4, 11, 4, 11]


def test_real_posetrack_files_keep_identities_and_boxes_of_heads(real):
    people = read_posetrack(real / "posetrack" / "posetrack18").people
    published = list_posetrack(real / "posetrack" / "posetrack18")
    is_person = ~people.iscrowd
    heads = people.heads_xywh[is_person].tolist()
    assert sorted(heads) == sorted([list(map(float, a["bbox_head"])) for a in published])
    assert sorted(people.track_ids[is_person]) == sorted(a["track_id"] for a in published)
    assert (people.track_ids[~is_person] == -1).all()


def test_an_export_of_a_set_with_derived_joints_keeps_identities(synthetic, tmp_path):
    out = tmp_path / "set"
    words = ["build", out, "--posetrack", synthetic / "posetrack", "--images", "none"]
    assert main([*map(str, words), "--select", "all", "--derive", "chest"]) == 0
    copy_labels(open_set(out), "test", tmp_path / "copy.json")
    original = json.loads((out / "annotations" / "test.json").read_text())["annotations"]
    copied = json.loads((tmp_path / "copy.json").read_text())["annotations"]
    tracks = [person.get("track_id") for person in original]
    assert any(track is not None for track in tracks)
    assert [person.get("track_id") for person in copied] == tracks


def test_tables_without_identities_are_filled_where_they_are_joined(synthetic):
    with_tracks = read_posetrack(synthetic / "posetrack").people
    without = with_tracks.take(np.arange(3))
    bare = type(without)(**{**vars(without), "track_ids": np.zeros(0, dtype=np.int64)})
    joined = concat_instances([bare, with_tracks])
    assert joined.track_ids[:3].tolist() == [-1, -1, -1]
    assert joined.track_ids[3:].tolist() == with_tracks.track_ids.tolist()
    assert joined.take(np.array([3, 0])).track_ids.tolist() == [with_tracks.track_ids[0], -1]
    assert not len(concat_instances([bare, bare]).track_ids)
