import pytest

from smallpose.core.errors import InputError
from smallpose.io.skeleton_json import read_skeleton


def test_a_skeleton_is_read_from_our_form_a_category_or_a_coco_file(tmp_path):
    joints = '["nose", "left_fin", "right_fin"]'
    coco = f'{{"keypoints": {joints}, "skeleton": [[1, 2], [1, 3]], "sigmas": [0.1, 0.2, 0.2]}}'
    for text in (
        f'{{"joints": {joints}, "edges": [[0, 1], [0, 2]], "sigmas": [0.1, 0.2, 0.2]}}',
        coco,
        f'{{"images": [], "annotations": [], "categories": [{coco}]}}',
    ):
        (tmp_path / "fish.json").write_text(text)
        fish = read_skeleton(tmp_path / "fish.json")
        assert fish.joints == ("nose", "left_fin", "right_fin")
        assert fish.edges == ((0, 1), (0, 2))
        assert fish.sigmas.tolist() == [0.1, 0.2, 0.2]
        assert fish.flip_indices.tolist() == [0, 2, 1]


def test_known_joints_have_their_sigmas(tmp_path):
    (tmp_path / "known.json").write_text('{"joints": ["nose", "left_ear", "right_ear"]}')
    assert read_skeleton(tmp_path / "known.json").sigmas.tolist() == [0.026, 0.035, 0.035]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "names no joints"),
        ('{"joints": ["nose", "nose"]}', "names the joint 'nose' twice"),
        ('{"joints": ["nose", "Nose"]}', "names the joint 'nose' twice, also as 'Nose'"),
        ('{"joints": ["nose", "fin"]}', "no OKS sigma is known for joint 'fin'"),
        ('{"joints": ["nose", "fin"], "sigmas": [0.1]}', "1 sigma for 2 joints"),
        ('{"joints": ["nose", "left_ear"], "edges": [[0, 2]]}', "joins no two of 2 joints"),
        ('{"joints": ["nose", "left_ear"], "swap": [["nose", "ear"]]}', "names no two of 2 joints"),
        ('{"joints": ["nose", "left_ear"], "swap": [[0, 2]]}', "names no two of 2 joints"),
        ('{"joints": ["nose", "left_ear"], "swap": [[0, 0]]}', "names no two of 2 joints"),
        (
            '{"joints": ["nose", "left_ear", "chest"], "swap": [[0, 1], ["nose", "chest"]]}',
            "joint 'nose' is in two pairs",
        ),
    ],
)
def test_wrong_skeleton_files_are_refused(text, message, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_skeleton(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"joints": ["1", "2", "3"], "swap": [["1", "3"]]', [2, 1, 0]),
        ('"joints": ["1", "2", "3"], "swap": [[0, 1]]', [1, 0, 2]),
        ('"keypoints": ["1", "2", "3"], "swap": [[1, 2]]', [1, 0, 2]),
        ('"keypoints": ["left_1", "right_1", "3"], "swap": []', [0, 1, 2]),
    ],
)
def test_pairs_of_left_and_right_can_be_given(tmp_path, text, expected):
    (tmp_path / "own.json").write_text("{" + text + ', "sigmas": [0.1, 0.1, 0.1]}')
    skeleton = read_skeleton(tmp_path / "own.json")
    assert skeleton.flip_indices.tolist() == expected
    assert skeleton.flip_problem is None
