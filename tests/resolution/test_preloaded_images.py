"""Images that are decoded ahead are those that a plain reader returns."""

from threading import Event

import numpy as np
import pytest
from drawn_scenes import Scenes, make_scenes

from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageReader
from smallpose.resolution.people import choose_people
from smallpose.resolution.preloaded_images import preload_images


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return make_scenes(tmp_path_factory.mktemp("preloaded") / "scenes", 4)


def list_names(scenes: Scenes) -> list[str]:
    people = choose_people(scenes.truth, (16,))
    rows = dict.fromkeys(people.truth.image_rows[people.rows].tolist())
    return [people.truth.images.file_names[row] for row in rows]


def test_all_images_are_those_of_the_reader_whatever_fits(scenes: Scenes):
    people = choose_people(scenes.truth, (16,))
    names = list_names(scenes)
    size = scenes.reader.read(names[0]).nbytes
    for max_bytes, num_fitting in ((0, 0), (size, 1), (1 << 40, len(names))):
        with preload_images(people, scenes.reader, max_bytes) as preloaded:
            assert list(preloaded.pending) == names[:num_fitting]
            for name in [*names, names[0]]:
                assert np.array_equal(preloaded.read(name), scenes.reader.read(name))
            assert not preloaded.pending


def test_an_image_that_is_missing_is_refused_when_it_is_read(scenes: Scenes):
    people = choose_people(scenes.truth, (16,))
    names = list_names(scenes)
    path = scenes.images / names[1]
    moved = path.rename(path.with_suffix(".moved"))
    try:
        with preload_images(people, scenes.reader, 1 << 40) as preloaded:
            preloaded.read(names[0])
            with pytest.raises(InputError, match="no such image"):
                preloaded.read(names[1])
    finally:
        moved.rename(path)


def test_the_rest_is_not_decoded_when_the_models_cannot_be_loaded(
    scenes: Scenes, monkeypatch: pytest.MonkeyPatch
):
    people = choose_people(scenes.truth, (16,))
    is_refused, read = Event(), []

    def wait_and_read(reader: ImageReader, name: str) -> None:
        read.append(name)
        is_refused.wait(10)

    monkeypatch.setattr(ImageReader, "read", wait_and_read)
    with pytest.raises(InputError), preload_images(people, scenes.reader, 1 << 40, 1) as preloaded:
        for future in list(preloaded.pending.values())[1:]:
            future.add_done_callback(lambda _: is_refused.set())
        raise InputError("weights", "missing", "download them")
    assert len(read) <= 1
