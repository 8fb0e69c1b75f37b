"""The remedy for a missing package leaves an environment's OpenCV and NumPy as they are."""

import importlib.metadata

import pytest

from smallpose.system import packages


@pytest.fixture
def environment(monkeypatch):
    """Pretend that an environment has some modules, and some package of OpenCV."""

    def pretend(modules: set[str], opencv: str) -> None:
        def find_distribution(name: str) -> object:
            if name != opencv:
                raise importlib.metadata.PackageNotFoundError(name)
            return object()

        monkeypatch.setattr(packages, "_is_installed", modules.__contains__)
        monkeypatch.setattr(importlib.metadata, "distribution", find_distribution)

    return pretend


@pytest.mark.parametrize("opencv", ["opencv-python", "opencv-contrib-python-headless"])
def test_beside_another_opencv_packages_are_installed_by_themselves(environment, opencv):
    """The extra [images] replaced NumPy 1.26 and wrote a second OpenCV over the first."""
    environment({"cv2"}, opencv)
    with pytest.raises(packages.MissingPackageError) as caught:
        packages.require_packages("smallpose check", "cv2", "PIL")
    assert str(caught.value) == "smallpose check: Pillow is not installed; pip install pillow"
    assert packages.format_module_command("PIL", "scipy", "yaml") == (
        "pip install pillow scipy pyyaml"
    )
    assert packages.format_module_command("pyvips") == "pip install 'pyvips[binary]'"
    assert packages.format_module_command("safetensors", "scipy") == (
        "pip install '.[torch]' in your clone, and pip install scipy"
    )
    assert packages.format_module_command("matplotlib") == "pip install '.[plots]' in your clone"


@pytest.mark.parametrize(("modules", "opencv"), [(set(), ""), ({"cv2"}, "opencv-python-headless")])
def test_without_another_opencv_the_extra_is_named(environment, modules, opencv):
    environment(modules, opencv)
    assert packages.format_module_command("PIL") == "pip install '.[images]' in your clone"
    assert packages.format_module_command("PIL", "scipy") == "pip install '.[build]' in your clone"


def test_what_an_extra_contains_is_not_named_beside_it(request, environment):
    """`predict movenet` named [torch], then [images], then [movenet], which has both."""
    import tomllib

    environment(set(), "")
    modules = ("torch", "safetensors", "cv2", "PIL", "ai_edge_litert")
    command = packages.format_module_command(*modules)
    assert command == "pip install '.[movenet]' in your clone"
    project = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text())
    for extra, requirements in project["project"]["optional-dependencies"].items():
        contained = set().union(
            *(one[10:-1].split(",") for one in requirements if one.startswith("smallpose["))
        )
        if extra not in ("all", "dev"):
            assert packages._CONTAINED.get(extra, set()) == contained, extra


def test_every_extra_with_opencv_is_known(request):
    """A new extra that brings OpenCV must be listed, with the packages of its modules."""
    import tomllib

    project = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]

    def brings_opencv(extra: str) -> bool:
        return any(
            one.startswith("opencv")
            or (one.startswith("smallpose[") and any(map(brings_opencv, one[10:-1].split(","))))
            for one in extras[extra]
        )

    named = {extra for _, extra in packages.EXTRAS.values()}
    assert {extra for extra in named if brings_opencv(extra)} == packages._WITH_OPENCV
    modules = {one for one, (_, extra) in packages.EXTRAS.items() if extra in packages._WITH_OPENCV}
    assert modules - {"cv2"} == set(packages._PACKAGES)
