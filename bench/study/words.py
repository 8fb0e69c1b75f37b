"""Sentences of `docs/which-model.md`, from the numbers of `docs/study.json` alone."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from study.lookup import (
    MIN_AP,
    RANK_PX,
    SMALL_PX,
    Content,
    find_best,
    find_differences,
    find_limit,
    get_main_set,
    get_value,
    is_gain,
    is_loss,
    list_fewer_people,
    list_main_variants,
)
from study.phrases import (
    SENSOR_WORDS,
    format_range,
    join_names,
    join_px,
    join_words,
    name_people,
)
from study.tables import format_half, format_level


def write_answer(content: Content) -> str:
    """Write the answer to the two questions of the README, and of whom it is true."""
    return "\n".join(
        f"- {line}" for line in (_answer_which(content), _answer_size(content), _name_whom(content))
    )


def _answer_which(content: Content) -> str:
    """Name the best model by height through the camera, and the best that needs no boxes."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    text = f"**Which model?** Through a camera, {_list_best(one, names)}."
    alone = [name for name in names if not content["models"][name]["needs_boxes"]]
    best = find_best(one, names, "camera", RANK_PX)[0]
    if alone and best not in alone:
        text += (
            f" It needs a box of each person; of models that need none, {_list_best(one, alone)}."
        )
    return text


def _list_best(one: Content, names: Sequence[str]) -> str:
    """List the best models by height, as in `a` has the highest AP at 128 and 64 px (54 and 28)."""
    rows = [(*find_best(one, names, "camera", px), px) for px in reversed(one["heights"])]
    rows = [row for row in rows if get_value(one, row[0], "camera", row[2]) >= MIN_AP]
    if not rows:
        return f"no model has an AP of {100 * MIN_AP:.0f} at any height"
    parts = []
    for (best, ties), group in groupby(rows, lambda row: (row[0], row[1])):
        heights = [px for _, _, px in group]
        values = [f"{100 * get_value(one, best, 'camera', px):.0f}" for px in heights]
        also = f", not to be told apart from {join_names(ties)}" if ties else ""
        shown = join_words(str(px) for px in heights)
        parts.append(f"`{best}` at {shown} px (AP {join_words(values)}{also})")
    return f"the best is {join_words(parts)}"


def _answer_size(content: Content) -> str:
    """Say at which height the best model has lost half, and what is left at `SMALL_PX`."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    best = find_best(one, names, "camera", RANK_PX)[0]
    camera, clean = (one["variants"][best][sensor] for sensor in ("camera", "clean"))
    limits = [find_limit(one, names, sensor, SMALL_PX) for sensor in ("camera", "clean")]
    return (
        f"**How small?** `{best}` has half of its AP left at {format_half(camera)} px "
        f"{SENSOR_WORDS['camera']} and at {format_half(clean)} px {SENSOR_WORDS['clean']}; AP "
        f"{100 * content['level']:g} takes {format_level(camera)} and {format_level(clean)} px. At "
        f"{SMALL_PX} px no model has an AP above {limits[0]} through a camera, or above "
        f"{limits[1]} on clean images."
    )


def _name_whom(content: Content) -> str:
    """Name the people of the answer, and what no model exceeds on the others."""
    main = get_main_set(content)
    text = f"**On whom?** {name_people(main)}"
    names = list_main_variants(content, main)
    fewer = list_fewer_people(main, names)
    if fewer:
        counts = join_words(f"{count:,} for `{name}`" for name, count in fewer.items())
        text += f" (the first {counts})"
    text += ". Other people give other numbers"
    for one in content["sets"].values():
        names = list_main_variants(content, one)
        if one is main or not names or SMALL_PX not in one["heights"]:
            continue
        camera, clean = (find_limit(one, names, sensor, SMALL_PX) for sensor in ("camera", "clean"))
        text += (
            f": on {name_people(one)}, AP at {SMALL_PX} px is at most {camera} through a camera "
            f"and {clean} on clean images"
        )
    return f"{text}."


def write_verdicts(content: Content) -> str:
    """Write for each model whether it can be told apart from the next better one."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    return "\n".join(f"- {describe_pair(one, *pair)}" for pair in pairwise(names))


def describe_pair(one: Content, a: str, b: str) -> str:
    """Describe where two models differ."""
    better, worse = [], []
    is_open = False
    for sensor, where in SENSOR_WORDS.items():
        differences = find_differences(one, b, a, sensor)
        measured = sorted(differences)
        gains = [px for px in measured if is_gain(differences[px])]
        losses = [px for px in measured if is_loss(differences[px])]
        is_open |= len(gains) + len(losses) < len(measured)
        for heights, phrases in ((gains, better), (losses, worse)):
            if heights:
                sizes = format_range([abs(differences[px][0] or 0.0) for px in heights])
                phrases.append(f"{where} at {join_px(heights, measured)} (by {sizes} AP)")
    parts = []
    if better:
        parts.append(f"`{a}` is better than `{b}` {join_words(better)}")
    if worse:
        parts.append(f"`{b}` is better than `{a}` {join_words(worse)}")
    if not parts:
        return f"`{a}` and `{b}` cannot be told apart at any height."
    if is_open:
        parts.append("elsewhere they cannot be told apart")
    return f"{'; '.join(parts)}."


def write_limits(content: Content) -> str:
    """Write what was measured and what was not."""
    return "\n".join(f"- {line}" for line in _list_limits(content))


def _list_limits(content: Content) -> Iterator[str]:
    for one in content["sets"].values():
        yield (
            f"{one['title']}: {one['people']:,} people in {one['images']:,} images, of "
            f"{one['eligible']:,} of at least {one['heights'][-1]} px with half of their joints "
            f"labelled; {one['cut']:,} are cut off by the frame; {one['joints']} joints are scored."
        )
    main = get_main_set(content)
    measured = [name for name in content["models"] if name in main["variants"]]
    absent = [name for name in content["models"] if name not in measured] + content["absent"]
    refused = sorted({name for one in content["sets"].values() for name in one["refused"]})
    if absent:
        yield f"Not measured on {main['title']}: {join_names(absent)}."
    if refused:
        yield f"Refused, because their left and right are exchanged: {join_names(refused)}."
    checks = [content["models"][name]["sides"] for name in measured]
    if checks:
        yield (
            f"Before, each model was checked on {checks[0]['people']} drawn people: mean OKS "
            f"{min(c['oks'] for c in checks):.2f} to {max(c['oks'] for c in checks):.2f}, and "
            f"{max(c['exchanged'] for c in checks):.2f} at most with left and right exchanged."
        )
