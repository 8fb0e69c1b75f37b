"""The five sentences of advice of `docs/which-model.md`, from numbers alone."""

from collections.abc import Sequence

from study.words import (
    SENSOR_WORDS,
    Content,
    find_best,
    find_differences,
    format_points,
    get_main_set,
    get_value,
    is_sure,
    join_few,
    list_main_variants,
)

Difference = Sequence[float | None]
MIN_AP = 0.05  # below, no model is recommended
NOT_MEASURED = "not measured here"


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
    one = content["sets"].get("coco", {"variants": {}})
    texts = []
    for model in content["models"]:
        small, large = f"{model}, native", model
        if small not in one["variants"]:
            small, large = model, f"{model}, enlarged"
        if large in one["variants"] and small in one["variants"]:
            difference = find_differences(one, small, large, "clean")[32]
            texts.append(f"`{model}` {describe_difference(difference)}")
    return (
        "**Enlarge small images** before a model that finds people itself sees them: AP at 32 px "
        f"with the image enlarged to 512 px minus without: {'; '.join(texts) or NOT_MEASURED}."
    )


def advise_on_tiles(content: Content) -> str:
    """Say what tiles do for small people in a larger image."""
    one = content["sets"].get("coco", {"variants": {}})
    texts = []
    for model in content["models"]:
        pair = f"{model}, frame", f"{model}, frame tiles"
        if all(name in one["variants"] for name in pair):
            difference = find_differences(one, *pair, "clean")[32]
            texts.append(f"`{model}` {describe_difference(difference)}")
    return (
        "**Search large images in tiles**: with people of 32 px in a frame of 640 × 480 px, AP "
        f"with tiles minus without: {'; '.join(texts) or NOT_MEASURED}."
    )


def advise_on_jpeg(content: Content) -> str:
    """Say from which quality on JPEG costs."""
    one, model = get_main_set(content), content["jpeg_model"]
    sensors = [row["b"] for row in one["differences"] if row["sensor"] == "jpeg"]
    qualities = sorted({int(name.removeprefix("jpeg")) for name in sensors}, reverse=True)
    if not qualities:
        return f"**Avoid strong JPEG compression**: {NOT_MEASURED}."
    texts, costly = [], []
    for quality in qualities:
        difference = find_differences(one, "clean", f"jpeg{quality}", "jpeg")[32]
        texts.append(f"{quality}: {describe_difference(difference)}")
        if is_sure(difference) and (difference[0] or 0) < 0:
            costly.append(quality)
    rule = "no loss could be shown at any quality"
    if costly:
        rule = f"quality {max(costly)} and less costs AP"
    return (
        f"**Avoid JPEG at small heights**: {rule} at 32 px (`{model}`, AP by quality minus "
        f"lossless: {'; '.join(texts)})."
    )


def advise_on_crops(content: Content) -> str:
    """Say what bicubic crops do."""
    one = get_main_set(content)
    texts, signs = [], set()
    for model in content["models"]:
        if f"{model}, cubic" not in one["variants"]:
            continue
        difference = find_differences(one, model, f"{model}, cubic", "camera")[32]
        texts.append(f"`{model}` {describe_difference(difference)}")
        if is_sure(difference):
            signs.add((difference[0] or 0) > 0)
    if not texts:
        return f"**Bicubic crops**: {NOT_MEASURED}."
    rules = {
        frozenset(): "make no difference that could be shown",
        frozenset({True}): "help some models and harm none",
        frozenset({False}): "harm some models and help none",
    }
    rule = rules.get(frozenset(signs), "help some models and harm others")
    return (
        f"**Bicubic crops** {rule} at 32 px through the camera model (AP of cubic minus linear: "
        f"{'; '.join(texts)})."
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
        also = f", or {join_few(ties)}" if ties else ""
        texts.append(f"{px} px `{best}` (AP {100 * value:.0f}){also}")
    none = f"; at {max(low)} px and less none has an AP of {100 * MIN_AP:.0f}" if low else ""
    where = f"{SENSOR_WORDS['camera']} on {one['title']}"
    return (
        f'**Choose by height** {where}: {"; ".join(texts)}{none}. After "or" are models that '
        "cannot be told apart from the best."
    )


def describe_difference(difference: Difference) -> str:
    """Format a difference, with a word where its interval has 0 in it."""
    text = format_points(difference, sign=True)
    return (
        text if is_sure(difference) or difference[1] is None else f"{text}, not to be told from 0"
    )
