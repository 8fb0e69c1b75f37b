"""A gate for continuous integration: is a result worse than the first by more than is allowed?

The answer has three values. *Worse*: the drop is larger than allowed and not due to the choice of
images (its one-sided 95 % limit is below zero). *Passed*: the limit at the other end shows that the
drop is smaller than allowed. *Cannot be told*: these images are too few for either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.core.student_t import compute_t_quantile
from smallpose.evaluation.analysis.comparison import (
    MIN_TEST_CLUSTERS,
    Comparison,
    Difference,
)
from smallpose.evaluation.analysis.verdict import describe_doubt_of
from smallpose.evaluation.console_table import format_number
from smallpose.evaluation.protocols import AP_NAMES

PASSED = "passed"
WORSE = "worse"
OPEN = "cannot be told"
EXIT_CODES = {PASSED: 0, WORSE: 5, OPEN: 6}
# Probability of each limit. With .95, simulated false alarms were 6 to 7 %: standard errors of AP
# from resamples are a little too small.
ONE_SIDED = 0.965
_POWER_LEVEL = 0.6  # two-sided, whose quantile one-sided leaves 80 % below
# Two-sided level of the printed detectable drop. The limits above are nearer, so that at least 80 %
# of such drops are found on few images, too, where standard errors are a little too small.
_DETECTABLE_LEVEL = 0.96


@dataclass(frozen=True)
class Condition:
    """What is allowed.

    Args:
        protocol: such as `coco`.
        metric: such as `AP_S`.
        max_drop: share from 0 to 1 by which it may be lower than in the first result.
        label: of `max_drop` in sentences.
    """

    protocol: str
    metric: str
    max_drop: float
    label: str = field(default="--max-drop", repr=False, compare=False)


@dataclass(frozen=True)
class Check:
    """One condition on one result.

    Args:
        base, other: names of the results.
        condition: what is allowed.
        verdict: `passed`, `worse` or `cannot be told`.
        difference: other minus base; None without people.
        low, high: its one-sided limits, below and above; None where there is no interval.
        detectable: the smallest true drop that is found worse in 80 % of all tries.
        reason: in words, with the doubt at its end.
        doubt: why it may say little about the models; "" without a doubt.
    """

    base: str
    other: str
    condition: Condition
    verdict: str
    difference: float | None
    low: float | None
    high: float | None
    detectable: float | None
    reason: str
    doubt: str = ""

    @property
    def title(self) -> str:
        """Return what was checked."""
        condition = self.condition
        return f"{condition.protocol} {condition.metric} of {self.other} against {self.base}"

    def to_dict(self) -> dict[str, Any]:
        """Return the check for JSON."""
        return {
            "base": self.base,
            "other": self.other,
            "protocol": self.condition.protocol,
            "name": self.condition.metric,
            "max_drop": self.condition.max_drop,
            "verdict": self.verdict,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "detectable": self.detectable,
            "reason": self.reason,
        }


@dataclass(frozen=True, repr=False)
class Gate:
    """All checks of a comparison."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """Return the worst verdict of all checks."""
        verdicts = {check.verdict for check in self.checks}
        return next(verdict for verdict in (WORSE, OPEN, PASSED) if verdict in verdicts)

    @property
    def exit_code(self) -> int:
        """Return 0 for passed, 5 for worse, 6 for what cannot be told."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return the gate for JSON."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "checks": [check.to_dict() for check in self.checks],
        }

    def to_junit(self) -> str:
        """Return JUnit XML: a test case per check, a failure if worse, an error if not told."""
        counts = {verdict: sum(c.verdict == verdict for c in self.checks) for verdict in EXIT_CODES}
        attributes = {
            "name": "smallpose compare",
            "tests": str(len(self.checks)),
            "failures": str(counts[WORSE]),
            "errors": str(counts[OPEN]),
        }
        root = ElementTree.Element("testsuites")
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        for check in self.checks:
            condition = check.condition
            name = f"{condition.protocol} {condition.metric} max drop {condition.max_drop:g}"
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": check.other, "name": name}
            )
            if check.verdict == WORSE:
                kind = {"type": "worse", "message": check.reason}
                ElementTree.SubElement(case, "failure", kind)
            elif check.verdict == OPEN:
                kind = {"type": "cannot be told", "message": check.reason}
                ElementTree.SubElement(case, "error", kind)
            ElementTree.SubElement(case, "system-out").text = check.reason
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"

    def __repr__(self) -> str:
        """Return the verdict in one line; `print` shows all."""
        return f"Gate({self.verdict}, {format_count(len(self.checks), 'check')}; print shows all)"

    def __str__(self) -> str:
        deciding = next(check for check in self.checks if check.verdict == self.verdict)
        others = len([check for check in self.checks if check.verdict == self.verdict]) - 1
        more = f" (and {others} more)" if others and self.verdict != PASSED else ""
        verdict = f"verdict: {self.verdict} (exit {self.exit_code})"
        if self.verdict == PASSED and len(self.checks) > 1:
            doubts = dict.fromkeys(check.doubt for check in self.checks if check.doubt)
            return "; ".join([f"{verdict}: all {format_count(len(self.checks), 'check')}", *doubts])
        return f"{verdict}: {deciding.reason}{more}"


def parse_max_drops(text: str, protocols: Sequence[str]) -> list[Condition]:
    """Parse conditions such as `AP_S=.01,owned:AP=1%`.

    Args:
        protocols: of the comparison; without a name before the metric, the first is meant.

    >>> parse_max_drops("AP_S=.01,owned:AP=1%", ["coco", "owned"])[1]
    Condition(protocol='owned', metric='AP', max_drop=0.01)

    Raises: InputError for anything else.
    """
    conditions: list[Condition] = []
    for part in text.split(","):
        name, _, value = part.partition("=")
        protocol, _, metric = name.strip().rpartition(":")
        protocol = protocol or protocols[0]
        if metric not in AP_NAMES or protocol not in protocols:
            raise InputError(
                f"--max-drop {part}",
                "no such metric",
                f"write METRIC=DROP with one of {', '.join(AP_NAMES)}, as in AP_S=.01; "
                f"protocols are {', '.join(protocols)}",
            )
        if any((one.protocol, one.metric) == (protocol, metric) for one in conditions):
            raise InputError(f"--max-drop {text}", f"names {metric} twice", "name it once")
        conditions.append(Condition(protocol, metric, _parse_share(part, value.strip())))
    return conditions


def _parse_share(part: str, text: str) -> float:
    is_percentage = text.endswith("%")
    try:
        share = float(text.removesuffix("%")) / (100 if is_percentage else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise InputError(
            f"--max-drop {part}", "is not a share from 0 to 1", "write .01 or 1% for one AP point"
        )
    return share


def check_max_drop(comparison: Comparison, conditions: Sequence[Condition]) -> Gate:
    """Check every result after the first against every condition.

    The share of false alarms, at most 5 %, is divided among all checks.

    Raises: InputError for a protocol that was not scored.
    """
    scored = {(one.protocol, one.name) for one in comparison.differences}
    for condition in conditions:
        if (condition.protocol, condition.metric) not in scored:
            raise InputError(
                f"--max-drop {condition.protocol}:{condition.metric}",
                "it was not scored",
                "name its protocol in --protocol",
            )
    chosen = [
        (one, condition)
        for condition in conditions
        for one in comparison.differences
        if (one.protocol, one.name) == (condition.protocol, condition.metric)
    ]
    checks = [_check_difference(one, condition, len(chosen)) for one, condition in chosen]
    return Gate(tuple(_add_doubt(check, comparison) for check in checks))


def _add_doubt(check: Check, comparison: Comparison) -> Check:
    """Add what puts the comparison in doubt to the reason; the verdict is that of the numbers."""
    doubt = describe_doubt_of(comparison, check.other)
    return replace(check, reason=f"{check.reason}; {doubt}", doubt=doubt) if doubt else check


def check_drops(comparison: Comparison, max_drops: Mapping[str, float]) -> Gate:
    """Check results from Python, such as `check_drops(compare(…), {"AP_S": 0.01})`.

    Args:
        max_drops: allowed drops by metric, `AP_S` or `owned:AP_S`.
    Raises: InputError for other things than these.
    """
    if not isinstance(comparison, Comparison) or not isinstance(max_drops, Mapping):
        raise InputError(
            "check_drops",
            "takes a comparison and the allowed drops by metric",
            'pass smallpose.compare(truth, {"A": a, "B": b}) and {"AP_S": 0.01}',
        )
    protocols = list(next(iter(comparison.evaluations.values())).protocols)
    conditions = [_make_condition(name, drop, protocols) for name, drop in max_drops.items()]
    return check_max_drop(comparison, conditions)


def _make_condition(name: str, drop: Any, protocols: Sequence[str]) -> Condition:
    """Make a condition of what `check_drops` takes.

    Raises: InputError for an unknown metric, and for what is no share.
    """
    protocol, _, metric = str(name).rpartition(":")
    protocol = protocol or protocols[0]
    if metric not in AP_NAMES or protocol not in protocols:
        raise InputError(
            f"check_drops, {name!r}",
            "no such metric",
            f"use one of {', '.join(AP_NAMES)}, or {protocols[-1]}:AP with a protocol that was "
            f"compared: {', '.join(protocols)}",
        )
    is_number = isinstance(drop, int | float | np.number) and not isinstance(drop, bool)
    if not is_number or not 0 <= float(drop) < 1:
        raise InputError(
            f"check_drops, {name!r}: {drop!r}",
            "is not a share from 0 to 1",
            "use 0.01 for one AP point",
        )
    return Condition(protocol, metric, float(drop), label="the allowed")


def _check_difference(one: Difference, condition: Condition, num_checks: int) -> Check:
    """Decide one condition.

    Args:
        num_checks: that share the false alarms.
    """
    name = f"{condition.protocol} {condition.metric} of {one.other}"
    allowed = f"{condition.label} {format_number(condition.max_drop, 3)}"

    def decide(verdict: str, reason: str, limits: tuple[float, float, float] | None) -> Check:
        low, high, detectable = limits or (None, None, None)
        return Check(
            base=one.base,
            other=one.other,
            condition=condition,
            verdict=verdict,
            difference=one.difference,
            low=low,
            high=high,
            detectable=detectable,
            reason=reason,
        )

    if one.difference is None:
        return decide(OPEN, f"{name}: there are no people of this class", None)
    # Of metrics that are 0, or 1, in both results and in all resamples.
    unmoved = Interval.exact(0.0) if one.error == 0.0 else None
    interval = one.interval or unmoved
    if interval is None or one.error is None or one.clusters < MIN_TEST_CLUSTERS:
        reason = (
            f"{name}: its people are in "
            f"{format_count(one.clusters, 'image or video', 'images or videos')}, fewer than "
            f"{MIN_TEST_CLUSTERS}; use a larger test set"
        )
        return decide(OPEN, reason, None)
    centre = (interval.low + interval.high) / 2
    degrees = one.clusters - 1
    t = compute_t_quantile(1 - 2 * (1 - ONE_SIDED) / num_checks, degrees)
    low, high = centre - t * one.error, centre + t * one.error
    reach = compute_t_quantile(1 - (1 - _DETECTABLE_LEVEL) / num_checks, degrees)
    power = compute_t_quantile(_POWER_LEVEL, degrees)
    detectable = max((reach + power) * one.error, condition.max_drop + power * one.error)
    limits = (low, high, detectable)
    change = (
        f"{name} is {format_number(one.difference, 4, sign=True)} against {one.base} "
        f"({100 * ONE_SIDED:g} % limits {format_number(low, 3, sign=True)} and "
        f"{format_number(high, 3, sign=True)})"
    )
    if one.difference < -condition.max_drop and high < 0:
        return decide(WORSE, f"{change}, a drop of more than {allowed}", limits)
    if low >= -condition.max_drop:
        return decide(PASSED, f"{change}, no drop of more than {allowed}", limits)
    reason = (
        f"{change}, so a drop of more than {allowed} can be neither shown nor excluded; these "
        f"images show drops of {format_number(detectable, 3)} in 80 % of tries"
    )
    return decide(OPEN, reason, limits)
