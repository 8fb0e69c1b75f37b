"""Mutants that no test can catch, because what the package returns is the same, and why."""

_CORE = "evaluation/matching/_native.c"
_MATCHING = "evaluation/matching"
_NO_SUCH_INDEX = (
    "images and detections count from 0, so the first always differs from the one before"
)

# (file, the changed line, reason)
EQUIVALENT: tuple[tuple[str, str, str], ...] = (
    (
        _CORE,
        "for (int in_class = 2; in_class >= 0; in_class--) {",
        "no person has the value 2, so the first round changes nothing",
    ),
    (
        _CORE,
        "for (int kind = 1; kind < bound->count; kind++)",
        "a kind is entered twice, so that fewer candidates are left out; the matches are the same",
    ),
    (
        "io/_json_read.c",
        "for (; (*q == '0' || *q == '.') && q <= p; q++) count -= *q == '0';",
        "what follows the digits is no digit, so nothing is subtracted for it",
    ),
    (
        f"{_MATCHING}/greedy.py",
        "starts = np.flatnonzero(np.diff(a, prepend=-2))",
        _NO_SUCH_INDEX,
    ),
    (
        f"{_MATCHING}/native_matching.py",
        "starts = np.flatnonzero(np.diff(groups.detection_image, prepend=-2))",
        _NO_SUCH_INDEX,
    ),
    (
        f"{_MATCHING}/native_matching.py",
        "limit = float(nearness * 2 * np.max(variances) * (1 + 1.000000001))",
        "the bound is wider, so that more pairs are compared; the candidates are the same",
    ),
)
