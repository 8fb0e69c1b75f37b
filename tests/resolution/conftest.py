"""Synthetic people in images on disk, for all tests of the package."""

import pytest
from drawn_scenes import Scenes, make_scenes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Scenes:
    return make_scenes(tmp_path_factory.mktemp("scenes"), 30)
