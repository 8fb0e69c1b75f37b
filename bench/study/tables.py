"""Tables of `docs/which-model.md`, from the numbers of `docs/study.json` alone."""

from collections.abc import Sequence

from study.lookup import SMALL_PX, Content, Ends, get_main_set, list_main_variants
from study.phrases import name_people


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
    return [
        _name_row(one, name),
        format_cell(clean["AP"][-1]),
        format_cell(camera["AP"][-1]),
        format_half(clean),
        format_half(camera),
        format_level(clean),
        format_level(camera),
        *_list_parts(variant),
    ]


def _name_row(one: Content, name: str) -> str:
    """Name a variant, with the number of its people or joints where that is not the table's."""
    variant = one["variants"][name]
    words = []
    if variant["people"] != one["people"]:
        words.append(f"of {variant['people']:,} people")
    if variant["joints"] != one["joints"]:
        words.append(f"on {variant['joints']} joints")
    return f"{name} ({', '.join(words)})" if words else name


def _list_parts(variant: Content) -> list[str]:
    """Return the AP of people who are cut off by the frame, and of whole ones."""
    parts = variant.get("parts", {}).get("clean", {})
    return [format_cell(parts[part]) if part in parts else "" for part in ("cut", "whole")]


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
    head = (
        "model",
        f"AP at {one['heights'][-1]} px, clean",
        "strict",
        "OKS",
        "PCK",
        f"AP at {SMALL_PX} px, clean",
        "camera",
        "half left at px, clean",
        "camera",
        "AP cut off",
        "AP whole",
    )
    names = [
        name
        for name, variant in one["variants"].items()
        if variant.get("clean", {}).get("px") == one["heights"]
    ]
    table = format_table(head, [_list_second_scores(one, name) for name in names])
    return f"AP of {name_people(one)}:\n\n{table}"


def _list_second_scores(one: Content, name: str) -> list[str]:
    variant = one["variants"][name]
    clean, camera = variant["clean"], variant.get("camera")
    index = clean["px"].index(SMALL_PX)
    return [
        _name_row(one, name),
        format_cell(clean["AP"][-1]),
        *(f"{100 * clean[metric][-1][0]:.0f}" for metric in ("AP_strict", "OKS", "PCK")),
        format_cell(clean["AP"][index]),
        "–" if camera is None else format_cell(camera["AP"][index]),
        format_half(clean),
        "–" if camera is None else format_half(camera),
        *_list_parts(variant),
    ]


def format_cell(ends: Ends) -> str:
    """Format an interval of shares, as in `41 (36–47)`: points without decimals."""
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


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; all but the first column are numbers or short words."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
