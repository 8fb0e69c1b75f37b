import pickle

from smallpose.core.errors import InputError


def test_an_error_is_one_line_even_for_a_name_with_line_breaks():
    error = InputError("a\nb.json", "what\tis\n wrong", "correct it")
    assert str(error) == "a b.json: what is wrong; correct it"


def test_an_error_survives_pickling():
    error = InputError("a.json", "what is wrong", "correct it")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.exit_code) == (InputError, str(error), 2)
