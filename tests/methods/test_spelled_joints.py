"""Joints keep the names of the labels that a method was trained on, also where one is of the 21."""

from smallpose.cli.predict_outputs import print_joint_order
from smallpose.core.skeleton import SMALLPOSE, resolve_skeleton
from smallpose.methods.checkpoints.read import skeleton_from_json, skeleton_to_json

OWN = resolve_skeleton(["left_cup", "right_cup", "neck"])


def test_checkpoints_and_onnx_files_remember_how_labels_spell_joints():
    assert OWN.joints[2] == "head_bottom"  # by which joints of two files are matched
    record = skeleton_to_json(OWN)
    assert skeleton_from_json(record).spelled_joints == ("left_cup", "right_cup", "neck")
    assert skeleton_from_json(record) == OWN
    assert "file_joints" not in skeleton_to_json(SMALLPOSE)


def test_predict_names_joints_as_the_labels_do(capsys):
    print_joint_order(OWN, is_named=True)
    assert "left_cup, right_cup, neck\n" in capsys.readouterr().err
