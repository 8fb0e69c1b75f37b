"""A source of one's own joins the five: by a map of joints, or by a function."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.density import keypoint_density
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_annotations_fast import read_coco_fast
from smallpose.sources.custom import parse_custom_sources, read_joint_map, read_mapped_coco
from smallpose.stats.counts import count_by_source

DOC = Path(__file__).resolve().parents[2] / "docs" / "custom-source.md"
THEIRS = ("hat", "throat", "l_hand", "r_hand", "tail", "nose")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", DOC.read_text(), flags=re.S)


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    cv2.imwrite(str(path), noise)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder as the documentation has it: a skeleton of somebody else's, a tail among it."""
    rng = np.random.default_rng(0)
    skeleton = Skeleton("shop", THEIRS, custom_sigmas=(0.05,) * 6)
    for number, split in enumerate(("train", "val")):
        names = [f"{split}_{i}.png" for i in range(6)]
        for i, name in enumerate(names):
            picture(tmp_path / "shop" / "images" / name, 10 * number + i)
        keypoints = rng.uniform(5, 80, (12, 6, 3)).round(1)
        keypoints[:, :, 2] = rng.integers(0, 3, (12, 6))
        keypoints[:, 5, 2] = 2
        keypoints[keypoints[:, :, 2] == 0] = 0
        images = make_images(range(1, 7), names, [120] * 6, [90] * 6)
        boxes = np.tile([2.0, 3.0, 50.0, 60.0], (12, 1))
        people = make_instances(skeleton, images, np.repeat(np.arange(6), 2), boxes, keypoints)
        write_coco(people, tmp_path / "shop" / f"{split}.json")
    (tmp_path / "map.json").write_text(blocks("json")[0])
    return tmp_path


def run(words: str) -> int:
    assert words.startswith("smallpose ")
    return main(words.split()[1:])


def both(folder: Path):
    return [read_coco(folder / "annotations" / f"{s}.json") for s in ("train", "test")]


def test_the_documented_folder_and_map_build_a_set(shop, monkeypatch):
    monkeypatch.chdir(shop)
    assert run(blocks("sh")[0]) == 0
    renamed = json.loads(blocks("json")[0])
    for split, part in zip(("train", "val"), both(shop / "set"), strict=True):
        theirs = read_coco(shop / "shop" / f"{split}.json")
        assert part.images.file_names == tuple(f"shop/{n}" for n in theirs.images.file_names)
        for number, joint in enumerate(THEIRS):
            ours = renamed.get(joint, joint)
            if ours in part.skeleton.joints:
                got = part.keypoints[:, part.skeleton.joints.index(ours)]
                assert np.array_equal(got, theirs.keypoints[:, number])
        assert part.num_labelled.sum() == np.count_nonzero(theirs.keypoints[:, [0, 1, 2, 3, 5], 2])
        assert {SOURCES[s] for s in part.source} == {"own6"}
    manifest = json.loads((shop / "set" / "manifest.json").read_text())
    assert manifest["sources"]["shop"]["images"] == 12
    assert manifest["sources"]["shop"]["people"] == 24
    assert "joints left out: tail" in (shop / "set" / "README.md").read_text()
    assert main(["check", str(shop / "set")]) == 0


def test_the_density_of_an_own_source_counts_all_joints_it_was_labelled_with(shop):
    source = read_mapped_coco("shop", shop / "shop", read_joint_map(shop / "map.json"))
    assert set(source.people.num_source_joints.tolist()) == {6}
    write_coco(source.people, shop / "out.json")
    back = read_coco(shop / "out.json")
    scanned = read_coco_fast(shop / "out.json", (shop / "out.json").read_bytes())
    for people in (back, back if scanned is None else scanned):
        assert set(people.num_source_joints.tolist()) == {6}
        density = keypoint_density(people.area, people.num_labelled, people.num_source_joints)
        six = keypoint_density(people.area, people.num_labelled, np.full(len(people), 6))
        assert np.array_equal(density, six)


def test_the_documented_function_builds_a_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    lines = []
    for number in range(30):
        name = f"{number:02d}.png"
        picture(tmp_path / "images" / name, number)
        joints = ",".join(f"{x:.1f},{y:.1f},2" for x, y in rng.uniform(5, 80, (3, 2)))
        lines.append(f"{name},video {number // 3},5,6,40,50,{joints}")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    (tmp_path / "booth.py").write_text(blocks("python")[0])
    assert run(blocks("sh")[1]) == 0
    train, test = both(tmp_path / "set")
    assert len(train) == 24 and len(test) == 6
    assert not set(train.images.groups) & set(test.images.groups)
    number = train.skeleton.joints.index("left_wrist")
    first = [float(v) for v in lines[int(train.images.file_names[0][-6:-4])].split(",")[2:]]
    assert train.keypoints[0, number].tolist() == first[7:10]
    assert {SOURCES[s] for s in train.source} == {"own3"}
    assert list(count_by_source(train)) == ["own3"]
    assert count_by_source(train)["own3"].people == 24


def test_an_image_name_that_leads_out_is_refused(shop):
    path = shop / "shop" / "train.json"
    path.write_text(path.read_text().replace("train_0.png", "../../x.png"))
    with pytest.raises(RefusedError):
        read_mapped_coco("shop", shop / "shop", read_joint_map(shop / "map.json"))


def test_linked_images_of_a_folder_need_no_root_which_only_a_function_sets(shop, tmp_path):
    folder = shop / "shop"
    (folder / "images").rename(shop / "elsewhere")
    (folder / "images").symlink_to(shop / "elsewhere")
    with pytest.raises(RefusedError) as error:
        read_mapped_coco("shop", folder, read_joint_map(shop / "map.json"))
    assert f"; add --link-root {shop / 'elsewhere'}" in str(error.value)
    (tmp_path / "mine.py").write_text(
        "from smallpose.core.instances import make_images, make_instances\n"
        "from smallpose.core.skeleton import COCO17\n"
        "from smallpose.sources import ImageFile, Source\n"
        "def read_mine(folder):\n"
        "    people = make_instances(COCO17, make_images([1], ['mine/1.png']), [0],"
        " [[0, 0, 9, 9]], [[[1, 2, 2]] * 17])\n"
        "    file = folder / 'shop' / 'images' / 'train_0.png'\n"
        "    return Source('mine', folder / 'shop', people, (ImageFile(file),), ('',))\n"
    )
    root, reader = parse_custom_sources([f"{tmp_path}/mine.py:read_mine"])["mine"]
    with pytest.raises(RefusedError, match="set root to a folder above it, or add --link-root"):
        reader(root)


@pytest.mark.parametrize(
    ("sources", "maps", "said"),
    [
        (["coco=x"], [], "is reserved"),
        (["My Set=x"], [], "has other characters"),
        (["shop"], [], "not understood"),
        (["gone/shop"], [], "no such folder; write lsp=DIR"),
        (["a=x", "a=y"], [], "used twice"),
        (["nowhere.py:read"], [], "no file"),
        (["shop=x"], ["other=map.json"], "no such source"),
    ],
)
def test_a_wrong_option_value_is_named(sources, maps, said):
    with pytest.raises(InputError, match=said):
        parse_custom_sources(sources, maps)


def test_a_map_or_categories_that_nothing_reads_are_refused(tmp_path):
    """They were passed over: the joints were left out of the set that was built."""
    (tmp_path / "x.py").write_text("def read_x(folder): ...")
    function, folder = f"{tmp_path / 'x.py'}:read_x", "shop=y"
    for sources, maps in (
        ([function], ["m.json"]),
        ([function, folder], ["x=m.json"]),
        ([], ["m"]),
    ):
        with pytest.raises(InputError, match=r"--map.*: is for folders of labelling tools"):
            parse_custom_sources(sources, maps)
    with pytest.raises(InputError, match="--category: is for folders"):
        parse_custom_sources([function], category=["person"])
    (tmp_path / "m.json").write_text("{}")
    assert set(parse_custom_sources([function, folder], [str(tmp_path / "m.json")])) == {
        "x",
        "shop",
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def read_x(folder): return 3", "returned int"),
        ("raise ValueError('oh')", "fails with ValueError: oh"),
        ("y = 1", "no function read_x"),
    ],
)
def test_a_function_at_fault_is_named(tmp_path, code, said):
    (tmp_path / "x.py").write_text(code)
    with pytest.raises(InputError, match=said):
        for root, reader in parse_custom_sources([f"{tmp_path / 'x.py'}:read_x"]).values():
            reader(root)


def test_maps_must_name_existing_joints(shop, tmp_path):
    for text, said in (
        ('{"hat": "cap"}', "none of the 21"),
        ('{"hat": "nose", "throat": "nose"}', "two joints are mapped to nose"),
    ):
        (tmp_path / "m.json").write_text(text)
        with pytest.raises(InputError, match=said):
            read_joint_map(tmp_path / "m.json")
    with pytest.raises(InputError, match="has no joint 'wing'"):
        read_mapped_coco("shop", shop / "shop", {"wing": "left_wrist"})


def test_an_image_that_is_listed_in_two_files_is_refused(shop):
    """As where train, val and trainval lie side by side."""
    both = [json.loads((shop / "shop" / f"{s}.json").read_text()) for s in ("train", "val")]
    for part in both[1:]:
        for key in ("images", "annotations"):
            for record in part[key]:
                record["id"] += 100
                record["image_id"] = record.get("image_id", 0) + 100
                both[0][key].append(record)
    (shop / "shop" / "trainval.json").write_text(json.dumps(both[0]))
    with pytest.raises(
        InputError, match=r"12 of 24 images are listed more than once, such as shop/tra"
    ):
        read_mapped_coco("shop", shop / "shop", read_joint_map(shop / "map.json"))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("person_keypoints_val2017", "test"),
        ("my-test-part", "test"),
        ("constraint", ""),
        ("evaluation", ""),
        ("trainval", ""),
        ("all", ""),
    ],
)
def test_the_split_is_a_word_of_the_name(shop, name, split):
    (shop / "shop" / "val.json").unlink()
    (shop / "shop" / "train.json").rename(shop / "shop" / f"{name}.json")
    source = read_mapped_coco("shop", shop / "shop", read_joint_map(shop / "map.json"))
    assert set(source.splits) == {split}


def write_named(folder: Path, names: tuple[str, ...]) -> Path:
    """Write a COCO file whose category has these names; x of each joint is its number from 1."""
    keypoints = [value for number in range(1, len(names) + 1) for value in (number, 7, 2)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 60, 60], "area": 3600}
    person |= {"iscrowd": 0, "keypoints": keypoints, "num_keypoints": len(names)}
    category = {"id": 1, "name": "person", "keypoints": list(names), "skeleton": []}
    images = [{"id": 1, "file_name": "a.png", "width": 120, "height": 90}]
    picture(folder / "images" / "a.png", 0)
    file = {"images": images, "annotations": [person], "categories": [category]}
    (folder / "train.json").write_text(json.dumps(file))
    return folder


HALPE = ("Nose", "LEye", "LShoulder", "RShoulder", "Head", "Neck", "Hip")


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_the_map_sees_the_names_of_the_file_in_any_spelling(tmp_path, spell):
    joint_map = {spell("Neck"): "chest", spell("Hip"): "pelvis"}
    people = read_mapped_coco("shop", write_named(tmp_path, HALPE), joint_map).people
    x = dict(zip(people.skeleton.joints, people.keypoints[0, :, 0].tolist(), strict=True))
    assert x == {
        "nose": 1,
        "left_eye": 2,
        "left_shoulder": 3,
        "right_shoulder": 4,
        "head_top": 5,
        "chest": 6,
        "pelvis": 7,
    }
    (note,) = people.notes  # of the map's joints there is nothing to say
    assert note.startswith(
        f"train.json: joints with other names: {HALPE[4]} as head_top (for a folder, --map "
    )


def test_a_joint_that_the_map_gives_away_is_no_other_joints(tmp_path):
    folder = write_named(tmp_path, ("Nose", "thorax", "Neck"))
    people = read_mapped_coco("shop", folder, {"Neck": "chest"}).people
    assert people.skeleton.joints == ("nose", "chest")
    assert people.keypoints[0, :, 0].tolist() == [1, 3]
    assert people.notes == ("train.json: joints left out: thorax",)


def test_names_with_spaces_are_recognized_and_one_line_names_those_left_out(tmp_path):
    names = ("head", "right eye", "left eye", "center shoulder", "Left Knee", "right foot")
    people = read_mapped_coco("shop", write_named(tmp_path, names), {}).people
    assert people.skeleton.joints == ("head_top", "right_eye", "left_eye", "left_knee")
    assert people.notes == (
        "train.json: joints left out: center shoulder, right foot",
        "train.json: joints with other names: head as head_top (for a folder, --map FILE.json says "
        "otherwise)",
    )
    assert set(people.num_source_joints.tolist()) == {6}


def test_a_function_may_spell_joints_as_folders_may(tmp_path):
    """19 joints such as RAnkle lost 16, which the same labels in a folder kept."""
    (tmp_path / "gym.py").write_text(
        "from pathlib import Path\n"
        "from smallpose import Skeleton, make_images, make_instances\n"
        "from smallpose.sources import ImageFile, Source\n"
        "def read_gym(folder):\n"
        "    skeleton = Skeleton('gym', ('RAnkle', 'left hip', 'tummy', 'head'))\n"
        "    images = make_images([1], ['gym/a.jpg'])\n"
        "    points = [[[1, 2, 2], [3, 4, 2], [5, 6, 1], [7, 8, 2]]]\n"
        "    people = make_instances(skeleton, images, [0], [[0, 0, 9, 9]], points)\n"
        "    return Source('gym', Path(folder), people, (ImageFile(folder / 'a.jpg'),), ('',))\n"
    )
    root, reader = parse_custom_sources([f"{tmp_path}/gym.py:read_gym"])["gym"]
    people = reader(root).people
    assert people.skeleton.joints == ("right_ankle", "left_hip", "head_top")
    assert people.keypoints[0, :, 0].tolist() == [1, 3, 7]
    assert people.num_source_joints.tolist() == [4]
    assert people.notes[0] == "joints left out: tummy"
    assert people.notes[1].startswith("joints with other names: head as head_top")


def test_joints_outside_the_21_are_left_out_and_named_and_count_for_k(tmp_path):
    (tmp_path / "booth.py").write_text(
        "from pathlib import Path\n"
        "from smallpose import Skeleton, make_images, make_instances\n"
        "from smallpose.sources import ImageFile, Source\n"
        "def read_booth(folder):\n"
        "    skeleton = Skeleton('booth', ('nose', 'left_thumb', 'left_wrist'))\n"
        "    images = make_images([1], ['booth/a.jpg'])\n"
        "    points = [[[1, 2, 2], [3, 4, 2], [5, 6, 1]], [[0, 0, 0], [3, 4, 2], [0, 0, 0]]]\n"
        "    people = make_instances(skeleton, images, [0, 0], [[0, 0, 9, 9]] * 2, points)\n"
        "    return Source('booth', Path(folder), people, (ImageFile(folder / 'a.jpg'),), ('',))\n"
    )
    sources = parse_custom_sources([f"{tmp_path}/booth.py:read_booth"])
    root, reader = sources["booth"]
    people = reader(root).people
    assert people.skeleton.joints == ("nose", "left_wrist")
    assert people.keypoints[0].tolist() == [[1, 2, 2], [5, 6, 1]]
    assert people.num_keypoints.tolist() == [2, 0]
    assert people.num_source_joints.tolist() == [3, 3]
    assert people.notes[0] == "joints left out: left_thumb"
    assert people.notes[1].startswith("1 person has none of the kept joints")
