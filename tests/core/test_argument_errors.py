import inspect
import json
import pickle
import re

import numpy as np
import pytest

import smallpose
from smallpose.core.argument_errors import map_options
from smallpose.core.errors import InputError

SAMPLE = {
    "info": {},
    "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose"], "skeleton": []}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "keypoints": [5, 5, 2],
            "num_keypoints": 1,
            "bbox": [1, 1, 20, 20],
            "area": 400,
            "iscrowd": 0,
        }
    ],
}


def take(
    keypoints: str = "", adapt: bool = False, intervals: int = 0, sigmas=None, protocols=()
) -> None:
    pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--keypoints coco 17", 'keypoints="coco 17"'),
        ("--intervals 5", "intervals=5"),
        ("leave it out: --keypoints coco17, or not", 'leave it out: keypoints="coco17", or not'),
        ("leave out --keypoints", "leave out keypoints"),
        ("--keypoints and --intervals are apart", "keypoints and intervals are apart"),
        ("use --adapt", "use adapt=True"),
        ("leave out --adapt", "leave out adapt"),
        ("give those by --sigmas FILE", "give those by sigmas=FILE"),
        ("--protocol coc", 'protocols=("coc",)'),
        ("--protocol", "protocols"),
        # What is no argument here, or is a command, is left as it is.
        ("add --map FILE", "add --map FILE"),
        ("add --keypoints-more x", "add --keypoints-more x"),
        ("smallpose evaluate A B --keypoints coco17", "smallpose evaluate A B --keypoints coco17"),
        ("with predict --adapt --intervals 5", "with predict --adapt --intervals 5"),
    ],
)
def test_options_become_arguments_as_they_are_typed(text, expected):
    assert map_options(inspect.signature(take).parameters.values())(text) == expected


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(SAMPLE))
    return smallpose.read_coco(path)


def test_the_remedy_of_an_error_in_python_can_be_typed_in_python(tmp_path, truth):
    results = tmp_path / "results.json"
    records = [
        {"image_id": image, "category_id": 1, "keypoints": [5, 5, 1], "score": 0.5}
        for image in (1, 2)
    ]
    results.write_text(json.dumps(records))
    with pytest.raises(InputError) as caught:
        smallpose.read_results(results, truth)
    remedy = re.search(r'unknown_images="(\w+)"$', str(caught.value))
    assert "--" not in str(caught.value)
    assert len(smallpose.read_results(results, truth, unknown_images=remedy[1]).scores) == 1


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"protocols": ("coc",)}, 'protocols=("coc",): no such protocol'),
        ({"protocols": ()}, "protocols: no protocol is given"),
        ({"oks_area": "round"}, 'oks_area="round": '),
        ({"size_area": "round"}, 'size_area="round": '),
        ({"max_detections": -1}, "max_detections=-1: "),
        ({"keypoints": "odd"}, 'keypoints="odd": no such choice'),
        ({"sigmas": [-1.0]}, "sigmas: "),
        ({"intervals": 3}, "intervals=3: too few resamples"),
    ],
)
@pytest.mark.parametrize("verb", ["evaluate", "Evaluator"])
def test_errors_in_python_name_the_argument(truth, options, start, verb):
    shape = (1, len(truth.skeleton), 3)
    results = smallpose.make_predictions(truth.skeleton, [1], np.ones(shape), [0.5])
    if verb == "Evaluator" and "intervals" in options:
        pytest.skip("an Evaluator takes intervals at its end")
    with pytest.raises(InputError) as caught:
        if verb == "evaluate":
            smallpose.evaluate(truth, results, **options)
        else:
            smallpose.Evaluator(truth, **options).add(results)
    assert str(caught.value).startswith(start)
    assert "--" not in str(caught.value)


def test_of_two_names_for_an_option_the_function_s_own_is_named(truth):
    shape = (1, len(truth.skeleton), 3)
    results = smallpose.make_predictions(truth.skeleton, [1], np.ones(shape), [0.5])
    with pytest.raises(InputError, match=r'^protocol="coc": no such protocol'):
        smallpose.diagnose(truth, results, protocol="coc")
    with pytest.raises(InputError, match=r"^num_resamples=3: too few resamples"):
        smallpose.split_difference(truth, {"a": results, "b": results}, num_resamples=3)
    with pytest.raises(InputError, match=r'^oks_area="round": '):
        smallpose.compare(truth, {"a": results, "b": results}, oks_area="round")


def test_the_same_error_of_a_command_names_the_option(tmp_path, truth, capsys):
    from smallpose.cli.main import main

    (tmp_path / "found.json").write_text("[]")
    command = ["evaluate", str(tmp_path / "truth.json"), str(tmp_path / "found.json")]
    assert main([*command, "--protocol", "coc"]) == 2
    assert capsys.readouterr().err.startswith("--protocol coc: no such protocol")


def test_functions_with_renamed_errors_can_be_sent_to_other_processes():
    assert pickle.loads(pickle.dumps(smallpose.read_coco)) is smallpose.read_coco
    assert pickle.loads(pickle.dumps(smallpose.Evaluator)) is smallpose.Evaluator
