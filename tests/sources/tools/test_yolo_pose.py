"""YOLO-pose folders of Ultralytics, Roboflow and CVAT are read in px of the image."""

from pathlib import Path

import pytest
from PIL import Image

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.sources.custom import read_mapped_coco

NAMES = "kpt_shape: [2, 3]\nnames: [person]\nkpt_names:\n  0: [nose, left_wrist]\n"
LINE = "0 0.25 0.5 0.25 0.5 0.3 0.1 2 0.2 0.4 1.000000\n"

# Layout: what data.yaml says of the splits, and the images.
LAYOUTS = {
    "ultralytics": (
        "path: ../datasets/shop\ntrain: images/train\nval: images/val\n",
        ["images/train/a.jpg", "images/val/b.jpg"],
    ),
    "roboflow": (
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n",
        ["train/images/a.jpg", "valid/images/b.jpg", "test/images/c.jpg"],
    ),
    "windows": (
        "train: C:\\shop\\images\\train\nval: images\\val\n",
        ["images/train/a.jpg", "images/val/b.jpg"],
    ),
    "cvat": ("path: ./\ntrain: train.txt\n", ["images/train/a.jpg"]),
    "list": ("train: [images/x, images/y]\n", ["images/x/a.jpg", "images/y/b.jpg"]),
}


def write_labels(root: Path, image: str, text: str) -> None:
    head, _, tail = f"/{image}".rpartition("/images/")
    path = root / head.strip("/") / "labels" / Path(tail).with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def one(tmp_path, save_image):
    """A folder with one image; returns a writer of its labels and its data.yaml."""

    def write(labels: str, data: str = NAMES) -> Path:
        save_image(tmp_path / "images" / "train" / "a.jpg")
        write_labels(tmp_path, "images/train/a.jpg", labels)
        (tmp_path / "data.yaml").write_text("train: images/train\n" + data)
        return tmp_path

    return write


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_read_with_its_splits(tmp_path, save_image, layout):
    paths, images = LAYOUTS[layout]
    (tmp_path / "data.yaml").write_text(paths + NAMES)
    (tmp_path / "train.txt").write_text("".join(f"data/{image}\n" for image in images))
    for image in images:
        save_image(tmp_path / image)
        write_labels(tmp_path, image, LINE)
    source = read_mapped_coco("shop", tmp_path, {})
    assert [file.path for file in source.image_files] == [tmp_path / image for image in images]
    expected = ["train" if "a.jpg" in image or layout == "list" else "test" for image in images]
    assert list(source.splits) == expected
    assert len(source.people) == len(images)
    assert source.people.boxes_xywh[0] == pytest.approx([20, 30, 40, 60])
    assert source.people.keypoints[0].ravel() == pytest.approx([48, 12, 2, 32, 48, 1])


def test_images_without_labels_have_no_people(one, save_image):
    folder = one(LINE)
    save_image(folder / "images" / "train" / "b.jpg")
    people = read_mapped_coco("shop", folder, {}).people
    assert len(people.images) == 2 and len(people) == 1


def test_two_values_per_joint_are_visible_unless_zero(one):
    folder = one("0 .25 .5 .25 .5 .3 .1 0 0\n", NAMES.replace("[2, 3]", "[2, 2]"))
    people = read_mapped_coco("shop", folder, {}).people
    assert people.keypoints[0, :, 2].tolist() == [2, 0]


def test_seventeen_joints_without_names_are_cocos_and_others_are_numbered_for_the_map(one):
    values = " ".join(["0.5 0.5 2"] * 17)
    source = read_mapped_coco("shop", one(f"0 .5 .5 .5 .5 {values}\n", "kpt_shape: [17, 3]\n"), {})
    assert source.people.skeleton.joints == COCO17.joints
    assert "17 joints are taken for COCO's" in source.people.notes[0]
    folder = one("0 .5 .5 .5 .5 .1 .2 2 .3 .4 2\n", "kpt_shape: [2, 3]\n")
    with pytest.raises(InputError, match="give --map"):
        read_mapped_coco("shop", folder, {})
    people = read_mapped_coco("shop", folder, {"1": "nose"}).people
    assert people.skeleton.joints == ("nose",) and people.keypoints[0, 0, 0] == pytest.approx(48)


def test_the_names_of_joints_that_sleap_io_writes_are_read(one):
    data = "kpt_shape: [2, 3]\nnames: {0: animal}\nnode_names: [nose, left_wrist]\n"
    people = read_mapped_coco("shop", one(LINE, data), {}).people
    assert people.skeleton.joints == ("nose", "left_wrist")


def test_lines_of_other_classes_are_left_out_and_counted(one):
    data = NAMES.replace("[person]", "{0: person, 1: dog}")
    people = read_mapped_coco("shop", one(LINE + LINE.replace("0 ", "1 ", 1), data), {}).people
    assert len(people) == 1 and people.notes == ("left out: 1 line of class 1",)


@pytest.mark.parametrize(
    ("labels", "data", "said"),
    [
        ("0 .5 .5\n", NAMES, r"a\.txt, line 1: 3 numbers instead of 11"),
        (LINE + "x" + LINE, NAMES, "line 2: not all values are numbers"),
        (LINE.replace(" 2 ", " 3 "), NAMES, "nose has visibility 3"),
        (LINE.replace("0.3", "nan"), NAMES, "no share of the image"),
        (LINE, NAMES.replace("[2, 3]", "[2, 4]"), "kpt_shape is"),
        (LINE, NAMES.replace("[2, 3]", "[3, 3]"), "2 kpt_names for 3 joints"),
        (LINE, NAMES + "a: [", "broken YAML"),
        (LINE, NAMES + "val: nowhere\n", "nowhere is not below"),
    ],
)
def test_a_broken_label_or_data_file_is_named_in_a_line(one, labels, data, said):
    with pytest.raises(InputError, match=said) as caught:
        read_mapped_coco("shop", one(labels, data), {})
    assert "\n" not in str(caught.value)


def test_an_image_that_cannot_be_read_is_named(one):
    folder = one(LINE)
    (folder / "images" / "train" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.jpg: its size cannot be read"):
        read_mapped_coco("shop", folder, {})


def test_labels_refer_to_the_image_as_it_is_shown(one):
    """As Ultralytics reads images; the builder then offers --exif apply."""
    folder = one(LINE)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (160, 120)).save(folder / "images" / "train" / "a.jpg", exif=exif)
    people = read_mapped_coco("shop", folder, {}).people
    assert (people.images.width.tolist(), people.images.height.tolist()) == ([120], [160])
    assert people.boxes_xywh[0] == pytest.approx([15, 40, 30, 80])


def test_yaml_that_asks_for_code_is_not_run(one, tmp_path):
    folder = one(LINE, NAMES + f'x: !!python/object/apply:os.mkdir ["{tmp_path}/made"]\n')
    with pytest.raises(InputError, match="broken YAML"):
        read_mapped_coco("shop", folder, {})
    assert not (tmp_path / "made").exists()
