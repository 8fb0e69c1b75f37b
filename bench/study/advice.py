"""The five sentences of advice of `docs/which-model.md`, from numbers alone."""

from collections.abc import Mapping

from study.lookup import (
    MIN_AP,
    SMALL_PX,
    Content,
    Ends,
    find_best,
    find_differences,
    get_main_set,
    get_value,
    is_gain,
    is_loss,
    is_sure,
    list_main_variants,
)
from study.phrases import (
    SENSOR_WORDS,
    format_points,
    format_range,
    join_names,
    join_words,
)
from study.plan import FRAME_WH, TILE_HEIGHTS

NOT_MEASURED = "not measured here"
MAX_DETAILS = 3  # of differences that are stated one by one where none could be shown


def write_advice(content: Content) -> str:
    """Write the five sentences, numbered."""
    sentences = (
        advise_on_enlargement(content),
        advise_on_tiles(content),
        advise_on_jpeg(content),
        advise_on_crops(content),
        advise_on_models(content),
    )
    return "\n".join(f"{i}. {sentence}" for i, sentence in enumerate(sentences, start=1))


def advise_on_enlargement(content: Content) -> str:
    """Say what enlarging images does for models that find people themselves."""
    effects = _list_effects(content, "coco", ("{}, native", "{}"), "clean")
    title = choose_title(effects, "Enlarge small images", "Enlargement of small images")
    return (
        f"**{title}** to the size of the network's input, as the models that find people "
        f"themselves do here. At {SMALL_PX} px on clean images: {describe_effects(effects)}."
    )


def advise_on_tiles(content: Content) -> str:
    """Say what tiles do for small people in a larger image."""
    effects = _list_effects(content, "coco", ("{}, frame", "{}, tiled frame"), "clean")
    title = choose_title(effects, "Search large images in tiles", "Tiles")
    return (
        f"**{title}** (`--tile`). With people of {SMALL_PX} px in a frame of {FRAME_WH[0]} × "
        f"{FRAME_WH[1]} px, tiles of {TILE_HEIGHTS * SMALL_PX} px: {describe_effects(effects)}."
    )


def advise_on_jpeg(content: Content) -> str:
    """Say from which quality on JPEG costs."""
    one, model = get_main_set(content), content["jpeg_model"]
    sensors = [row["b"] for row in one["differences"] if row["sensor"] == "jpeg"]
    qualities = sorted({int(name.removeprefix("jpeg")) for name in sensors}, reverse=True)
    if not qualities:
        return f"**Avoid strong JPEG compression**: {NOT_MEASURED}."
    differences = {
        quality: find_differences(one, "clean", f"jpeg{quality}", "jpeg")[SMALL_PX]
        for quality in qualities
    }
    costly = [quality for quality in qualities if is_loss(differences[quality])]
    texts = [f"{describe_difference(differences[q])} at {q}" for q in qualities]
    rule = f"**Avoid JPEG of quality {max(costly)} and less**" if costly else "**JPEG**"
    return (
        f"{rule}. At {SMALL_PX} px, `{model}` changes by {join_words(texts)} (AP minus that of "
        "lossless images)."
    )


def advise_on_crops(content: Content) -> str:
    """Say what bicubic crops do."""
    name = next(key for key, one in content["sets"].items() if one is get_main_set(content))
    effects = _list_effects(content, name, ("{}", "{}, cubic"), "camera")
    title = choose_title(effects, "Enlarge crops bicubically", "Bicubic crops")
    return (
        f"**{title}** (`--crop-interpolation cubic`). Against bilinear ones, at {SMALL_PX} px "
        f"{SENSOR_WORDS['camera']}: {describe_effects(effects)}."
    )


def advise_on_models(content: Content) -> str:
    """Say which model is the best at which height."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    texts: list[str] = []
    low: list[int] = []
    for px in reversed(one["heights"]):
        best, ties = find_best(one, names, "camera", px)
        value = get_value(one, best, "camera", px)
        if value < MIN_AP:
            low.append(px)
            continue
        also = f", or {join_names(ties, 'or')}" if ties else ""
        texts.append(f"{px} px `{best}` (AP {100 * value:.0f}){also}")
    none = f"; at {max(low)} px and less none has an AP of {100 * MIN_AP:.0f}" if low else ""
    where = f"{SENSOR_WORDS['camera']} on {one['title']}"
    note = ' After "or" are models that cannot be told apart from the best.'
    has_ties = any(", or " in text for text in texts)
    return f"**Choose by height**, {where}: {'; '.join(texts)}{none}.{note if has_ties else ''}"


def _list_effects(
    content: Content, name: str, forms: tuple[str, str], sensor: str
) -> dict[str, Ends]:
    """Return by model the AP at `SMALL_PX` of its second variant minus that of the first."""
    one = content["sets"].get(name, {"variants": {}})
    effects = {}
    for model in content["models"]:
        pair = [form.format(model) for form in forms]
        if all(variant in one["variants"] for variant in pair):
            difference = find_differences(one, *pair, sensor).get(SMALL_PX)
            if difference is not None:
                effects[model] = difference
    return effects


def choose_title(effects: Mapping[str, Ends], advice: str, topic: str) -> str:
    """Return the advice where half of the models surely gain and none loses, or else the topic."""
    num_gains = sum(map(is_gain, effects.values()))
    is_advised = 0 < len(effects) <= 2 * num_gains and not any(map(is_loss, effects.values()))
    return advice if is_advised else topic


def describe_effects(effects: Mapping[str, Ends]) -> str:
    """Describe who gains, who loses, and for whom no difference could be shown."""
    if not effects:
        return NOT_MEASURED
    parts = []
    sure = {name: ends for name, ends in effects.items() if is_sure(ends)}
    if sure:
        parts.append(
            join_words(f"{format_points(ends, sign=True)} AP for `{n}`" for n, ends in sure.items())
        )
    unsure = {name: ends for name, ends in effects.items() if name not in sure}
    if unsure:
        parts.append(f"no difference that could be shown for {_list_unsure(unsure)}")
    return "; ".join(parts)


def _list_unsure(effects: Mapping[str, Ends]) -> str:
    if len(effects) <= MAX_DETAILS:
        return join_words(f"`{n}` ({format_points(e, sign=True)})" for n, e in effects.items())
    values = format_range([ends[0] or 0.0 for ends in effects.values()], "+.1f")
    ends = [end for one in effects.values() for end in one[1:] if end is not None]
    reach = f", intervals within {format_range(ends, '+.1f')}" if ends else ""
    return f"{join_names(list(effects))} ({values} AP{reach})"


def describe_difference(difference: Ends) -> str:
    """Format a difference, with a word where its interval has 0 in it."""
    text = format_points(difference, sign=True)
    if is_sure(difference) or difference[1] is None:
        return text
    return f"{text}, not to be told from 0,"
