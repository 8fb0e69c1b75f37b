"""Notes are sentences with the right number, also when those of parts are added up."""

from smallpose.evaluation.notes import format_count, merge_notes


def test_one_is_singular_and_all_else_plural():
    counts = [format_count(count, "image", "images") for count in (0, 1, 2, 12_000)]
    assert counts == ["0 images", "1 image", "2 images", "12,000 images"]


def test_counts_of_parts_are_added_up_whether_singular_or_plural():
    rest = "a box without area: in no size class"
    assert merge_notes(
        [
            f"1 labelled person has {rest}",
            "the file names no source",
            f"1,200 labelled people have {rest}",
            "the file names no source",
            "1 person is ignored: no labelled joint",
        ]
    ) == [
        f"1,201 labelled people have {rest}",
        "the file names no source",
        "1 person is ignored: no labelled joint",
    ]


def test_what_the_limit_costs_is_left_to_the_merged_counts():
    assert merge_notes(["coco's limit of 20 detections binds in 1 of 1 image"]) == []
