"""What is mutated, and the tests that must notice."""

from dataclasses import dataclass

_COCO = "tests/evaluation/test_against_pycocotools.py"
_EVALUATION = (
    "tests/evaluation/matching/test_loops.py",
    "tests/evaluation/test_class_limits.py",
    "tests/evaluation/matching/test_oks.py",
    "tests/evaluation/matching/test_keypoint_selection.py",
    "tests/evaluation/test_protocols.py",
    "tests/evaluation/matching/test_crowds.py",
    "tests/evaluation/matching/test_native.py",
    f"{_COCO}::test_custom_sigmas_equal_pycocotools",
    f"{_COCO}::test_every_limit_on_detections_equals_pycocotools",
    f"{_COCO}::test_fifty_crowded_datasets_equal_pycocotools_in_every_array[0-17]",
    "tests/evaluation/scoring/test_bootstrap.py",
)
_SLOW = (
    "tests/evaluation/scoring/test_bootstrap.py"
    "::test_95_percent_intervals_cover_the_true_value_in_about_95_percent",
)


@dataclass(frozen=True)
class Target:
    """Files that are mutated together.

    Args:
        files: below `src/smallpose`.
        tests: that run on each mutant until one fails, the fast ones first.
        left_out: tests among these that are too slow for it.
        extension: name and C files of the module that is compiled anew, below the folder of
            the mutated file.
    """

    files: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    extension: tuple[str, tuple[str, ...]] | None = None


_MATCHING = "evaluation/matching"

TARGETS = {
    "core": Target(
        files=(f"{_MATCHING}/_native.c",),
        tests=_EVALUATION,
        left_out=_SLOW,
        extension=("_native.abi3.so", ("_native.c",)),
    ),
    "scanner": Target(
        files=("io/_json_read.c",),
        tests=(
            "tests/io/test_json_grammar.py",
            "tests/io/test_json_text.py",
            "tests/io/test_coco_annotations_fast.py",
            "tests/io/test_coco_results_fast.py",
            "tests/fuzz/test_json_readers.py",
            "tests/io/test_changing_files.py",
        ),
        extension=("_json.abi3.so", ("_json_read.c", "_json_write.c")),
    ),
    "matching": Target(
        files=(
            f"{_MATCHING}/greedy.py",
            f"{_MATCHING}/image_groups.py",
            f"{_MATCHING}/oks.py",
            f"{_MATCHING}/keypoint_selection.py",
            f"{_MATCHING}/native.py",
            f"{_MATCHING}/native_matching.py",
            f"{_MATCHING}/arrays.py",
        ),
        tests=_EVALUATION,
        left_out=_SLOW,
    ),
    "precision_recall": Target(
        files=("evaluation/scoring/precision_recall.py",), tests=_EVALUATION, left_out=_SLOW
    ),
    "protocols": Target(files=("evaluation/protocols.py",), tests=_EVALUATION, left_out=_SLOW),
    "density": Target(
        files=("core/density.py",),
        tests=("tests/core/test_density.py", "tests/core/test_sizes.py"),
    ),
    "sizes": Target(
        files=("core/sizes.py",), tests=("tests/core/test_sizes.py", "tests/core/test_density.py")
    ),
}
