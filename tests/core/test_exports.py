import pytest

import smallpose


@pytest.mark.parametrize("name", smallpose.__all__)
def test_every_exported_name_exists(name):
    assert getattr(smallpose, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        smallpose.nonsense  # noqa: B018
