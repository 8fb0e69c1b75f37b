"""Sentences and tables of `docs/which-model.md`, from the numbers of `docs/study.json` alone."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

Content = dict[str, Any]
MAIN_SET = "lsp"  # has the most people
RANK_PX = 64  # height by whose AP through the camera models are ranked
MAX_NAMES = 4  # of models that cannot be told apart
SENSOR_WORDS = {"clean": "on clean images", "camera": "through the camera model"}


def get_main_set(content: Content) -> Content:
    """Return the set of people of the figure and of the verdicts."""
    sets = content["sets"]
    chosen: Content = sets.get(MAIN_SET) or next(iter(sets.values()))
    return chosen


def list_main_variants(content: Content, one: Content) -> list[str]:
    """List the models that were measured by both sensors, the best at `RANK_PX` first."""
    names = [
        name
        for name in content["models"]
        if {"clean", "camera"} <= one["variants"].get(name, {}).keys()
    ]
    return sorted(names, key=lambda name: -get_value(one, name, "camera", RANK_PX))


def get_value(one: Content, name: str, sensor: str, px: int, metric: str = "AP") -> float:
    """Return a metric of a variant at a height, 0 to 1."""
    curve = one["variants"][name][sensor]
    value: float = curve[metric][curve["px"].index(px)][0]
    return value


def format_points(ends: Sequence[float | None], sign: bool = False) -> str:
    """Format an interval of shares in points, as in `41 (36 to 47)`."""
    form = "+.1f" if sign else ".1f"
    texts = [None if end is None else f"{100 * end:{form}}" for end in ends]
    if texts[1] is None or texts[2] is None:
        return str(texts[0])
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def format_cell(ends: Sequence[float | None]) -> str:
    """Format an interval of shares for a table, as in `41 (36–47)`: points without decimals."""
    texts = ["" if end is None else f"{100 * end:.0f}" for end in ends]
    return f"{texts[0]} ({texts[1]}–{texts[2]})" if texts[1] and texts[2] else texts[0]


def format_half(curve: Content) -> str:
    """Format the height of half the AP."""
    if not curve["half"]["known"]:
        return "–"
    smallest = curve["px"][0]
    value, low, high = curve["half"]["px"]
    if value is None:
        return f"< {smallest}"
    if high is None:
        return f"{value:.0f}"
    return f"{value:.0f} ({f'<{smallest}' if low is None else f'{low:.0f}'}–{high:.0f})"


def format_level(curve: Content) -> str:
    """Format the height from which on the stated AP is reached."""
    level = curve["level"]
    if level["value"] is None:
        return f"> {curve['px'][-1]}" if level["beyond"] == "above" else f"< {curve['px'][0]}"
    return f"{level['value']:.0f}"


def write_table(content: Content) -> str:
    """Write what each model reaches on the main set of people, and what it costs."""
    one = get_main_set(content)
    largest = one["heights"][-1]
    level = f"{100 * content['level']:g}"
    head = (
        "model",
        f"AP at {largest} px, clean",
        "camera",
        "half left at px, clean",
        "camera",
        f"AP {level} from px, clean",
        "camera",
        "AP cut off by the frame",
        "AP whole",
    )
    names = list_main_variants(content, one)
    accuracy = format_table(head, [_list_scores(one, name) for name in names])
    head = ("model", "ms", "MB", "joints", "needs boxes", "licence", "weights", "runtime")
    costs = format_table(head, [_list_costs(content["models"][name], name) for name in names])
    return f"AP of {name_people(one)}:\n\n{accuracy}\n\nWhat they cost:\n\n{costs}"


def _list_scores(one: Content, name: str) -> list[str]:
    variant = one["variants"][name]
    clean, camera = variant["clean"], variant["camera"]
    parts = variant.get("parts", {}).get("clean", {})
    return [
        name,
        format_cell(clean["AP"][-1]),
        format_cell(camera["AP"][-1]),
        format_half(clean),
        format_half(camera),
        format_level(clean),
        format_level(camera),
        *(format_cell(parts[part]) if part in parts else "–" for part in ("cut", "whole")),
    ]


def _list_costs(model: Content, name: str) -> list[str]:
    cost = model.get("cost")
    words = [
        str(model["joints"]),
        "yes" if model["needs_boxes"] else "no",
        model["licence"],
    ]
    if cost is None:
        return [name, "–", "–", *words, "–", "–"]
    seconds = "" if cost["install_s"] is None else f", {cost['install_s']:.0f} s"
    return [
        name,
        f"{cost['ms']:.0f}",
        f"{cost['memory_mb']:.0f}",
        *words,
        f"{cost['weights_mb']:.1f} MB{seconds}",
        f"[{model['extra']}], {cost['runtime_mb']:.0f} MB",
    ]


def write_second_table(content: Content) -> str:
    """Write the table of all variants on the other set of people."""
    main = get_main_set(content)
    others = [one for one in content["sets"].values() if one is not main]
    if not others:
        return ""
    one = others[0]
    largest = one["heights"][-1]
    head = (
        "model",
        f"AP at {largest} px, clean",
        "strict",
        "OKS",
        "PCK",
        "AP at 32 px, clean",
        "camera",
        "half left at px, clean",
        "camera",
        "AP cut off",
        "AP whole",
    )
    rows = []
    for name, variant in one["variants"].items():
        clean, camera = variant.get("clean"), variant.get("camera")
        if clean is None or clean["px"][-1] != largest:
            continue
        parts = variant.get("parts", {}).get("clean", {})
        index = clean["px"].index(32)
        rows.append(
            [
                name,
                format_cell(clean["AP"][-1]),
                *(f"{100 * clean[m][-1][0]:.0f}" for m in ("AP_strict", "OKS", "PCK")),
                format_cell(clean["AP"][index]),
                "–" if camera is None else format_cell(camera["AP"][index]),
                format_half(clean),
                "–" if camera is None else format_half(camera),
                *(format_cell(parts[part]) if part in parts else "" for part in ("cut", "whole")),
            ]
        )
    return f"AP of {name_people(one)}:\n\n{format_table(head, rows)}"


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; all but the first column are numbers or short words."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def find_differences(one: Content, a: str, b: str, sensor: str) -> dict[int, list[float | None]]:
    """Return by height the paired difference of AP, b minus a."""
    out = {}
    for row in one["differences"]:
        if row["sensor"] != sensor:
            continue
        if (row["a"], row["b"]) == (a, b):
            out[row["px"]] = row["AP"]
        elif (row["a"], row["b"]) == (b, a):
            value, low, high = row["AP"]
            out[row["px"]] = [
                -value,
                None if high is None else -high,
                None if low is None else -low,
            ]
    return out


def is_sure(difference: Sequence[float | None]) -> bool:
    """Return whether an interval excludes 0."""
    _, low, high = difference
    return low is not None and high is not None and not low <= 0 <= high


def write_verdicts(content: Content) -> str:
    """Write for each model whether it can be told apart from the next better one."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    lines = []
    for better, worse in pairwise(names):
        words = [
            f"{SENSOR_WORDS[sensor]} {describe_pair(one, better, worse, sensor)}"
            for sensor in ("clean", "camera")
        ]
        lines.append(f"- `{better}` and `{worse}`: {'; '.join(words)}.")
    return "\n".join(lines)


def describe_pair(one: Content, a: str, b: str, sensor: str) -> str:
    """Describe where two models differ."""
    differences = find_differences(one, b, a, sensor)
    ahead = [px for px, d in differences.items() if is_sure(d) and (d[0] or 0) > 0]
    behind = [px for px, d in differences.items() if is_sure(d) and (d[0] or 0) < 0]
    open_px = [px for px in differences if px not in ahead + behind]
    parts = []
    if ahead:
        parts.append(f"the first is better at {_join_px(ahead)}{_range(differences, ahead)}")
    if behind:
        parts.append(f"the second is better at {_join_px(behind)}{_range(differences, behind)}")
    if open_px:
        parts.append(f"they cannot be told apart at {_join_px(open_px)}")
    return ", ".join(parts)


def _range(differences: dict[int, list[float | None]], heights: Sequence[int]) -> str:
    sizes = [abs(100 * (differences[px][0] or 0)) for px in heights]
    if len(sizes) == 1 or round(min(sizes), 1) == round(max(sizes), 1):
        return f" (by {sizes[0]:.1f} AP)"
    return f" (by {min(sizes):.1f} to {max(sizes):.1f} AP)"


def _join_px(heights: Sequence[int]) -> str:
    texts = [str(px) for px in sorted(heights)]
    if len(texts) == 1:
        return f"{texts[0]} px"
    return f"{', '.join(texts[:-1])} and {texts[-1]} px"


def write_answer(content: Content) -> str:
    """Write the answer to the two questions of the README."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    halves = [
        one["variants"][name][sensor]["half"]["px"][0]
        for name in names
        for sensor in ("clean", "camera")
        if one["variants"][name][sensor]["half"]["px"][0] is not None
    ]
    largest = one["heights"][-1]
    lines = [
        f"**How small?** Of the AP that published models reach on people of {largest} px, half is "
        f"lost at {min(halves):.0f} to {max(halves):.0f} px, depending on the model and the camera."
    ]
    choices = []
    for px in (largest, RANK_PX):
        best, ties = find_best(one, names, "camera", px)
        text = f"at {px} px `{best}` (AP {100 * get_value(one, best, 'camera', px):.0f})"
        if ties:
            text += f", which cannot be told apart from {join_few(ties)}"
        choices.append(text)
    lines.append(f"**Which model?** Through a camera the best are {'; '.join(choices)}.")
    lines.append(
        f"At 32 px none has an AP above {find_limit(one, names, 'camera', 32)} through a camera, "
        f"and none above {find_limit(one, names, 'clean', 32)} on clean images."
    )
    others = _name_other_limits(content)
    lines.append(f"These are {name_people(one)}; other people give other numbers{others}.")
    return " ".join(lines)


def name_people(one: Content) -> str:
    """Name a set of people in words."""
    return f"{one['people']} people of {one['title']}"


def find_limit(one: Content, names: Sequence[str], sensor: str, px: int) -> int:
    """Return the AP in whole points that no model exceeds."""
    best = max(get_value(one, name, sensor, px) for name in names)
    return math.ceil(round(100 * best, 6))


def _name_other_limits(content: Content) -> str:
    """Name what no model exceeds at 32 px on the other sets of people."""
    text = ""
    for one in content["sets"].values():
        names = list_main_variants(content, one)
        if one is get_main_set(content) or not names or 32 not in one["heights"]:
            continue
        camera, clean = (find_limit(one, names, sensor, 32) for sensor in ("camera", "clean"))
        text += f", on {name_people(one)} at most {camera} and {clean} at 32 px"
    return text


def find_best(one: Content, names: Sequence[str], sensor: str, px: int) -> tuple[str, list[str]]:
    """Return the model with the highest AP and those that cannot be told apart from it."""
    best = max(names, key=lambda name: get_value(one, name, sensor, px))
    ties = [
        name
        for name in names
        if name != best and not is_sure(find_differences(one, name, best, sensor)[px])
    ]
    return best, ties


def _join_names(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def join_few(names: Sequence[str]) -> str:
    """Join the first names, with the number of others where they are many."""
    if len(names) <= MAX_NAMES:
        return _join_names(names)
    shown = ", ".join(f"`{name}`" for name in names[: MAX_NAMES - 1])
    return f"{shown} and {len(names) - MAX_NAMES + 1} others"


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
    measured = [name for name in content["models"] if name in get_main_set(content)["variants"]]
    absent = [name for name in content["models"] if name not in measured] + content["absent"]
    refused = sorted({name for one in content["sets"].values() for name in one["refused"]})
    if absent:
        yield f"Not measured on {get_main_set(content)['title']}: {_join_names(absent)}."
    if refused:
        yield f"Refused, because their left and right are exchanged: {_join_names(refused)}."
    checks = [content["models"][name]["sides"] for name in measured]
    if checks:
        yield (
            f"Before, each model was checked on {checks[0]['people']} drawn people: mean OKS "
            f"{min(c['oks'] for c in checks):.2f} to {max(c['oks'] for c in checks):.2f}, and "
            f"{max(c['exchanged'] for c in checks):.2f} at most with left and right exchanged."
        )
